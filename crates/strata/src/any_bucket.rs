//! A bucket of a snapshot, whatever the engine: pairs and the buckets among them.

use kv_api::{Bytes, KeyRange, Result};

/// A pair, or the name of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketEntry {
    /// The key or name.
    pub key: Bytes,
    /// The value; `None` for a bucket.
    pub value: Option<Bytes>,
}

/// Which way entries come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// Lowest key first.
    #[default]
    Ascending,
    /// Highest key first.
    Descending,
}

/// Entries as they come. An error ends them.
pub type BucketEntries<'a> = Box<dyn Iterator<Item = Result<BucketEntry>> + 'a>;

/// What an engine's buckets can be asked.
pub trait ReadBucket {
    /// The value of `key`; none if it is absent or names a bucket.
    fn read_value(&self, key: &[u8]) -> Result<Option<Bytes>>;

    /// Pairs and buckets whose keys are in `keys`.
    fn read_entries(&self, keys: KeyRange, order: Order) -> Result<BucketEntries<'_>>;

    /// The sequence number, where the engine keeps one.
    fn read_sequence(&self) -> Option<u64> {
        None
    }
}

/// A bucket of a snapshot. What it answers is copied: it serves tools and copying, where which
/// engine answers matters more than a copy.
pub struct AnyBucket<'s> {
    inner: Box<dyn ReadBucket + 's>,
}

impl<'s> AnyBucket<'s> {
    /// Any bucket from one of an engine.
    pub fn new(bucket: impl ReadBucket + 's) -> AnyBucket<'s> {
        AnyBucket {
            inner: Box::new(bucket),
        }
    }

    /// The value of `key`; none if it is absent or names a bucket.
    pub fn value_of(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.inner.read_value(key)
    }

    /// Pairs and buckets whose keys are in `keys`.
    pub fn entries(&self, keys: impl Into<KeyRange>, order: Order) -> Result<BucketEntries<'_>> {
        self.inner.read_entries(keys.into(), order)
    }

    /// The sequence number; 0 where the engine keeps none.
    pub fn sequence(&self) -> u64 {
        self.inner.read_sequence().unwrap_or(0)
    }
}
