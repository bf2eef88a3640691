//! `info`: what a store is.

use kv_api::Reader;
use serde_json::json;
use strata::flat::{Db, Torn};

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::stores;

pub fn run(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::inspecting(&args.store, context.timeout)?;
    if let Some(db) = stores::flat(&store) {
        return flat(db, out);
    }
    if let Some(db) = stores::lsm(&store) {
        return lsm(db, out);
    }
    let snapshot = stores::bolt(&store)?.snapshot()?;
    let info = snapshot.info();
    let metas = snapshot.metas();
    let freelist = info
        .freelist_page
        .map_or_else(|| "not stored".to_owned(), |page| format!("page {page}"));
    let states = metas.map(|meta| match meta {
        Ok(meta) => (meta.txid, "valid".to_owned()),
        Err(error) => (0, error.to_string()),
    });
    if out.is_json() {
        let metas = states.map(|(txid, state)| json!({"txid": txid, "state": state}));
        return out.object(&json!({
            "engine": store.engine_name(), "page_bytes": info.page_bytes, "txid": info.txid,
            "high_water": info.high_water, "size_bytes": info.size_bytes,
            "root_page": info.root_page, "freelist_page": info.freelist_page, "metas": metas,
        }));
    }
    out.line(&format!("Engine:      {}", store.engine_name()))?;
    out.line(&format!("Page size:   {} bytes", info.page_bytes))?;
    out.line(&format!("Pages:       {}", info.high_water))?;
    out.line(&format!("Size:        {} bytes", info.size_bytes))?;
    out.line(&format!("Transaction: {}", info.txid))?;
    out.line(&format!("Root:        page {}", info.root_page))?;
    out.line(&format!("Freelist:    {freelist}"))?;
    for (slot, (txid, state)) in states.iter().enumerate() {
        out.line(&format!("Meta {slot}:      {state}, transaction {txid}"))?;
    }
    Ok(())
}

fn lsm(db: &strata::lsm::Db, out: &mut Output) -> Outcome {
    let snapshot = db.snapshot()?;
    let (spaces, tables) = (snapshot.space_names()?.len(), db.tables());
    let (files, recovery) = (db.value_files(), db.recovery());
    let table_bytes: u64 = tables.iter().map(|table| table.bytes).sum();
    let value_bytes: u64 = files.iter().map(|file| file.value_bytes).sum();
    let living_bytes: u64 = files.iter().map(|file| file.living_bytes).sum();
    if out.is_json() {
        return out.object(&json!({
            "engine": "lsm", "version": snapshot.sequence().0, "spaces": spaces,
            "tables": tables.len(), "table_bytes": table_bytes, "value_files": files.len(),
            "value_bytes": value_bytes, "living_value_bytes": living_bytes,
            "recovered_commits": recovery.commits, "torn_bytes": recovery.torn_bytes,
        }));
    }
    out.line("Engine:       lsm")?;
    out.line(&format!("Version:      {}", snapshot.sequence()))?;
    out.line(&format!("Spaces:       {spaces}"))?;
    out.line(&format!(
        "Tables:       {} of {table_bytes} bytes",
        tables.len()
    ))?;
    out.line(&format!(
        "Value log:    {} files of {value_bytes} bytes, {living_bytes} of them living",
        files.len()
    ))?;
    out.line(&format!("Recovered:    {} commits", recovery.commits))?;
    match recovery.torn_bytes {
        0 => Ok(()),
        bytes => out.line(&format!("Torn end:     {bytes} bytes")),
    }
}

fn flat(db: &Db, out: &mut Output) -> Outcome {
    let (counted, recovery) = (db.statistics()?, db.recovery());
    let spaces = db.snapshot()?.space_names()?.len();
    let torn = recovery.torn.as_ref();
    if out.is_json() {
        let torn = torn.map(
            |torn| json!({"segment": torn.segment, "offset": torn.offset, "bytes": torn.bytes}),
        );
        return out.object(&json!({
            "engine": "flat", "last_commit_index": counted.last_commit_index,
            "keys": counted.keys, "spaces": spaces, "size_bytes": counted.log_bytes,
            "segments": counted.segments.len(), "was_closed": recovery.was_closed, "torn": torn,
        }));
    }
    out.line("Engine:       flat")?;
    out.line(&format!("Commit index: {}", counted.last_commit_index))?;
    out.line(&format!("Keys:         {}", counted.keys))?;
    out.line(&format!("Spaces:       {spaces}"))?;
    out.line(&format!("Size:         {} bytes", counted.log_bytes))?;
    out.line(&format!("Segments:     {}", counted.segments.len()))?;
    let closed = if recovery.was_closed { "yes" } else { "no" };
    out.line(&format!("Closed:       {closed}"))?;
    match torn {
        Some(Torn {
            segment,
            offset,
            bytes,
            ..
        }) => out.line(&format!(
            "Torn end:     {bytes} bytes at {offset} of {segment}"
        )),
        None => Ok(()),
    }
}
