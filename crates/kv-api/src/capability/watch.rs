//! Being told of commits as they happen.

use std::time::Duration;

use crate::{Bytes, Result};

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchedChange {
    /// It has a value.
    Put {
        /// The key.
        key: Bytes,
        /// Its value.
        value: Bytes,
    },
    /// It was removed.
    Deleted {
        /// The key.
        key: Bytes,
    },
    /// All keys that begin with this were removed.
    Dropped {
        /// What they begin with.
        prefix: Bytes,
    },
}

/// A commit, as far as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchedCommit {
    /// Its version, higher than that of any commit told before.
    pub version: u64,
    /// Its changes by key, one for each key.
    pub changes: Vec<WatchedChange>,
}

/// A store that tells of its commits.
pub trait Watch {
    /// Begins to tell of every later commit that changes a key of a space, the default one without
    /// a name, that begins with one of `prefixes`; with no prefix, any key. The space need not be
    /// there yet. Ends when the watcher is dropped.
    fn watch(&self, space: Option<&[u8]>, prefixes: &[&[u8]]) -> Result<Box<dyn Watcher>>;
}

/// Commits one after the other, each told once, whole, and not before readers see it.
///
/// Nobody who commits waits for a watcher. What becomes of one that falls far behind is the
/// engine's own: it may be ended with an error, but never skips a commit in silence.
pub trait Watcher: Send {
    /// The next commit; `None` if there is none for so long.
    ///
    /// # Errors
    ///
    /// `Closed` once the store is closed and all was told.
    fn next_within(&mut self, patience: Duration) -> Result<Option<WatchedCommit>>;
}
