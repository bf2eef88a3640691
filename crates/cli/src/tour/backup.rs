//! A backup taken while a writer goes on.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kv_api::{Error, Result};
use strata::{AnyStore, Engine, Location};

use super::names::Names;
use super::report::Report;

const TICKS: &[u8] = b"ticks";

/// Commits a growing number until told to stop.
fn tick(store: &AnyStore, stop: &AtomicBool, ticks: &AtomicU64) -> Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let next = ticks.load(Ordering::Relaxed) + 1;
        let mut change = store.begin_write()?;
        change.put_at(&[TICKS], b"now", &next.to_be_bytes())?;
        change.commit_durably()?;
        ticks.store(next, Ordering::Relaxed);
    }
    Ok(())
}

/// The copy as a store: itself, or what is restored from it beside it.
fn open_copy(engine: Engine, path: &Path) -> Result<AnyStore> {
    let options = strata::OpenOptions::new();
    if engine == Engine::Bolt {
        return options.read_only(true).open_at(&Location::of(engine, path));
    }
    let store = options.open_at(&Location::of(engine, path.with_extension("restored")))?;
    super::stream::restore(path, &store)?;
    Ok(store)
}

/// Copies the store to `path` while another thread commits, then opens the copy, checks it, and
/// holds it against what was there before and after.
pub fn copy_while_writing(
    store: &AnyStore,
    engine: Engine,
    path: &Path,
    names: &Names,
    report: &mut Report,
) -> Result<()> {
    let Some(backup) = store.as_backup() else {
        return Ok(());
    };
    let (stop, ticks) = (AtomicBool::new(false), AtomicU64::new(0));
    let (first, last) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| tick(store, &stop, &ticks));
        while ticks.load(Ordering::Relaxed) == 0 && !writer.is_finished() {
            std::thread::yield_now();
        }
        let first = ticks.load(Ordering::Relaxed);
        let copied = report.timed("hot backup", "bytes", || {
            let file = std::fs::File::create_new(path)
                .map_err(|error| Error::io("making the backup's file", error))?;
            let mut file = BufWriter::new(file);
            let bytes = backup.backup(&mut file)?;
            file.flush()
                .map_err(|error| Error::io("writing the backup", error))?;
            Ok((bytes, ()))
        });
        stop.store(true, Ordering::Relaxed);
        writer
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        copied.map(|()| (first, ticks.load(Ordering::Relaxed)))
    })?;
    let copy = open_copy(engine, path)?;
    super::check(&copy, "backup", report)?;
    let snapshot = copy.open_snapshot()?;
    let digest = snapshot.digest()?;
    let ticks = snapshot
        .bucket_at(&[TICKS])?
        .map(|bucket| bucket.value_of(b"now"))
        .transpose()?;
    let seen = ticks
        .flatten()
        .and_then(|now| now.first_chunk().map(|now| u64::from_be_bytes(*now)));
    report.say(&format!(
        "A writer committed {last} times around the backup, which holds the state after commit {}.",
        seen.unwrap_or_default()
    ));
    let whole = digest.keys == 2 * names.count() as u64 + 1;
    if !whole || !seen.is_some_and(|seen| (first..=last).contains(&seen)) {
        return Err(Error::other(
            "the backup is not a state that the store was in",
        ));
    }
    drop(snapshot);
    copy.shut_down()?;
    report.size("backup", super::size_of(path)?);
    Ok(())
}
