//! Commits by index.

use kv_api::Result;

/// A snapshot of a store that keeps an index with every commit, such as that of the Raft entry it
/// applied.
///
/// Law: indexes ascend in the order of the commits; a pair has the index of the commit that put
/// it, and keeps it through reopening, compaction and streams.
pub trait CommitIndexes {
    /// The index of the newest commit in this version; 0 before the first.
    fn newest_commit_index(&self) -> u64;

    /// The index of the commit that put `key` in the space called `space`, the default one without
    /// a name. None if there is no such pair.
    fn commit_index_in(&self, space: Option<&[u8]>, key: &[u8]) -> Result<Option<u64>>;
}
