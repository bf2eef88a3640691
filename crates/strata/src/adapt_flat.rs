//! The flat engine behind the face.

use std::io::{self, Read, Write};
use std::path::Path;

use flatlog::query::{Row as _, RowSource};
use flatlog::{Db, Options, Progress, Snapshot, Transaction};
use kv_api::capability::{Backup, Check, Search};
use kv_api::{Error, Reader, Result};

use crate::adapt::Adapt;
use crate::commit_indexes::CommitIndexes;
use crate::options::OpenOptions;
use crate::recognise::holds_flat;
use crate::snapshot_stream::{Restore, SnapshotStream, StreamProgress, StreamReport};

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

impl CommitIndexes for Snapshot {
    fn newest_commit_index(&self) -> u64 {
        self.last_commit_index()
    }

    fn commit_index_in(&self, space: Option<&[u8]>, key: &[u8]) -> Result<Option<u64>> {
        let Some(name) = space else {
            return Ok(self.commit_index_of(key));
        };
        let space = self.space(name)?.ok_or(Error::NotFound { what: "space" })?;
        let rows = self.space_rows(space)?;
        Ok(rows.row(key)?.map(|row| row.commit_index()))
    }
}

fn told(progress: Progress) -> StreamProgress {
    StreamProgress {
        pairs: progress.pairs,
        pairs_total: progress.pairs_total,
        bytes: progress.bytes,
    }
}

impl SnapshotStream for Snapshot {
    fn write_stream(&self, to: &mut dyn Write, report: StreamReport<'_>) -> Result<u64> {
        self.write_to(to, |progress| report(told(progress)))
    }
}

impl Restore for Db {
    fn restore_stream(&self, from: &mut dyn Read, report: StreamReport<'_>) -> Result<()> {
        self.restore(from, |progress| report(told(progress)))
    }
}
