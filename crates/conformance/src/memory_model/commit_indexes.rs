//! Commit indexes of the model.

use bytes::Bytes;
use kv_api::capability::{CommitIndexes, SetCommitIndex};
use kv_api::{Error, Result, Space};

use super::{MemorySnapshot, MemoryTransaction};

impl CommitIndexes for MemorySnapshot {
    fn commit_index(&self) -> u64 {
        self.version.last_index
    }

    fn commit_index_of(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        let bucket = self.version.bucket(space, self.stamp)?;
        let name = (bucket.id, Bytes::copy_from_slice(key));
        let index = self.version.indexes.get(&name).copied();
        Ok(bucket.pairs.get(key).and(index))
    }
}

impl SetCommitIndex for MemoryTransaction {
    fn set_commit_index(&mut self, commit_index: u64) -> Result<()> {
        let last = self.version.last_index;
        if commit_index <= last {
            return Err(Error::AlreadyApplied {
                index: commit_index,
                last,
            });
        }
        self.commit_index = commit_index;
        self.changed = true;
        Ok(())
    }
}
