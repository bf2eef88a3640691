//! `backup` and `restore` with `--format badger`.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use kv_api::{Error, Reader, Space};
use serde_json::json;
use strata::AnyStore;
use strata::lsm::Sequence;

use super::streams::to_file;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, progress_bytes, progress_work};
use crate::stores;

/// What a copy of a store is written as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// The engine's own
    #[default]
    Strata,
    /// What `badger backup` writes and `badger restore` reads
    Badger,
}

const WHAT: &str = "Badger's backups, which only lsm stores read and write";

/// Writes a space of an lsm store for Badger.
pub fn backup(
    store: &AnyStore,
    space: Option<&[u8]>,
    since: Option<u64>,
    to: &Path,
    out: &mut Output,
) -> Outcome {
    let snapshot = stores::only_lsm(store, WHAT)?.snapshot()?;
    let names = snapshot.space_names()?;
    let space = match space {
        Some(name) => snapshot
            .space(name)?
            .ok_or(Error::NotFound { what: "space" })?,
        None if names.is_empty() => Space::DEFAULT,
        None if snapshot.range(Space::DEFAULT, ..)?.next().is_some() => Space::DEFAULT,
        None => {
            return Err(Failure::Usage(
                "the default space is empty and Badger has one space only; name one with --space"
                    .into(),
            ));
        }
    };
    let since = Sequence(since.unwrap_or(0));
    let bar = progress_work("writing");
    let written = to_file(to, out, |to| {
        Ok(snapshot.write_badger_backup(space, since, to)?)
    })?;
    bar.finish_and_clear();
    let Some(written) = written else {
        return Ok(());
    };
    let (versions, bytes, newest) = (written.versions, written.bytes, written.newest.0);
    out.put(
        || format!("{versions} versions, {bytes} bytes, up to version {newest}"),
        || json!({"versions": versions, "bytes": bytes, "version": newest}),
    )
}

/// Loads a backup that Badger wrote; answers how many versions of keys came in.
pub fn restore(
    store: &AnyStore,
    space: Option<&[u8]>,
    from: &File,
    at_file: impl FnOnce(Error) -> Failure,
) -> Outcome<u64> {
    let db = stores::only_lsm(store, WHAT)?;
    let bar = progress_bytes(from.metadata()?.len(), "loading");
    let loaded = db.load_badger_backup(space, &mut BufReader::new(from), &mut |bytes| {
        bar.set_position(bytes);
        true
    });
    bar.finish_and_clear();
    match loaded {
        Ok(loaded) => Ok(loaded.versions),
        Err(error @ Error::Corrupt { .. }) => Err(at_file(error)),
        Err(error) => Err(error.into()),
    }
}
