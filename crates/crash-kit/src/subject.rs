//! What an engine's test tells the kit about its engine.

use std::sync::Arc;

use ::disk::Disk;
use kv_api::{Durability, Result};

use crate::model::{Direction, Model, Scan};

/// One transaction of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The workload's own: what it does follows from these two numbers alone.
    Work {
        /// The workload.
        seed: u64,
        /// Its place in the workload.
        index: usize,
    },
    /// A commit that proves a recovered store takes work. It must always change something.
    Probe {
        /// 1 after the first crash, 2 after a crash during that recovery, and so on.
        depth: usize,
    },
}

/// An engine under test, with its workload.
///
/// Every method must do the same for the same arguments, from one thread: a crash is replayed by
/// running the workload again.
pub trait Subject: Sync {
    /// An open store, with whatever else the test keeps beside it (snapshots held open, say).
    type Store;

    /// The engine's name in reports.
    fn name(&self) -> &str;

    /// How many steps the workload of this seed has.
    fn steps(&self, seed: u64) -> usize;

    /// Opens the store, making it where there is none.
    fn open(&self, disk: Arc<dyn Disk>) -> Result<Self::Store>;

    /// Runs a step as one transaction and answers the promise it was committed with. The
    /// error's [`outcome`](kv_api::Error::outcome) is taken at its word.
    fn apply(&self, store: &mut Self::Store, step: Step) -> Result<Durability>;

    /// Does to the model what `step` does to the store.
    fn expect(&self, model: &mut Model, step: Step);

    /// Shows every pair of the newest version.
    fn scan(&self, store: &Self::Store, direction: Direction, scan: &mut Scan) -> Result<()>;

    /// Looks for damage; empty if all is well.
    fn check(&self, store: &Self::Store) -> Result<Vec<String>>;

    /// Closes the store in order. The kit drops stores to kill them, and calls this at the end of
    /// a workload and after a probe.
    fn close(&self, store: Self::Store) -> Result<()> {
        drop(store);
        Ok(())
    }

    /// Whether opening a store that was just opened and dropped may change its files.
    fn reopening_writes(&self) -> bool {
        false
    }
}
