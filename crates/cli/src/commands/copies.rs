//! `compact` and `backup`: a store copied.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use kv_api::Error;
use serde_json::json;
use txn::{BackupOptions, CompactOptions};

use super::Context;
use super::badger::Format;
use crate::arguments::{Word, word};
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_bytes};
use crate::stores;
use crate::targets::{must_not_exist, put_in_place, size_of};

#[derive(Args, Debug)]
pub struct CompactArgs {
    /// The store to copy
    #[arg(value_name = "SRC")]
    source: OsString,
    /// The new store, which must not exist
    #[arg(value_name = "DST")]
    target: OsString,
    /// Commit whenever so many bytes have been copied; 0 for one transaction
    #[arg(long, value_name = "BYTES", default_value_t = CompactOptions::default().transaction_bytes_max)]
    transaction_bytes: u64,
}

#[derive(Args, Debug)]
pub struct BackupArgs {
    /// The store to copy
    #[arg(value_name = "SRC")]
    source: OsString,
    /// The file to write, which must not exist; - for standard output
    #[arg(value_name = "DST")]
    target: PathBuf,
    /// Read around the page cache, for a store larger than memory
    #[arg(long)]
    bypass_cache: bool,
    /// What to write: a copy for strata, or one that Badger can load; the latter of lsm stores only
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Only what changed after this version, which the backup before it printed; lsm stores only
    #[arg(long, value_name = "VERSION")]
    since: Option<u64>,
    /// The space to write for Badger, which knows one only; the default one without a name
    #[arg(long, value_name = "NAME", value_parser = word)]
    space: Option<Word>,
}

pub fn compact(args: &CompactArgs, context: &Context, out: &mut Output) -> Outcome {
    let said = strata::Location::parse(&args.target);
    let target = said.path();
    must_not_exist(target)?;
    let store = stores::reading(&args.source, context.timeout)?;
    let is_other = |engine: strata::Engine| engine.name() != store.engine_name();
    if said.engine().is_some_and(is_other) {
        return Err(Failure::from(Error::Unsupported {
            what: "compaction into a store of another engine",
        }));
    }
    let (from, to) = match store.open_snapshot()?.as_stream() {
        Some(stream) => {
            super::streams::pack(stream, &store, target, context)?;
            let source = strata::Location::parse(&args.source);
            (size_of(source.path())?, size_of(target)?)
        }
        None => {
            let snapshot = stores::bolt(&store)?.snapshot()?;
            put_in_place(target, |path| pack(args, &snapshot, path))?;
            (snapshot.size_bytes(), size_of(target)?)
        }
    };
    // Thousandths are exact enough for a ratio that people read.
    let gain = (1000 * from).checked_div(to).unwrap_or(0);
    out.put(
        || {
            format!(
                "{from} -> {to} bytes (gain {}.{:02})",
                gain / 1000,
                gain % 1000 / 10
            )
        },
        || json!({"from_bytes": from, "to_bytes": to}),
    )
}

fn pack(args: &CompactArgs, snapshot: &txn::Snapshot, path: &Path) -> Outcome {
    let page_bytes = snapshot.info().page_bytes;
    let target = txn::Options::new()
        .page_bytes(page_bytes)
        .no_sync(true)
        .no_grow_sync(true)
        .open(path)
        .map_err(|error| Failure::at(path.as_os_str(), error))?;
    let bar = progress_bytes(snapshot.size_bytes(), "compacting");
    let options = CompactOptions {
        transaction_bytes_max: args.transaction_bytes,
    };
    txn::compact(snapshot, &target, options, &mut |bytes| {
        bar.set_position(bytes)
    })?;
    bar.finish_and_clear();
    target.close()?;
    drop(target);
    // Nothing was synced on the way: one sync of the whole is cheaper, and enough before the
    // copy gets its name.
    Ok(std::fs::File::open(path)?.sync_all()?)
}

/// Counts what passes on its way to a file.
struct Counted<W> {
    to: W,
    bar: indicatif::ProgressBar,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bar.inc(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

pub fn backup(args: &BackupArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.source, context.timeout)?;
    if args.format == Format::Badger {
        let space = args.space.as_ref().map(|space| space.0.as_slice());
        return super::badger::backup(&store, space, args.since, &args.target, out);
    }
    if let Some(since) = args.since {
        return super::streams::changes(&store, since, &args.target, out);
    }
    if let (Some(stream), false) = (store.open_snapshot()?.as_stream(), args.bypass_cache) {
        return super::streams::write(stream, &args.target, out);
    }
    let snapshot = stores::bolt(&store)?.snapshot()?;
    let options = BackupOptions {
        bypass_cache: args.bypass_cache,
    };
    let bar = progress_bytes(snapshot.size_bytes(), "copying");
    if args.target.as_os_str() == "-" {
        let mut to = Counted {
            to: std::io::stdout().lock(),
            bar,
        };
        snapshot.write_to_with(&mut to, options)?;
        to.bar.finish_and_clear();
        return Ok(());
    }
    must_not_exist(&args.target)?;
    let copied = snapshot.copy_file_with(&args.target, options);
    let bytes = copied.map_err(|error| Failure::at(args.target.as_os_str(), error))?;
    bar.finish_and_clear();
    out.put(|| format!("{bytes} bytes"), || json!({ "bytes": bytes }))
}
