//! A store whose engine is known at run time only.

use std::sync::Arc;

use kv_api::Result;
use kv_api::capability::{Backup, Check, Compact, History, SortedLoad, Watch};

use crate::adapt::Adapt;
use crate::any_snapshot::AnySnapshot;
use crate::any_transaction::AnyTransaction;
use crate::erased::ErasedStore;
use crate::snapshot_stream::Restore;

/// A store whose engine is known at run time only. Cheap to clone; every clone is the same store.
///
/// Its methods have names of their own, so that code may use it beside the `kv-api` traits; what
/// only some engines can do is asked for and may be `None`.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("my.db");
/// # let location = format!("bolt:{}", path.display());
/// use strata::{AnyStore, Order};
///
/// // `location` is "bolt:/some/where/my.db".
/// let store = AnyStore::open(&location)?;
/// assert_eq!(store.engine_name(), "bolt");
///
/// let mut change = store.begin_write()?;
/// change.put_at(&[b"planets", b"inner"], b"3", b"earth")?;
/// change.put_at(&[b"planets", b"inner"], b"4", b"mars")?;
/// change.commit_durably()?;
///
/// let snapshot = store.open_snapshot()?;
/// let inner = snapshot.bucket_at(&[b"planets", b"inner"])?.expect("just made");
/// let last = inner.entries(.., Order::Descending)?.next().expect("two pairs")?;
/// assert_eq!(last.value.as_deref(), Some(&b"mars"[..]));
///
/// let mut copy = Vec::new();
/// let backup = store.as_backup().expect("bolt can be copied while in use");
/// assert_eq!(backup.backup(&mut copy)?, copy.len() as u64);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AnyStore {
    inner: Arc<dyn ErasedStore>,
}

impl AnyStore {
    /// Any store from one of an engine.
    pub fn new(store: impl Adapt) -> AnyStore {
        AnyStore {
            inner: Arc::new(store),
        }
    }

    /// The engine's name.
    pub fn engine_name(&self) -> &'static str {
        self.inner.engine_name()
    }

    /// The engine's own handle, if it is an `E`: for what no capability says.
    pub fn engine_as<E: Adapt>(&self) -> Option<&E> {
        self.inner.as_any().downcast_ref()
    }

    /// The newest committed version, frozen.
    pub fn open_snapshot(&self) -> Result<AnySnapshot> {
        self.inner.open_snapshot().map(AnySnapshot::new)
    }

    /// Starts a transaction; waits for its turn where the engine takes one writer at a time.
    pub fn begin_write(&self) -> Result<AnyTransaction> {
        self.inner.begin_write().map(AnyTransaction::new)
    }

    /// Starts a transaction that commits with this index, such as that of the Raft entry it
    /// applies.
    ///
    /// # Errors
    ///
    /// `AlreadyApplied` if the newest index is this one or higher: the entry is in the store.
    /// `Unsupported` where [`AnySnapshot::as_commit_indexes`] answers `None`.
    pub fn begin_write_at(&self, commit_index: u64) -> Result<AnyTransaction> {
        self.inner
            .begin_with_index(commit_index)
            .map(AnyTransaction::new)
    }

    /// Makes every commit that returned before this call durable.
    pub fn make_durable(&self) -> Result<()> {
        self.inner.sync()
    }

    /// Makes everything durable, releases the store and reports what failed.
    pub fn shut_down(&self) -> Result<()> {
        self.inner.close()
    }

    /// The power to look for damage, if the engine has it.
    pub fn as_check(&self) -> Option<&dyn Check> {
        self.inner.as_check()
    }

    /// The power to be copied while in use, if the engine has it.
    pub fn as_backup(&self) -> Option<&dyn Backup> {
        self.inner.as_backup()
    }

    /// The power to be put in order while in use, if the engine has it.
    pub fn as_compact(&self) -> Option<&dyn Compact> {
        self.inner.as_compact()
    }

    /// The power to be read as of older versions, if the engine has it.
    pub fn as_history(&self) -> Option<&dyn History> {
        self.inner.as_history()
    }

    /// The power to tell of commits as they happen, if the engine has it.
    pub fn as_watch(&self) -> Option<&dyn Watch> {
        self.inner.as_watch()
    }

    /// The power to take sorted pairs at once, if the engine has it; else a transaction puts them.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let location = format!("lsm:{}", directory.path().join("store").display());
    /// use kv_api::Bytes;
    /// // `location` is "lsm:/some/where".
    /// let store = strata::AnyStore::open(&location)?;
    /// let mut numbers = 0..1_000_u32;
    /// let mut next = || {
    ///     let number = numbers.next();
    ///     Ok(number.map(|number| (Bytes::copy_from_slice(&number.to_be_bytes()), Bytes::new())))
    /// };
    /// let load = store.as_sorted_load().expect("lsm takes sorted pairs");
    /// assert_eq!(load.load_sorted(Some(b"numbers"), &mut next)?, 1_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_sorted_load(&self) -> Option<&dyn SortedLoad> {
        self.inner.as_sorted_load()
    }

    /// Whether times to live and bytes of the caller's own are kept beside pairs, by
    /// [`AnyTransaction::put_item_at`].
    pub fn holds_items(&self) -> bool {
        self.inner.holds_items()
    }

    /// The power to take everything from a stream, if the engine has it.
    pub fn as_restore(&self) -> Option<&dyn Restore> {
        self.inner.as_restore()
    }
}

impl std::fmt::Debug for AnyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnyStore")
            .field("engine", &self.engine_name())
            .finish_non_exhaustive()
    }
}
