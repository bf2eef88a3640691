//! Older versions of the store, and commits whose version the caller chooses.

use std::sync::atomic::Ordering;

use kv_api::{Durability, Error, Result};

use crate::db::Db;
use crate::error::locked;
use crate::id::Sequence;
use crate::snapshot::Snapshot;
use crate::transaction::{Transaction, discarded, refuse_discarded};

impl Db {
    /// The store as it was when `version` was the newest commit; the newest one, if `version` is
    /// later than that.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{Durability, Reader, Space, Transaction};
    /// use lsm_valuelog::{Options, Sequence};
    ///
    /// let db = Options::new().keep_history(true).open(directory.path().join("store"))?;
    /// for (version, price) in [(10, b"3"), (20, b"4")] {
    ///     let mut tx = db.begin()?;
    ///     tx.put(Space::DEFAULT, b"price of tea", price)?;
    ///     tx.commit_at(Sequence(version), Durability::Sync)?;
    /// }
    /// let then = db.snapshot_at(Sequence(15))?;
    /// assert_eq!(then.get(Space::DEFAULT, b"price of tea")?.as_deref(), Some(&b"3"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `NotFound` for a version before [`oldest_version`](Db::oldest_version).
    pub fn snapshot_at(&self, version: Sequence) -> Result<Snapshot> {
        self.shared.refuse_closed()?;
        let (state, at) = self.shared.current();
        if version < at {
            refuse_discarded(&state, version)?;
            // What was given up may still be there, and is refused all the same.
            if version < self.oldest_version() {
                return Err(discarded());
            }
        }
        Ok(Snapshot::new(state, version.min(at), self.shared.now()))
    }

    /// Starts a transaction that reads the store as of `version`, and meets a conflict with every
    /// later commit that changed what it read.
    ///
    /// # Errors
    ///
    /// `NotFound` for a version before [`oldest_version`](Db::oldest_version), and for any older
    /// than the newest in a store that keeps no history.
    pub fn begin_at(&self, version: Sequence) -> Result<Transaction> {
        self.shared.refuse_closed()?;
        self.shared.refuse_poisoned()?;
        Transaction::begin_at(&self.shared, version)
    }

    /// The newest commit that readers see.
    pub fn newest_version(&self) -> Sequence {
        self.shared.visible()
    }

    /// The oldest version that may be asked for. It moves up by itself unless
    /// [`Options::keep_history`](crate::Options::keep_history) was chosen.
    pub fn oldest_version(&self) -> Sequence {
        let discarded = self.shared.state.load().version.discarded;
        if !self.shared.options.keeps_history {
            return discarded;
        }
        discarded.max(Sequence(self.shared.discard_at.load(Ordering::Acquire)))
    }

    /// Gives up the history before `version`: what only older versions hold may be discarded
    /// from now on, whenever tables are written. The mark never goes back; snapshots that are
    /// open stay what they are.
    ///
    /// # Errors
    ///
    /// `Invalid` for a store that keeps no history, and for a version that is not committed yet.
    pub fn discard_before(&self, version: Sequence) -> Result<()> {
        self.shared.refuse_closed()?;
        if !self.shared.options.keeps_history {
            return Err(Error::Invalid {
                what: "history, which this store does not keep",
            });
        }
        if version > self.shared.visible() {
            return Err(Error::Invalid {
                what: "a version that is not committed yet",
            });
        }
        // Between two commits: whatever is committed below it is there when the mark is seen.
        let _core = locked(&self.shared.core);
        self.shared
            .discard_at
            .fetch_max(version.0, Ordering::AcqRel);
        Ok(())
    }
}

impl Transaction {
    /// Commits with a version of the caller's choice, which must be above all before it; there may
    /// be gaps. Answers as [`commit`](kv_api::Transaction::commit) does. A commit that changes
    /// nothing is remembered all the same.
    ///
    /// With [`versions_in_any_order`](crate::Options::versions_in_any_order) it may come late, with
    /// a version below the newest. Whoever begins to read then, at that version or later, sees it
    /// in its place; snapshots that are open stay what they are, and a transaction under way that
    /// read one of its keys meets a conflict. It is durable when this returns, whatever was asked
    /// for, and costs a table and three syncs; reads of keys whose newest record is not newer than
    /// every late one look at all levels. Copies of changes since a version from before are
    /// refused, and a subscription is told of it with its own version, when it comes.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{Durability, Reader, Space, Transaction};
    /// use lsm_valuelog::{Options, Sequence};
    ///
    /// let options = Options::new().keep_history(true).versions_in_any_order(true);
    /// let db = options.open(directory.path().join("store"))?;
    /// for (version, price) in [(30, b"5"), (10, b"3"), (20, b"4")] {
    ///     let mut tx = db.begin()?;
    ///     tx.put(Space::DEFAULT, b"price of tea", price)?;
    ///     tx.commit_at(Sequence(version), Durability::Sync)?;
    /// }
    /// for (version, price) in [(15, b"3"), (29, b"4"), (30, b"5")] {
    ///     let then = db.snapshot_at(Sequence(version))?;
    ///     assert_eq!(then.get(Space::DEFAULT, b"price of tea")?.as_deref(), Some(&price[..]));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `AlreadyApplied` if the newest commit has this version or a later one, and it may not come
    /// late; or if one of its keys has a record of this version. `NotFound` for a late one that is
    /// not above what [`discard_before`](crate::Db::discard_before) was given.
    pub fn commit_at(mut self, version: Sequence, durability: Durability) -> Result<()> {
        self.choose_version(version)?;
        self.commit_with(durability).map(drop)
    }
}
