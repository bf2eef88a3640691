//! The write transaction: changes on their way.
//!
//! Invariants:
//! * it has the turn, so it is the only one; it takes the writer when it begins and when it
//!   commits, and dropping it touches nothing of it;
//! * its base version stays as it is while it runs: it is the current one and held.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use btree::{BucketId, Buckets, TreeCounts};
use kv_api::{Durability, Result};
use pager::TxId;

use crate::error::from_tree;
use crate::shared::Shared;
use crate::space_table::{SpaceTable, fresh_stamp};
use crate::version::Version;
use crate::writer::Writer;

/// A change that runs after its transaction has been committed.
pub(crate) type CommitHandler = Box<dyn FnOnce() + Send>;

/// Runs the handlers of a shared commit; answers the panic of one instead of passing it on, for
/// there are others to be told first.
pub(crate) fn run_handlers(handlers: Vec<CommitHandler>) -> std::thread::Result<()> {
    let run = || handlers.into_iter().for_each(|handler| handler());
    catch_unwind(AssertUnwindSafe(run))
}

/// The one write transaction. Reads its own writes; rolls back when dropped.
///
/// ```
/// # fn main() -> txn::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let db = txn::Db::open(directory.path().join("my.db"))?;
/// let mut tx = db.begin()?;
/// let mut counters = tx.create_bucket("counters")?;
/// let id = counters.next_sequence()?;
/// counters.put(id.to_be_bytes(), "first")?;
/// tx.commit()?;
/// # Ok(())
/// # }
/// ```
pub struct Transaction {
    pub(crate) shared: Arc<Shared>,
    pub(crate) base: Arc<Version>,
    pub(crate) buckets: Buckets,
    /// Spaces resolved through `kv-api`, by name and by id.
    pub(crate) spaces: RefCell<SpaceTable>,
    pub(crate) stamp: u64,
    /// Whether the turn is still to be ended.
    has_turn: bool,
    txid: TxId,
    on_commit: Vec<CommitHandler>,
    began: Instant,
}

/// A point to come back to.
pub(crate) struct Savepoint {
    buckets: Buckets,
    handlers: usize,
}

impl Transaction {
    pub(crate) fn begin(shared: Arc<Shared>, mut writer: Box<Writer>) -> Result<Transaction> {
        let prepared = writer.prepare();
        let (base, txid) = (Arc::clone(&writer.current), writer.next_txid());
        shared.gate.put_back(writer);
        if let Err(error) = prepared {
            shared.gate.end_turn();
            return Err(error);
        }
        Ok(Transaction {
            buckets: Buckets::new(base.meta.root, base.meta.root_sequence),
            txid,
            spaces: RefCell::default(),
            stamp: fresh_stamp(),
            base,
            has_turn: true,
            on_commit: Vec::new(),
            began: Instant::now(),
            shared,
        })
    }

    /// This transaction's number, which its version will carry.
    pub fn id(&self) -> u64 {
        self.txid.0
    }

    /// What this transaction's changes have cost so far.
    pub fn statistics(&self) -> TreeCounts {
        self.buckets.counts()
    }

    /// Bytes of all pages of the version this transaction began with.
    pub fn size_bytes(&self) -> u64 {
        self.base.meta.high_water.0 * u64::from(self.base.meta.page_bytes)
    }

    /// Moves the bucket called `name` from one bucket into another, with everything this
    /// transaction did to it. The top bucket is [`Transaction::root`]'s id.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Exists` or `Incompatible` for names that are not as they must be; `Invalid`
    /// if both are the same bucket, or the target lies inside the bucket itself.
    pub fn move_bucket(
        &mut self,
        name: impl AsRef<[u8]>,
        from: BucketId,
        to: BucketId,
    ) -> Result<()> {
        let name = name.as_ref();
        self.buckets
            .rename(&self.base.pages, from, name, to)
            .map_err(from_tree)?;
        if from == Buckets::TOP {
            self.spaces.get_mut().drop_name(name);
        }
        Ok(())
    }

    /// Runs `handler` once this transaction has been committed and its locks are released;
    /// never after a rollback. Handlers run in the order they were given.
    pub fn on_commit(&mut self, handler: impl FnOnce() + Send + 'static) {
        self.on_commit.push(Box::new(handler));
    }

    /// Makes the changes durable and visible.
    ///
    /// # Errors
    ///
    /// [`kv_api::Error::outcome`] tells whether the commit is known not to have happened. A
    /// refusal for space (`NoSpace`) leaves the database usable; after a failed write or sync it
    /// answers `Poisoned` until it is reopened.
    pub fn commit(self) -> Result<()> {
        self.commit_with(Durability::Sync)
    }

    /// Makes the changes visible with the promise of `durability`.
    ///
    /// At `Deferred` nothing is synced and the file keeps naming the last durable version.
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        let handlers = self.finish(durability)?;
        handlers.into_iter().for_each(|handler| handler());
        Ok(())
    }

    /// Commits, and answers the handlers that are to run now.
    pub(crate) fn finish(mut self, durability: Durability) -> Result<Vec<CommitHandler>> {
        let (shared, buckets) = (&self.shared, &mut self.buckets);
        let mut writer = shared.gate.take()?;
        let committed = shared.commit(&mut writer, buckets, self.txid, durability);
        shared.gate.put_back(writer);
        self.has_turn = false;
        shared.gate.end_turn();
        let counters = &shared.counters;
        let counts = self.buckets.counts();
        counters.add(&counters.nodes, counts.nodes);
        counters.add(&counters.rebalances, counts.rebalances);
        counters.add(&counters.splits, counts.splits);
        counters.add(&counters.spills, counts.spills);
        match committed {
            Ok(()) => {
                counters.add(&counters.commits, 1);
                tracing::debug!(txid = self.txid.0, open = ?self.began.elapsed(), "committed");
                Ok(std::mem::take(&mut self.on_commit))
            }
            Err(error) => {
                counters.add(&counters.rollbacks, 1);
                Err(error)
            }
        }
    }

    /// Forgets the changes. Dropping does the same.
    pub fn rollback(self) {}

    /// A point that [`Transaction::return_to`] can come back to.
    pub(crate) fn savepoint(&mut self) -> Savepoint {
        self.buckets.place_puts(&self.base.pages);
        Savepoint {
            buckets: self.buckets.clone(),
            handlers: self.on_commit.len(),
        }
    }

    pub(crate) fn refuse_spoiled(&self) -> Result<()> {
        self.buckets.refuse_spoiled().map_err(from_tree)
    }

    pub(crate) fn nodes_in_memory(&self) -> usize {
        self.buckets.nodes_in_memory()
    }

    pub(crate) fn return_to(&mut self, savepoint: Savepoint) {
        self.buckets = savepoint.buckets;
        self.on_commit.truncate(savepoint.handlers);
        // Spaces resolved since may name buckets that were undone.
        self.spaces.get_mut().forget();
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        if self.has_turn {
            let counters = &self.shared.counters;
            counters.add(&counters.rollbacks, 1);
            self.shared.gate.end_turn();
        }
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("txid", &self.txid.0)
            .finish_non_exhaustive()
    }
}
