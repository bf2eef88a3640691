//! The model: a plain ordered map with versions, small enough to be right by reading it.
//!
//! Invariants:
//! 1. a published [`Version`] never changes: a transaction edits a copy of its own;
//! 2. with [`Writers::OneAtATime`] at most one transaction holds the turn, and its base is the
//!    newest version until it commits;
//! 3. with [`Writers::Optimistic`] a commit that changed something replaces exactly the version
//!    it began from, or answers [`Error::Conflict`].

mod backup;
mod check;
mod commit_indexes;
mod cursor;
mod nested;
mod reader;
mod search;
mod snapshot_stream;
mod transaction;
mod turn;
mod version;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use kv_api::{Error, Result, Store};

pub use cursor::MemoryCursor;
pub use reader::MemorySnapshot;
pub use transaction::MemoryTransaction;

use turn::{Turn, Turns};
use version::Version;

/// How a model treats two transactions at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writers {
    /// The second waits for the first.
    OneAtATime,
    /// Both run; whoever commits second meets a conflict.
    Optimistic,
}

/// A whole store in memory that keeps every law of `kv-api`.
///
/// What it holds lives as long as any of its handles: [`reopen`](MemoryModel::reopen) gives
/// another one, so that laws about persistence have something to open again.
pub struct MemoryModel {
    shared: Arc<Shared>,
    closed: AtomicBool,
}

/// What all handles of one model have in common.
struct Shared {
    newest: Mutex<Arc<Version>>,
    turns: Arc<Turns>,
    writers: Writers,
}

impl MemoryModel {
    /// An empty store.
    pub fn new(writers: Writers) -> MemoryModel {
        MemoryModel::holding(Version::empty(), writers)
    }

    /// Another handle on what this one holds, open whether or not this one was closed.
    pub fn reopen(&self) -> MemoryModel {
        MemoryModel {
            shared: Arc::clone(&self.shared),
            closed: AtomicBool::new(false),
        }
    }

    fn holding(version: Version, writers: Writers) -> MemoryModel {
        MemoryModel {
            shared: Arc::new(Shared {
                newest: Mutex::new(Arc::new(version)),
                turns: Arc::new(Turns::default()),
                writers,
            }),
            closed: AtomicBool::new(false),
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::Closed);
        }
        Ok(())
    }

    fn newest(&self) -> Arc<Version> {
        Arc::clone(&self.shared.newest.lock().unwrap())
    }

    fn transaction(&self, turn: Option<Turn>) -> MemoryTransaction {
        MemoryTransaction::new(Arc::clone(&self.shared), turn)
    }
}

impl Store for MemoryModel {
    type Snapshot = MemorySnapshot;
    type Transaction = MemoryTransaction;

    fn snapshot(&self) -> Result<MemorySnapshot> {
        self.check_open()?;
        Ok(MemorySnapshot::new(self.newest()))
    }

    fn begin(&self) -> Result<MemoryTransaction> {
        self.check_open()?;
        let turn = match self.shared.writers {
            Writers::OneAtATime => Some(Turns::take(&self.shared.turns)),
            Writers::Optimistic => None,
        };
        Ok(self.transaction(turn))
    }

    fn try_begin(&self) -> Result<Option<MemoryTransaction>> {
        self.check_open()?;
        Ok(match self.shared.writers {
            Writers::OneAtATime => {
                Turns::try_take(&self.shared.turns).map(|turn| self.transaction(Some(turn)))
            }
            Writers::Optimistic => Some(self.transaction(None)),
        })
    }

    fn sync(&self) -> Result<()> {
        self.check_open()
    }

    fn close(&self) -> Result<()> {
        self.closed.store(true, Ordering::Release);
        Ok(())
    }
}
