//! What a database must hold: nested ordered maps.

use std::collections::BTreeMap;

use txn::{Bucket, Result};

/// A bucket as it must be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Model {
    pub sequence: u64,
    pub pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub buckets: BTreeMap<Vec<u8>, Model>,
}

impl Model {
    /// The bucket at `path`, if it is there.
    pub fn at(&mut self, path: &[Vec<u8>]) -> Option<&mut Model> {
        path.iter()
            .try_fold(self, |model, name| model.buckets.get_mut(name))
    }

    /// Whether `key` is a pair's or a bucket's.
    pub fn has(&self, key: &[u8]) -> bool {
        self.pairs.contains_key(key) || self.buckets.contains_key(key)
    }

    /// Every key in order, with its value; none for a bucket.
    pub fn entries(&self) -> Vec<(&[u8], Option<&[u8]>)> {
        let pairs = self
            .pairs
            .iter()
            .map(|(key, value)| (&key[..], Some(&value[..])));
        let names = self.buckets.keys().map(|name| (&name[..], None));
        let mut entries: Vec<_> = pairs.chain(names).collect();
        entries.sort_unstable();
        entries
    }

    /// Compares a bucket with this, forwards and backwards, and every bucket in it.
    ///
    /// # Panics
    ///
    /// If they differ.
    pub fn compare(&self, bucket: &Bucket<'_>, is_top: bool) -> Result<()> {
        let entries = self.entries();
        let mut cursor = bucket.cursor();
        let mut found = cursor.first()?;
        for expected in &entries {
            assert_eq!(found, Some(*expected), "forwards");
            found = cursor.next()?;
        }
        assert_eq!(found, None, "behind the last");
        let mut found = cursor.last()?;
        for expected in entries.iter().rev() {
            assert_eq!(found, Some(*expected), "backwards");
            found = cursor.prev()?;
        }
        assert_eq!(found, None, "before the first");
        // The top bucket has no sequence of its own to set here.
        assert!(is_top || bucket.sequence() == self.sequence, "sequence");
        self.buckets
            .iter()
            .try_for_each(|(name, inside)| inside.compare(&bucket.bucket(name)?, false))
    }
}
