//! A snapshot written to a file and restored into another store, where the engine does that.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use kv_api::{Error, Result};
use strata::{AnySnapshot, AnyStore, Engine, Location};

use super::report::Report;

/// Replaces what `store` holds by the snapshot in the file `from`; answers its number of pairs.
pub fn restore(from: &Path, store: &AnyStore) -> Result<u64> {
    let Some(restore) = store.as_restore() else {
        return Ok(0);
    };
    let file = File::open(from).map_err(|error| Error::io("opening the snapshot", error))?;
    let mut pairs = 0;
    restore.restore_stream(&mut BufReader::new(file), &mut |progress| {
        pairs = progress.pairs;
        true
    })?;
    Ok(pairs)
}

fn newest_index(snapshot: &AnySnapshot) -> Option<u64> {
    let indexes = snapshot.as_commit_indexes()?;
    Some(indexes.newest_commit_index())
}

/// Writes a snapshot, restores it, and compares.
pub fn there_and_back(
    store: &AnyStore,
    engine: Engine,
    directory: &Path,
    report: &mut Report,
) -> Result<()> {
    let before = store.open_snapshot()?;
    let Some(stream) = before.as_stream() else {
        return Ok(());
    };
    let path = directory.join(format!("tour.{engine}.snapshot"));
    report.timed("snapshot to a file", "bytes", || {
        let file =
            File::create_new(&path).map_err(|error| Error::io("making the snapshot", error))?;
        let mut file = BufWriter::new(file);
        let bytes = stream.write_stream(&mut file, &mut |_| true)?;
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .map_err(|error| Error::io("writing the snapshot", error))?;
        Ok((bytes, ()))
    })?;
    let copy = Location::of(engine, directory.join(format!("tour-restored.{engine}")));
    let copy = strata::OpenOptions::new().open_at(&copy)?;
    report.timed("restore of the snapshot", "pairs", || {
        Ok((restore(&path, &copy)?, ()))
    })?;
    let after = copy.open_snapshot()?;
    if after.digest()? != before.digest()? || newest_index(&after) != newest_index(&before) {
        return Err(Error::other("what was restored is not what was written"));
    }
    report.say(&match newest_index(&after) {
        Some(index) => {
            format!("Restored from a snapshot, the store is the same up to commit index {index}.")
        }
        None => "Restored from a snapshot, the store is the same.".to_owned(),
    });
    drop(after);
    copy.shut_down()
}
