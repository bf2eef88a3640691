//! Commits numbered by whoever orders them: as a rule the log of a Raft group.
//!
//! Every commit has an index, higher than any before; there may be gaps. A commit that asks for
//! none takes the next one. The index of the newest commit is part of the state and as durable as
//! it: whoever hands entries to a store again after a restart, is told which it has.

use crate::{Result, Space};

/// A snapshot of a store with commit indexes.
pub trait CommitIndexes {
    /// The index of the last commit in this version; 0 before the first.
    fn commit_index(&self) -> u64;

    /// The index of the commit that wrote the pair `key` of `space`; `None` if there is no such
    /// pair.
    fn commit_index_of(&self, space: Space, key: &[u8]) -> Result<Option<u64>>;
}

/// A transaction that may choose the index of its commit.
pub trait SetCommitIndex {
    /// The transaction commits with `commit_index`, even if it changes nothing. May be called
    /// before or after its changes.
    ///
    /// # Errors
    ///
    /// [`Error::AlreadyApplied`](crate::Error::AlreadyApplied) with both indexes, if the last
    /// commit has this index or a higher one: what it stands for is in the store.
    fn set_commit_index(&mut self, commit_index: u64) -> Result<()>;
}
