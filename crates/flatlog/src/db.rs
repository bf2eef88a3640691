//! The store's handle: begin, run, sync, close.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use kv_api::{Error, Result};

use crate::background::Background;
use crate::commit;
use crate::recovery::Recovery;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;

/// An open store. Cheap to clone; every clone is the same store.
///
/// ```
/// # fn main() -> flatlog::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("state-machine");
/// let db = flatlog::Db::open(&path)?;
///
/// db.update(|tx| {
///     tx.put("user:ann", "admin")?;
///     tx.put("user:bob", "guest")
/// })?;
///
/// let snapshot = db.snapshot()?;
/// assert_eq!(snapshot.get("user:ann")?.as_deref(), Some(&b"admin"[..]));
/// for pair in snapshot.prefix("user:") {
///     let (name, role) = pair?;
///     println!("{} is {}", name.escape_ascii(), role.escape_ascii());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Db {
    pub(crate) shared: Arc<Shared>,
    /// Ended with the last clone, not with the last snapshot or transaction.
    pub(crate) background: Option<Arc<Background>>,
    path: Arc<Path>,
}

impl Db {
    pub(crate) fn new(shared: Arc<Shared>, background: Option<Background>, path: &Path) -> Db {
        Db {
            shared,
            background: background.map(Arc::new),
            path: path.into(),
        }
    }

    /// The directory, as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the store is open for reading only.
    pub fn is_read_only(&self) -> bool {
        self.shared.options.read_only
    }

    /// What opening found and did.
    pub fn recovery(&self) -> &Recovery {
        &self.shared.recovery
    }

    /// The newest version, frozen. O(1), but that it waits while a commit is made visible: for
    /// microseconds, for some milliseconds if that changes thousands of keys and no other snapshot
    /// lives.
    #[inline]
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot::new(self.shared.current()?))
    }

    /// Starts the one write transaction; waits until no other runs. Begun twice on one thread, it
    /// waits for itself: use [`try_begin`](Db::try_begin) where that could happen.
    pub fn begin(&self) -> Result<Transaction> {
        begun(Transaction::begin(&self.shared, false, None)?)
    }

    /// Starts the one write transaction, or answers `None` if another runs.
    pub fn try_begin(&self) -> Result<Option<Transaction>> {
        Transaction::begin(&self.shared, true, None)
    }

    /// Starts the one write transaction, to commit with this index: the index of the Raft entry
    /// that it applies.
    ///
    /// # Errors
    ///
    /// `AlreadyApplied` if the last index is this one or higher: the entry is in the store.
    pub fn begin_at(&self, commit_index: u64) -> Result<Transaction> {
        begun(Transaction::begin(&self.shared, false, Some(commit_index))?)
    }

    /// The index of the newest visible commit.
    pub fn last_commit_index(&self) -> Result<u64> {
        let state = self.shared.lock();
        let root = state.root.as_ref().ok_or(Error::Closed)?;
        Ok(root.last_commit_index)
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

    /// Makes every commit that returned before this call durable.
    pub fn sync(&self) -> Result<()> {
        commit::sync(&self.shared)
    }
}

fn begun(transaction: Option<Transaction>) -> Result<Transaction> {
    // Only trying answers `None`.
    transaction.ok_or(Error::Conflict)
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Db")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
