//! `gc` and `flatten`: what an lsm store does by itself, now.

use serde_json::json;
use strata::Location;

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::{Output, progress_work};
use crate::stores;
use crate::targets::size_of;

pub fn gc(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let location = Location::parse(&args.store);
    let store = stores::writing(&args.store, context.timeout, false)?;
    let db = stores::only_lsm(&store, "collecting a value log, which only lsm stores have")?;
    let before = size_of(location.path())?;
    let bar = progress_work("collecting");
    let freed = db.collect()?;
    bar.finish_and_clear();
    store.shut_down()?;
    let after = size_of(location.path())?;
    out.put(
        || match freed {
            0 => format!(
                "nothing to collect in {after} bytes; `strata flatten` finds what is still counted as living"
            ),
            _ => format!("{freed} files collected, {before} -> {after} bytes"),
        },
        || json!({"files": freed, "from_bytes": before, "to_bytes": after}),
    )
}

pub fn flatten(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let location = Location::parse(&args.store);
    let store = stores::writing(&args.store, context.timeout, false)?;
    let db = stores::only_lsm(&store, "flattening, which only lsm stores need")?;
    let before = size_of(location.path())?;
    let bar = progress_work("merging levels");
    db.flatten()?;
    let levels = db.levels();
    let level = levels.iter().find(|level| level.tables > 0);
    let (level, tables) = level.map_or((0, 0), |level| (level.level, level.tables));
    bar.finish_and_clear();
    store.shut_down()?;
    let after = size_of(location.path())?;
    out.put(
        || format!("{tables} tables in level {level}, {before} -> {after} bytes"),
        || json!({"level": level, "tables": tables, "from_bytes": before, "to_bytes": after}),
    )
}
