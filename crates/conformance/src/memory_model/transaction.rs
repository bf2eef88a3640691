//! A transaction of the model: a version of its own, published by commit.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use kv_api::{Durability, Error, KeyRange, Result, Space, Transaction};

use super::reader::new_stamp;
use super::version::Version;
use super::{Shared, Turn, Writers};

/// A transaction of the model.
pub struct MemoryTransaction {
    pub(super) version: Version,
    pub(super) stamp: u64,
    pub(super) changed: bool,
    pub(super) commit_index: u64,
    /// The time that decides what has expired.
    pub(super) now: u64,
    /// By bucket and key.
    written: BTreeSet<(u64, Bytes)>,
    base: Arc<Version>,
    shared: Arc<Shared>,
    /// Held for its drop, which lets the next writer begin.
    _turn: Option<Turn>,
}

impl MemoryTransaction {
    pub(super) fn new(shared: Arc<Shared>, turn: Option<Turn>) -> MemoryTransaction {
        let base = Arc::clone(&shared.newest.lock().unwrap());
        MemoryTransaction {
            commit_index: base.last_index + 1,
            written: BTreeSet::new(),
            version: Version::clone(&Arc::clone(&base).as_of(shared.now())),
            now: shared.now(),
            stamp: new_stamp(),
            changed: false,
            base,
            shared,
            _turn: turn,
        }
    }
}

impl Transaction for MemoryTransaction {
    fn create_space(&mut self, name: &[u8]) -> Result<Space> {
        if name.is_empty() {
            return Err(Error::Invalid {
                what: "a space's name must not be empty",
            });
        }
        self.changed = true;
        let path = vec![Bytes::copy_from_slice(name)];
        let id = self.version.bucket_at_or_new(path).id;
        Ok(Space::new(id, self.stamp))
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        self.changed = true;
        Ok(self.version.remove_bucket(&[Bytes::copy_from_slice(name)]))
    }

    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() {
            return Err(Error::Invalid {
                what: "a key must not be empty",
            });
        }
        let pairs = self.version.pairs_mut(space, self.stamp)?;
        pairs.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        let expires = Arc::make_mut(&mut self.version.expires);
        expires.remove(&(space.id(), Bytes::copy_from_slice(key)));
        self.written
            .insert((space.id(), Bytes::copy_from_slice(key)));
        self.changed = true;
        Ok(())
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        self.version.pairs_mut(space, self.stamp)?.remove(key);
        self.changed = true;
        Ok(())
    }

    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()> {
        let keys = keys.into();
        let pairs = self.version.pairs_mut(space, self.stamp)?;
        pairs.retain(|key, _| !keys.contains(key));
        self.changed = true;
        Ok(())
    }

    fn commit(mut self, _durability: Durability) -> Result<()> {
        if !self.changed {
            return Ok(());
        }
        let mut newest = self.shared.newest.lock().unwrap();
        if self.shared.writers == Writers::Optimistic && !Arc::ptr_eq(&newest, &self.base) {
            return Err(Error::Conflict);
        }
        self.version.last_index = self.commit_index;
        let indexes = Arc::make_mut(&mut self.version.indexes);
        for name in std::mem::take(&mut self.written) {
            indexes.insert(name, self.commit_index);
        }
        let version = Arc::new(self.version);
        if let Some(history) = &mut *self.shared.history.lock().unwrap() {
            history.push(Arc::clone(&version));
        }
        self.shared.watchers.tell(&self.base, &version);
        *newest = version;
        Ok(())
    }
}
