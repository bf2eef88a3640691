//! `snapshot` and `restore`: a store's contents as one file, with what is kept beside its pairs.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use kv_api::Error;
use serde_json::json;
use strata::lsm::Sequence;
use strata::{AnyStore, Engine, Location, Restore, SnapshotStream, StreamProgress};

use super::Context;
use super::badger::Format;
use crate::arguments::{Word, word};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_steps, progress_work};
use crate::stores;
use crate::targets::{must_not_exist, put_in_place};

#[derive(Args, Debug)]
pub struct SnapshotArgs {
    /// The store
    #[arg(value_name = "STORE")]
    pub store: OsString,
    /// The file to write, which must not exist; - for standard output
    #[arg(value_name = "FILE")]
    pub to: PathBuf,
}

#[derive(Args, Debug)]
pub struct RestoreArgs {
    /// The file that snapshot or backup wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The store, whose contents are replaced; made if it does not exist
    #[arg(value_name = "STORE")]
    store: OsString,
    /// What the file is: strata's own, or a backup that Badger wrote, which adds to the store
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The file holds changes only, which come on top of the backups before it; lsm stores only
    #[arg(long)]
    changes: bool,
    /// The space that Badger's pairs go to; the default one without a name
    #[arg(long, value_name = "NAME", value_parser = word)]
    space: Option<Word>,
}

/// Moves `bar` along with a stream, which goes on.
fn follow(bar: &ProgressBar) -> impl FnMut(StreamProgress) -> bool {
    |progress| {
        bar.set_length(progress.pairs_total);
        bar.set_position(progress.pairs);
        true
    }
}

pub fn snapshot(args: &SnapshotArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = store.open_snapshot()?;
    let stream = snapshot.as_stream().ok_or(Error::Unsupported {
        what: "snapshots, which only flat and lsm stores have; `strata backup` copies any store",
    })?;
    write(stream, &args.to, out)
}

/// Lets `fill` write a file that appears whole, or to standard output; answers what it answers
/// unless that was standard output.
pub fn to_file<T>(
    to: &Path,
    out: &mut Output,
    fill: impl FnOnce(&mut dyn Write) -> Outcome<T>,
) -> Outcome<Option<T>> {
    if to.as_os_str() == "-" {
        fill(out.stream())?;
        return Ok(None);
    }
    must_not_exist(to)?;
    let filled = put_in_place(to, |path| {
        let file = File::create_new(path)
            .map_err(|error| Failure::at(to.as_os_str(), Error::io("making the file", error)))?;
        let mut file = BufWriter::new(file);
        let filled = fill(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(filled)
    })?;
    Ok(Some(filled))
}

/// Writes a stream to a file that appears whole, or to standard output.
pub fn write(stream: &dyn SnapshotStream, to: &Path, out: &mut Output) -> Outcome {
    let bar = progress_steps("writing");
    let written = to_file(
        to,
        out,
        |to| Ok(stream.write_stream(to, &mut follow(&bar))?),
    )?;
    bar.finish_and_clear();
    match written {
        Some(bytes) => out.put(|| format!("{bytes} bytes"), || json!({ "bytes": bytes })),
        None => Ok(()),
    }
}

/// Writes what an lsm store changed after `since`.
pub fn changes(store: &AnyStore, since: u64, to: &Path, out: &mut Output) -> Outcome {
    let snapshot = stores::only_lsm(store, "backups of changes, which only lsm stores have")?;
    let snapshot = snapshot.snapshot()?;
    let version = snapshot.sequence().0;
    let since = Sequence(since);
    let bar = progress_work("writing");
    let written = to_file(to, out, |to| Ok(snapshot.backup_since(since, to)?))?;
    bar.finish_and_clear();
    let Some(bytes) = written else {
        return Ok(());
    };
    out.put(
        || format!("{bytes} bytes up to version {version}"),
        || json!({"bytes": bytes, "version": version}),
    )
}

pub fn restore(args: &RestoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let from = File::open(&args.from).map_err(|error| {
        Failure::at(args.from.as_os_str(), Error::io("opening the file", error))
    })?;
    let location = Location::parse(&args.store);
    let is_new = location.path().symlink_metadata().is_err();
    let pairs = if is_new {
        let engine = match location.engine() {
            Some(engine) => engine,
            None => engine_of(&from, args)?,
        };
        put_in_place(location.path(), |path| {
            into_store(&from, args, &Location::of(engine, path), context)
        })?
    } else {
        let engine = match location.engine() {
            Some(engine) => engine,
            None => strata::recognise(location.path())?,
        };
        into_store(&from, args, &Location::of(engine, location.path()), context)?
    };
    match args.format {
        Format::Badger => out.put(
            || format!("{pairs} versions"),
            || json!({ "versions": pairs }),
        ),
        Format::Strata => out.put(|| format!("{pairs} pairs"), || json!({ "pairs": pairs })),
    }
}

/// The engine whose snapshot a file is.
fn engine_of(from: &File, args: &RestoreArgs) -> Outcome<Engine> {
    if args.format == Format::Badger || args.changes {
        return Ok(Engine::Lsm);
    }
    let mut head = [0; 8];
    let mut from = from;
    let read = from.read(&mut head)?;
    from.seek(SeekFrom::Start(0))?;
    Ok(match head.get(..read) {
        Some(b"strtLSMB") => Engine::Lsm,
        _ => Engine::Flat,
    })
}

/// Replaces what the store at `location` holds; answers how many pairs it holds now.
fn into_store(
    from: &File,
    args: &RestoreArgs,
    location: &Location,
    context: &Context,
) -> Outcome<u64> {
    let at_file = |error| Failure::at(args.from.as_os_str(), error);
    if args.format == Format::Badger {
        let store = match location.engine() {
            Some(Engine::Lsm) => stores::keeping_versions(location, context.timeout)?,
            _ => stores::writing_at(location, context.timeout)?,
        };
        let space = args.space.as_ref().map(|space| space.0.as_slice());
        let loaded = super::badger::restore(&store, space, from, at_file)?;
        store.shut_down()?;
        return Ok(loaded);
    }
    let store = stores::writing_at(location, context.timeout)?;
    if args.changes {
        let db = stores::only_lsm(&store, "loading changes, which only lsm stores do")?;
        let bar = progress_work("loading");
        db.load(&mut BufReader::new(from)).map_err(at_file)?;
        bar.finish_and_clear();
        let pairs = store.open_snapshot()?.digest()?.keys;
        store.shut_down()?;
        return Ok(pairs);
    }
    let bar = progress_steps("restoring");
    let mut pairs = 0;
    let mut moved = follow(&bar);
    let restored = restoring(&store)?.restore_stream(&mut BufReader::new(from), &mut |progress| {
        pairs = progress.pairs_total;
        moved(progress)
    });
    restored.map_err(|error| match error {
        Error::Corrupt { .. } => Failure::at(args.from.as_os_str(), error),
        error => Failure::at(args.store.as_os_str(), error),
    })?;
    bar.finish_and_clear();
    store.shut_down()?;
    Ok(pairs)
}

fn restoring(store: &AnyStore) -> Outcome<&dyn Restore> {
    Ok(store.as_restore().ok_or(Error::Unsupported {
        what: "restoring into it, which only flat and lsm stores do",
    })?)
}

/// Writes `stream` into a new store at `target`, which appears whole: nothing is in it but what
/// is live.
pub fn pack(
    stream: &dyn SnapshotStream,
    source: &AnyStore,
    target: &Path,
    context: &Context,
) -> Outcome {
    let engine = Engine::from_name(source.engine_name()).unwrap_or(Engine::Flat);
    put_in_place(target, |path| {
        let store = stores::writing_at(&Location::of(engine, path), context.timeout)?;
        let bar = progress_steps("compacting");
        strata::transfer(stream, restoring(&store)?, &mut follow(&bar))?;
        bar.finish_and_clear();
        Ok(store.shut_down()?)
    })
}
