//! One version of a store whose engine is known at run time only.

use kv_api::capability::{BucketVisitor, Expiry, NestedReader, Search, Versions};
use kv_api::{Result, Space};

use crate::any_bucket::AnyBucket;
use crate::commit_indexes::CommitIndexes;
use crate::digest::{Digest, Digester};
use crate::erased::ErasedSnapshot;
use crate::items::Items;
use crate::snapshot_stream::SnapshotStream;

/// One version of a store, owned: it may outlive what made it and move to any thread.
pub struct AnySnapshot {
    inner: Box<dyn ErasedSnapshot>,
}

impl AnySnapshot {
    pub(crate) fn new(inner: Box<dyn ErasedSnapshot>) -> AnySnapshot {
        AnySnapshot { inner }
    }

    /// The bucket at `path`, if there is one; the empty path is the root. In an engine without
    /// nested buckets a path of one name is a space.
    pub fn bucket_at(&self, path: &[&[u8]]) -> Result<Option<AnyBucket<'_>>> {
        self.inner.bucket_at(path)
    }

    /// Shows `visitor` everything in key order: buckets inside buckets where the engine has them,
    /// else spaces as buckets of sequence 0.
    pub fn walk(&self, visitor: &mut dyn BucketVisitor) -> Result<()> {
        self.inner.walk(visitor)
    }

    /// The digest of everything in this version. Equal contents give equal digests in every
    /// engine.
    pub fn digest(&self) -> Result<Digest> {
        let mut digester = Digester::new();
        self.walk(&mut digester)?;
        Ok(digester.finish())
    }

    /// Buckets inside buckets, if the engine has them.
    pub fn as_nested(&self) -> Option<&dyn NestedReader> {
        self.inner.as_nested()
    }

    /// The space called `name`, as the powers below take it, if it is there.
    pub fn space_named(&self, name: &[u8]) -> Result<Option<Space>> {
        self.inner.space_named(name)
    }

    /// When pairs are gone, if the engine keeps times to live.
    pub fn as_expiry(&self) -> Option<&dyn Expiry> {
        self.inner.as_expiry()
    }

    /// The versions of a key that are kept, if the engine keeps any but the newest.
    pub fn as_versions(&self) -> Option<&dyn Versions> {
        self.inner.as_versions()
    }

    /// The index of the commit behind each pair, if the engine keeps one.
    pub fn as_commit_indexes(&self) -> Option<&dyn CommitIndexes> {
        self.inner.as_commit_indexes()
    }

    /// Queries over keys, values and commit indexes, if the engine answers them.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let location = format!("flat:{}", directory.path().join("store").display());
    /// // `location` is "flat:/some/where".
    /// let store = strata::AnyStore::open(&location)?;
    /// let mut change = store.begin_write_at(7)?;
    /// change.put_at(&[], b"log:1", b"an uncritical remark")?;
    /// change.commit_durably()?;
    ///
    /// let snapshot = store.open_snapshot()?;
    /// let search = snapshot.as_search().expect("flat answers queries");
    /// search.search(None, "value like '*critical*'", &mut |found| {
    ///     assert_eq!((found.key, found.commit_index), (&b"log:1"[..], 7));
    ///     Ok(true)
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn as_search(&self) -> Option<&dyn Search> {
        self.inner.as_search()
    }

    /// Times to live and bytes of the caller's own beside pairs, if the engine keeps them.
    pub fn as_items(&self) -> Option<&dyn Items> {
        self.inner.as_items()
    }

    /// The whole version as a stream, if the engine has one.
    pub fn as_stream(&self) -> Option<&dyn SnapshotStream> {
        self.inner.as_stream()
    }
}
