//! Older versions of the store, and commits whose version the caller chooses.

use std::sync::atomic::Ordering;

use kv_api::{Durability, Error, Result};

use crate::db::Db;
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
    /// # Errors
    ///
    /// `AlreadyApplied` if the newest commit has this version or a later one.
    pub fn commit_at(mut self, version: Sequence, durability: Durability) -> Result<()> {
        self.choose_version(version)?;
        self.commit_with(durability).map(drop)
    }
}
