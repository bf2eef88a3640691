//! `levels` and `tables`: what an lsm store is made of.

use serde_json::json;

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::{show, stores};

pub fn levels(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let levels = stores::only_lsm(&store, "levels, which only lsm stores have")?.levels();
    if !out.is_json() {
        out.line("level  tables         bytes   target bytes  score %   value bytes")?;
    }
    for level in levels {
        let base = if level.is_base { "*" } else { " " };
        out.put(
            || {
                format!(
                    "{:>4}{base} {:>7} {:>13} {:>14} {:>8} {:>13}",
                    level.level,
                    level.tables,
                    level.bytes,
                    level.target_bytes,
                    level.score_percent,
                    level.referenced_bytes
                )
            },
            || {
                json!({
                    "level": level.level, "tables": level.tables, "bytes": level.bytes,
                    "target_bytes": level.target_bytes, "is_base": level.is_base,
                    "score_percent": level.score_percent, "value_bytes": level.referenced_bytes,
                })
            },
        )?;
    }
    Ok(())
}

pub fn tables(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let db = stores::only_lsm(&store, "tables, which only lsm stores have")?;
    if !out.is_json() {
        out.line("file       level    records  deletions         bytes   value bytes  keys")?;
    }
    for table in db.tables() {
        let (first, last) = &table.stored_keys;
        out.put(
            || {
                format!(
                    "{}.sst {:>5} {:>10} {:>10} {:>13} {:>13}  {} - {}",
                    table.id,
                    table.level,
                    table.entries,
                    table.tombstones,
                    table.bytes,
                    table.referenced_bytes,
                    show::text(first),
                    show::text(last)
                )
            },
            || {
                json!({
                    "file": format!("{}.sst", table.id), "level": table.level,
                    "records": table.entries, "keys": table.keys,
                    "tombstones": table.tombstones, "bytes": table.bytes,
                    "raw_bytes": table.raw_bytes, "value_bytes": table.referenced_bytes,
                    "newest_version": table.newest.0,
                    "first_stored_key": show::value(first), "last_stored_key": show::value(last),
                })
            },
        )?;
    }
    for file in db.value_files() {
        let dead = file.value_bytes.saturating_sub(file.living_bytes);
        let state = if file.is_sealed { "sealed" } else { "open" };
        out.put(
            || {
                format!(
                    "{}.vlog {state:>6} {:>13} value bytes, {:>13} living, {dead:>13} dead",
                    file.physical, file.value_bytes, file.living_bytes
                )
            },
            || {
                json!({
                    "file": format!("{}.vlog", file.physical), "pointed_at_as": file.id.0,
                    "value_bytes": file.value_bytes, "living_bytes": file.living_bytes,
                    "is_sealed": file.is_sealed,
                })
            },
        )?;
    }
    Ok(())
}
