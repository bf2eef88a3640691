//! The engine behind `kv-api`.

use std::io::{Read, Write};

use kv_api::capability::{CommitIndexes, ReportProgress, SetCommitIndex, SnapshotStream};
use kv_api::{Result, Space, Store};

use crate::db::Db;
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;

impl Store for Db {
    type Snapshot = Snapshot;
    type Transaction = Transaction;

    fn snapshot(&self) -> Result<Snapshot> {
        Db::snapshot(self)
    }

    fn begin(&self) -> Result<Transaction> {
        Db::begin(self)
    }

    fn try_begin(&self) -> Result<Option<Transaction>> {
        Db::try_begin(self)
    }

    fn sync(&self) -> Result<()> {
        Db::sync(self)
    }

    fn close(&self) -> Result<()> {
        Db::close(self)
    }
}

impl CommitIndexes for Snapshot {
    fn commit_index(&self) -> u64 {
        self.last_commit_index()
    }

    fn commit_index_of(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        Ok(self.item(space, key)?.map(|item| item.commit_index))
    }
}

impl SetCommitIndex for Transaction {
    fn set_commit_index(&mut self, commit_index: u64) -> Result<()> {
        Transaction::set_commit_index(self, commit_index)
    }
}

impl SnapshotStream for Db {
    fn write_snapshot(&self, to: &mut dyn Write, report: ReportProgress<'_>) -> Result<u64> {
        self.snapshot_to(to, report)
    }

    fn restore_snapshot(&self, from: &mut dyn Read, report: ReportProgress<'_>) -> Result<()> {
        self.restore(from, report)
    }
}
