//! Levels, a value log and times to live, where the engine has them.

use kv_api::{Error, Result};
use strata::{AnyStore, Item};

use super::names::Names;
use super::report::Report;

/// What the tour writes here, and takes away again.
const PLACE: &[&[u8]] = &[b"drafts"];

/// Bytes of a draft: large enough for the value log.
const DRAFT_BYTES: usize = 4 << 10;

/// Overwrites large values, merges levels, and collects what is dead.
pub fn tidy_up(store: &AnyStore, names: &Names, report: &mut Report) -> Result<()> {
    let Some(db) = crate::stores::lsm(store) else {
        return Ok(());
    };
    let drafts = names.count().min(500);
    report.timed("large values, each written three times", "values", || {
        for round in 0..3_u8 {
            let mut change = store.begin_write()?;
            for named in names.iter().take(drafts) {
                let draft = vec![b'a' + round; DRAFT_BYTES];
                change.put_at(PLACE, named.name.as_bytes(), &draft)?;
            }
            change.commit_durably()?;
        }
        Ok((3 * drafts as u64, ()))
    })?;
    report.timed(
        "merge of all levels, collection of dead values",
        "bytes",
        || {
            db.flatten()?;
            db.collect()?;
            // The engine collects by itself, too, as soon as merging shows what is dead.
            Ok((db.metrics().collected_bytes, ()))
        },
    )?;
    let files = db.value_files();
    let alive: u64 = files.iter().map(|file| file.living_bytes).sum();
    let left: u64 = files.iter().map(|file| file.value_bytes).sum();
    report.say(&format!(
        "The value log has {left} bytes of values left, {alive} of them living."
    ));
    expire(store, report)?;
    let mut change = store.begin_write()?;
    change.drop_at(PLACE)?;
    change.commit_durably()
}

/// A pair whose time has passed is not there.
fn expire(store: &AnyStore, report: &mut Report) -> Result<()> {
    let mut change = store.begin_write()?;
    for (key, expires_at) in [(b"yesterday", 1), (b"far ahead", 32_503_680_000)] {
        let item = Item {
            key,
            value: b"",
            expires_at,
            user_meta: 1,
        };
        change.put_item_at(PLACE, &item)?;
    }
    change.commit_durably()?;
    let snapshot = store.open_snapshot()?;
    let drafts = snapshot
        .bucket_at(PLACE)?
        .ok_or(Error::NotFound { what: "drafts" })?;
    let found = [&b"yesterday"[..], b"far ahead"].map(|key| drafts.value_of(key));
    let [Ok(None), Ok(Some(_))] = found else {
        return Err(Error::other("times to live are not kept"));
    };
    report.say("A pair whose time passed in 1970 is gone; one that lasts until 3000 is there.");
    Ok(())
}
