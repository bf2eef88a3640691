//! Versions of the model, where it was told to remember them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use kv_api::capability::{History, KeyVersion, Versions, VisitPair, VisitVersion};
use kv_api::{Error, Result, Space};

use super::version::Version;
use super::{MemoryModel, MemorySnapshot};

/// The value of `key` in the bucket with this id.
fn value_of<'v>(version: &'v Version, id: u64, key: &[u8]) -> Option<&'v Bytes> {
    let mut buckets = version.buckets.values();
    buckets.find(|bucket| bucket.id == id)?.pairs.get(key)
}

impl Versions for MemorySnapshot {
    fn version(&self) -> u64 {
        self.version.last_index
    }

    fn versions_of(&self, space: Space, key: &[u8], visit: VisitVersion<'_>) -> Result<()> {
        let id = self.version.bucket(space, self.stamp)?.id;
        let name = (id, Bytes::copy_from_slice(key));
        for pair in self.history.windows(2).rev() {
            let [before, version] = pair else {
                continue;
            };
            let value = value_of(version, id, key);
            let was_put = version.indexes.get(&name) == Some(&version.last_index);
            let was_removed = value.is_none() && value_of(before, id, key).is_some();
            if was_put || was_removed {
                let goes_on = visit(KeyVersion {
                    version: version.last_index,
                    value: value.map(|value| &value[..]),
                })?;
                if !goes_on {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl History for MemoryModel {
    fn newest_version(&self) -> u64 {
        self.newest().last_index
    }

    fn oldest_version(&self) -> u64 {
        self.shared.oldest.load(Ordering::Acquire)
    }

    fn visit_at(&self, version: u64, space: Option<&[u8]>, visit: VisitPair<'_>) -> Result<()> {
        self.check_open()?;
        if version < self.oldest_version() {
            return Err(Error::NotFound { what: "version" });
        }
        let history = self.shared.history.lock().unwrap().clone();
        let history = history.ok_or(Error::NotFound { what: "history" })?;
        let mut older = history.iter().rev();
        let found = older.find(|older| older.last_index <= version).cloned();
        let found: Arc<Version> = found.ok_or(Error::NotFound { what: "version" })?;
        let path: Vec<Bytes> = space
            .iter()
            .map(|name| Bytes::copy_from_slice(name))
            .collect();
        if let Some(bucket) = found.buckets.get(&path) {
            for (key, value) in bucket.pairs.iter() {
                if !visit(key, value)? {
                    break;
                }
            }
        }
        Ok(())
    }

    fn discard_before(&self, version: u64) -> Result<()> {
        if version > self.newest_version() {
            return Err(Error::Invalid {
                what: "a version that is not there yet",
            });
        }
        self.shared.oldest.fetch_max(version, Ordering::AcqRel);
        Ok(())
    }
}
