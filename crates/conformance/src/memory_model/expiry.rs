//! Pairs of the model that are gone once their time has come.

use std::sync::Arc;

use bytes::Bytes;
use kv_api::capability::{Expiry, PutExpiring};
use kv_api::{Result, Space, Transaction};

use super::{MemorySnapshot, MemoryTransaction};

impl PutExpiring for MemoryTransaction {
    fn put_expiring(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at_secs: u64,
    ) -> Result<()> {
        self.put(space, key, value)?;
        if expires_at_secs != 0 {
            let name = (space.id(), Bytes::copy_from_slice(key));
            Arc::make_mut(&mut self.version.expires).insert(name, expires_at_secs);
        }
        if expires_at_secs != 0 && expires_at_secs <= self.now {
            self.version.pairs_mut(space, self.stamp)?.remove(key);
        }
        Ok(())
    }
}

impl Expiry for MemorySnapshot {
    fn expires_at_secs(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        let bucket = self.version.bucket(space, self.stamp)?;
        let name = (bucket.id, Bytes::copy_from_slice(key));
        let time = self.version.expires.get(&name).copied();
        Ok(bucket.pairs.get(key).map(|_| time.unwrap_or(0)))
    }
}
