//! `snapshot` and `restore`: a flat store's contents as one file, commit indexes included.

use std::ffi::OsString;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::ProgressBar;
use kv_api::Error;
use serde_json::json;
use strata::{AnyStore, Engine, Location, Restore, SnapshotStream, StreamProgress};

use super::Context;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_steps};
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
    /// The file that snapshot wrote
    #[arg(value_name = "FILE")]
    from: PathBuf,
    /// The store, whose contents are replaced; made if it does not exist
    #[arg(value_name = "STORE")]
    store: OsString,
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
        what: "snapshots, which only flat stores have; `strata backup` copies any store",
    })?;
    write(stream, &args.to, out)
}

/// Writes a stream to a file that appears whole, or to standard output.
pub fn write(stream: &dyn SnapshotStream, to: &Path, out: &mut Output) -> Outcome {
    let bar = progress_steps("writing");
    if to.as_os_str() == "-" {
        stream.write_stream(out.stream(), &mut follow(&bar))?;
        bar.finish_and_clear();
        return Ok(());
    }
    must_not_exist(to)?;
    let bytes = put_in_place(to, |path| {
        let file = File::create_new(path)
            .map_err(|error| Failure::at(to.as_os_str(), Error::io("making the file", error)))?;
        let mut file = BufWriter::new(file);
        let bytes = stream.write_stream(&mut file, &mut follow(&bar))?;
        file.flush()?;
        file.get_ref().sync_all()?;
        Ok(bytes)
    })?;
    bar.finish_and_clear();
    out.put(|| format!("{bytes} bytes"), || json!({ "bytes": bytes }))
}

pub fn restore(args: &RestoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let from = File::open(&args.from).map_err(|error| {
        Failure::at(args.from.as_os_str(), Error::io("opening the file", error))
    })?;
    let mut location = Location::parse(&args.store);
    let is_new = location.path().symlink_metadata().is_err();
    if is_new && location.engine().is_none() {
        location = Location::of(Engine::Flat, location.path());
    }
    let pairs = if is_new {
        let target = location.clone();
        put_in_place(location.path(), |path| {
            let engine = target.engine().unwrap_or(Engine::Flat);
            into_store(&from, args, &Location::of(engine, path), context)
        })?
    } else {
        into_store(&from, args, &location, context)?
    };
    out.put(|| format!("{pairs} pairs"), || json!({ "pairs": pairs }))
}

/// Replaces what the store at `location` holds; answers how many pairs it holds now.
fn into_store(
    from: &File,
    args: &RestoreArgs,
    location: &Location,
    context: &Context,
) -> Outcome<u64> {
    let store = stores::writing_at(location, context.timeout)?;
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
        what: "restoring into it, which only flat stores do",
    })?)
}

/// Writes `stream` into a new store at `target`, which appears whole: nothing is in it but what
/// is live.
pub fn pack(stream: &dyn SnapshotStream, target: &Path, context: &Context) -> Outcome {
    put_in_place(target, |path| {
        let store = stores::writing_at(&Location::of(Engine::Flat, path), context.timeout)?;
        let bar = progress_steps("compacting");
        strata::transfer(stream, restoring(&store)?, &mut follow(&bar))?;
        bar.finish_and_clear();
        Ok(store.shut_down()?)
    })
}
