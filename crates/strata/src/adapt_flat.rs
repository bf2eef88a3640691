//! The flat engine behind the face.

use std::io;
use std::path::Path;

use flatlog::{Db, Options, Snapshot, Transaction};
use kv_api::capability::{Backup, Check, CommitIndexes, Restore, Search, SnapshotStream};
use kv_api::{Error, Result};

use crate::adapt::Adapt;
use crate::options::OpenOptions;
use crate::recognise::holds_flat;

/// Opens the store in the directory `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Db> {
    if !options.makes_missing() && !holds_flat(path)? {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        return Err(Error::io("opening the store", missing));
    }
    Options::new()
        .read_only(options.read_only || options.untrusted)
        .read_without_mapping(options.untrusted)
        .lock_timeout(options.lock_timeout)
        .value_index(options.value_index)
        .open(path)
}

impl Adapt for Db {
    fn engine_name(&self) -> &'static str {
        "flat"
    }

    fn as_check(&self) -> Option<&dyn Check> {
        Some(self)
    }

    fn as_backup(&self) -> Option<&dyn Backup> {
        Some(self)
    }

    fn as_restore(&self) -> Option<&dyn Restore> {
        Some(self)
    }

    fn begin_with_index(&self, commit_index: u64) -> Result<Transaction> {
        self.begin_at(commit_index)
    }

    fn as_commit_indexes(snapshot: &Snapshot) -> Option<&dyn CommitIndexes> {
        Some(snapshot)
    }

    fn as_search(snapshot: &Snapshot) -> Option<&dyn Search> {
        Some(snapshot)
    }

    fn as_stream(snapshot: &Snapshot) -> Option<&dyn SnapshotStream> {
        Some(snapshot)
    }
}
