//! Changes to a store whose engine is known at run time only.

use kv_api::capability::{NestedWriter, PutExpiring};
use kv_api::{Durability, Error, Result, Space};

use crate::adapt::no_nesting;
use crate::erased::ErasedTransaction;
use crate::items::Item;

/// Changes on their way: commits whole, rolls back when dropped.
///
/// A path names a bucket from the root inwards; the empty path is the root. In an engine without
/// nested buckets a path of one name is a space, and a longer one is `Unsupported`.
pub struct AnyTransaction {
    inner: Box<dyn ErasedTransaction>,
}

impl AnyTransaction {
    pub(crate) fn new(inner: Box<dyn ErasedTransaction>) -> AnyTransaction {
        AnyTransaction { inner }
    }

    /// Makes the bucket at `path` and every bucket on the way, where they do not exist.
    pub fn create_at(&mut self, path: &[&[u8]]) -> Result<()> {
        match (self.inner.as_nested(), path) {
            (Some(nested), path) => nested.create_bucket(path),
            (None, []) => Ok(()),
            (None, [name]) => self.inner.create_space(name),
            (None, _) => Err(no_nesting()),
        }
    }

    /// Removes the bucket at `path` with all it holds; answers whether there was one.
    pub fn drop_at(&mut self, path: &[&[u8]]) -> Result<bool> {
        match (self.inner.as_nested(), path) {
            (Some(nested), path) => nested.delete_bucket(path),
            (None, []) => Err(Error::Invalid {
                what: "the root cannot be deleted",
            }),
            (None, [name]) => self.inner.drop_space(name),
            (None, _) => Ok(false),
        }
    }

    /// Sets a pair in the bucket at `path`, making buckets on the way where they do not exist.
    pub fn put_at(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()> {
        self.inner.put_at(path, key, value)
    }

    /// Sets a pair with what is beside it.
    ///
    /// # Errors
    ///
    /// `Unsupported` for a time to live or a byte of the caller's own where
    /// [`AnyStore::holds_items`](crate::AnyStore::holds_items) answers `false`.
    pub fn put_item_at(&mut self, path: &[&[u8]], item: &Item<'_>) -> Result<()> {
        self.inner.put_item(path, item)
    }

    /// Removes a pair of the bucket at `path`; answers whether there was one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such bucket.
    pub fn delete_at(&mut self, path: &[&[u8]], key: &[u8]) -> Result<bool> {
        self.inner.delete_at(path, key)
    }

    /// Buckets inside buckets, if the engine has them.
    pub fn as_nested(&mut self) -> Option<&mut dyn NestedWriter> {
        self.inner.as_nested()
    }

    /// The space called `name`, as the power below takes it, if it is there.
    pub fn space_named(&self, name: &[u8]) -> Result<Option<Space>> {
        self.inner.space_named(name)
    }

    /// The power to say when a pair is gone, if the engine keeps times to live.
    pub fn as_put_expiring(&mut self) -> Option<&mut dyn PutExpiring> {
        self.inner.as_put_expiring()
    }

    /// Makes the changes visible and durable.
    pub fn commit_durably(self) -> Result<()> {
        self.commit_with(Durability::Sync)
    }

    /// Makes the changes visible, whole, with the promise of `durability`.
    pub fn commit_with(self, durability: Durability) -> Result<()> {
        self.inner.commit(durability)
    }
}
