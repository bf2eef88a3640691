//! The engine behind `kv-api`.

use kv_api::{Result, Store};

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
        Db::begin(self).map(Some)
    }

    fn sync(&self) -> Result<()> {
        Db::sync(self)
    }

    fn close(&self) -> Result<()> {
        Db::close(self)
    }
}
