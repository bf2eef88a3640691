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
mod compact;
mod cursor;
mod expiry;
mod nested;
mod reader;
mod snapshot_stream;
mod transaction;
mod turn;
mod version;
mod versions;
mod watch;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kv_api::{Error, Result, Store};

pub use cursor::MemoryCursor;
pub use reader::MemorySnapshot;
pub use transaction::MemoryTransaction;

use turn::{Turn, Turns};
use version::Version;
use watch::Watchers;

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
    /// Seconds since 1970.
    clock: AtomicU64,
    /// Every version since the model was told to remember them, oldest first.
    history: Mutex<Option<Vec<Arc<Version>>>>,
    /// The oldest version that may be asked for.
    oldest: AtomicU64,
    watchers: Watchers,
}

impl Shared {
    fn now(&self) -> u64 {
        self.clock.load(Ordering::Acquire)
    }
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
                clock: AtomicU64::new(0),
                history: Mutex::new(None),
                oldest: AtomicU64::new(0),
                watchers: Watchers::default(),
            }),
            closed: AtomicBool::new(false),
        }
    }

    /// Keeps every version from now on.
    pub fn remember(self) -> MemoryModel {
        let newest = self.newest();
        *self.shared.history.lock().unwrap() = Some(vec![newest]);
        self
    }

    /// Sets the clock that decides what has expired: seconds since 1970. It begins at 0.
    pub fn set_seconds(&self, now: u64) {
        self.shared.clock.store(now, Ordering::Release);
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
        let version = self.newest();
        let history = self.shared.history.lock().unwrap();
        let kept = history.as_deref().unwrap_or_default();
        let is_seen = |older: &&Arc<Version>| older.last_index <= version.last_index;
        let history = kept.iter().filter(is_seen).cloned().collect();
        Ok(MemorySnapshot::new(
            version.as_of(self.shared.now()),
            history,
        ))
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
        self.shared.watchers.close();
        Ok(())
    }
}
