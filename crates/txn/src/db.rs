//! The database handle: begin, run, sync, close.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use kv_api::{Error, Result};
use pager::PageSource;

use crate::batch_queue::BatchQueue;
use crate::commit;
use crate::group_queue::GroupQueue;
use crate::options::FreelistStorage;
use crate::shared::Shared;
use crate::snapshot::{Info, Snapshot};
use crate::statistics::Statistics;
use crate::transaction::Transaction;
use crate::writer::Writer;

/// An open database. Cheap to clone; every clone is the same database.
///
/// ```
/// # fn main() -> txn::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("my.db");
/// let db = txn::Db::open(&path)?;
///
/// db.update(|tx| {
///     let mut users = tx.create_bucket_if_missing("users")?;
///     users.put("ann", "admin")?;
///     users.put("bob", "guest")
/// })?;
///
/// db.view(|tx| {
///     let users = tx.bucket("users")?;
///     assert_eq!(users.get("ann")?, Some(&b"admin"[..]));
///     for pair in users.range(..) {
///         let (name, role) = pair?;
///         println!("{} is {}", name.escape_ascii(), role.escape_ascii());
///     }
///     Ok(())
/// })?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Db {
    pub(crate) shared: Arc<Shared>,
    pub(crate) batch: Arc<BatchQueue>,
    pub(crate) group: Arc<GroupQueue>,
}

/// A version that someone holds although a newer one exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldVersion {
    /// The version's transaction number.
    pub txid: u64,
    /// Snapshots and owned values that hold it.
    pub holders: usize,
    /// Time since it was published.
    pub age: Duration,
    /// Pages that cannot be reused for its sake.
    pub pinned_pages: u64,
}

impl Db {
    pub(crate) fn new(shared: Shared) -> Db {
        Db {
            shared: Arc::new(shared),
            batch: Arc::default(),
            group: Arc::default(),
        }
    }

    /// The path as it was opened.
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whether the database is open for reading only.
    pub fn is_read_only(&self) -> bool {
        self.shared.options.read_only
    }

    /// The newest version, frozen: one atomic load, whatever writers do.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.shared.version()?))
    }

    /// Starts the one write transaction; waits until no other runs. Begun twice on one thread, it
    /// waits for itself: use [`try_begin`](Db::try_begin) where that could happen.
    pub fn begin(&self) -> Result<Transaction> {
        self.refuse_read_only()?;
        Transaction::begin(Arc::clone(&self.shared), self.shared.gate.take_turn()?)
    }

    /// Starts the one write transaction, or answers `None` if another runs.
    pub fn try_begin(&self) -> Result<Option<Transaction>> {
        self.refuse_read_only()?;
        let writer = self.shared.gate.try_take_turn()?;
        writer
            .map(|writer| Transaction::begin(Arc::clone(&self.shared), writer))
            .transpose()
    }

    fn refuse_read_only(&self) -> Result<()> {
        if self.is_read_only() {
            Err(Error::ReadOnly)
        } else {
            Ok(())
        }
    }

    /// Runs `read` on a fresh snapshot.
    pub fn view<T>(&self, read: impl FnOnce(&Snapshot) -> Result<T>) -> Result<T> {
        read(&self.snapshot()?)
    }

    /// Runs `write` in a transaction and commits it durably; an error or a panic rolls it back.
    pub fn update<T>(&self, write: impl FnOnce(&mut Transaction) -> Result<T>) -> Result<T> {
        let mut transaction = self.begin()?;
        let value = write(&mut transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Makes every commit that returned before this call durable, those of earlier handles
    /// included: what was found at opening may have been in the system's cache only, after a
    /// commit in doubt or the death of a process. Waits for a commit on its way, not for a
    /// transaction that is still open.
    pub fn sync(&self) -> Result<()> {
        self.refuse_read_only()?;
        self.with_writer(commit::sync_for_certain)
    }

    fn with_writer<T>(&self, work: impl FnOnce(&mut Writer) -> Result<T>) -> Result<T> {
        let mut writer = self.shared.gate.take()?;
        let done = writer.prepare().and_then(|()| work(&mut writer));
        self.shared.gate.put_back(writer);
        done
    }

    /// Makes everything durable, stores the list of free pages if this handle committed anything
    /// and the rules allow it, and lets no one begin any more. Waits for the write transaction,
    /// not for snapshots: those stay valid, and the file's lock is released with the last of
    /// them.
    pub fn close(&self) -> Result<()> {
        let closed = if self.is_read_only() {
            Ok(())
        } else {
            self.close_writer()
        };
        self.shared.current.store(None);
        self.shared.gate.close();
        closed
    }

    fn close_writer(&self) -> Result<()> {
        let mut writer = match self.shared.gate.take_turn() {
            Ok(writer) => writer,
            Err(Error::Closed) => return Ok(()),
            Err(error) => return Err(error),
        };
        // Dropped here, with the file it holds, whatever the steps answer.
        if !writer.has_committed {
            return Ok(());
        }
        commit::sync_current(&mut writer)?;
        let stores = self.shared.options.freelist != FreelistStorage::Never;
        if !stores || writer.refuse_poisoned().is_err() {
            return Ok(());
        }
        match commit::store_freelist(&mut writer) {
            // The list is a convenience: without room for it, the next opening walks the tree.
            Err(Error::NoSpace { .. }) => Ok(()),
            stored => stored,
        }
    }

    /// What the database is.
    pub fn info(&self) -> Result<Info> {
        Ok(self.snapshot()?.info())
    }

    /// Counters since the database was opened.
    pub fn statistics(&self) -> Result<Statistics> {
        let page_bytes = self.shared.version()?.pages.page_bytes() as u64;
        Ok(Statistics::read(&self.shared.counters, page_bytes))
    }

    /// Older versions that someone still holds, oldest first: what keeps the file from reusing
    /// pages. Waits for a commit on its way.
    pub fn held_versions(&self) -> Result<Vec<HeldVersion>> {
        self.refuse_read_only()?;
        let listed = self
            .with_writer(|writer| Ok(writer.held_versions()))?
            .into_iter()
            .map(|(version, pinned_pages)| HeldVersion {
                txid: version.meta.txid.0,
                // One of the holders is this list.
                holders: Arc::strong_count(&version).saturating_sub(1),
                age: version.published.elapsed(),
                pinned_pages,
            });
        Ok(listed.filter(|version| version.holders > 0).collect())
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}
