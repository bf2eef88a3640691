//! Reading a version: what snapshots and transactions of the model have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use kv_api::{Reader, Result, Snapshot, Space};

use super::cursor::MemoryCursor;
use super::transaction::MemoryTransaction;
use super::version::Version;

/// A snapshot of the model.
pub struct MemorySnapshot {
    pub(super) version: Arc<Version>,
    pub(super) stamp: u64,
    /// Older versions, if they are kept.
    pub(super) history: Vec<Arc<Version>>,
}

/// A number no other reader of this process has, and never 0.
pub(super) fn new_stamp() -> u64 {
    static STAMP_NEXT: AtomicU64 = AtomicU64::new(1);
    STAMP_NEXT.fetch_add(1, Ordering::Relaxed)
}

impl MemorySnapshot {
    pub(super) fn new(version: Arc<Version>, history: Vec<Arc<Version>>) -> MemorySnapshot {
        MemorySnapshot {
            version,
            history,
            stamp: new_stamp(),
        }
    }
}

// The same words twice, because a trait of another crate cannot be implemented for "anything with
// a version".
macro_rules! read_the_version {
    ($reader:ty) => {
        impl Reader for $reader {
            type Slice<'a> = &'a [u8];
            type Cursor<'a> = MemoryCursor<'a>;

            fn space(&self, name: &[u8]) -> Result<Option<Space>> {
                let path = [Bytes::copy_from_slice(name)];
                let bucket = self.version.buckets.get(&path[..]);
                Ok(bucket.map(|bucket| Space::new(bucket.id, self.stamp)))
            }

            fn space_names(&self) -> Result<Vec<Bytes>> {
                let names = self.version.children(&[]);
                Ok(names.map(|(name, _)| name.clone()).collect())
            }

            fn get(&self, space: Space, key: &[u8]) -> Result<Option<&[u8]>> {
                let bucket = self.version.bucket(space, self.stamp)?;
                Ok(bucket.pairs.get(key).map(|value| &value[..]))
            }

            fn cursor(&self, space: Space) -> Result<MemoryCursor<'_>> {
                let bucket = self.version.bucket(space, self.stamp)?;
                Ok(MemoryCursor::new(&bucket.pairs))
            }
        }
    };
}
read_the_version!(MemorySnapshot);
read_the_version!(MemoryTransaction);

impl Snapshot for MemorySnapshot {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        let bucket = self.version.bucket(space, self.stamp)?;
        Ok(bucket.pairs.get(key).cloned())
    }
}
