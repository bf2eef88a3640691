//! The bolt engine behind the face.

use std::path::Path;

use kv_api::capability::{Backup, Check, NestedReader, NestedWriter, SortedLoad};
use kv_api::{Bytes, Error, KeyRange, Result};
use txn::{Bucket, BucketMut, Cursor, Db, Options, Snapshot, Transaction};

use crate::adapt::Adapt;
use crate::any_bucket::{AnyBucket, BucketEntries, BucketEntry, Order, ReadBucket};
use crate::options::OpenOptions;

/// Opens the file at `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Db> {
    let mut bolt = Options::new().read_only(options.read_only);
    if let Some(timeout) = options.lock_timeout {
        bolt = bolt.lock_timeout(timeout);
    }
    if options.untrusted {
        bolt.open_untrusted(path)
    } else {
        bolt.open(path)
    }
}

impl Adapt for Db {
    fn engine_name(&self) -> &'static str {
        "bolt"
    }

    fn as_check(&self) -> Option<&dyn Check> {
        Some(self)
    }

    fn as_backup(&self) -> Option<&dyn Backup> {
        Some(self)
    }

    fn as_sorted_load(&self) -> Option<&dyn SortedLoad> {
        Some(self)
    }

    fn as_nested_reader(snapshot: &Snapshot) -> Option<&dyn NestedReader> {
        Some(snapshot)
    }

    fn as_nested_writer(transaction: &mut Transaction) -> Option<&mut dyn NestedWriter> {
        Some(transaction)
    }

    fn bucket_at<'s>(snapshot: &'s Snapshot, path: &[&[u8]]) -> Result<Option<AnyBucket<'s>>> {
        let mut bucket = snapshot.root();
        for name in path {
            match bucket.bucket_if_exists(name)? {
                Some(inside) => bucket = inside,
                None => return Ok(None),
            }
        }
        Ok(Some(AnyBucket::new(bucket)))
    }

    fn put_at(
        transaction: &mut Transaction,
        path: &[&[u8]],
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let mut id = transaction.root().id();
        for name in path {
            id = transaction.at(id).create_bucket_if_missing(name)?.id();
        }
        transaction.at(id).put(key, value)
    }

    fn delete_at(transaction: &mut Transaction, path: &[&[u8]], key: &[u8]) -> Result<bool> {
        let mut bucket = at_path(transaction, path)?;
        let found = bucket.get(key)?.is_some();
        bucket.delete(key)?;
        Ok(found)
    }
}

fn at_path<'t>(transaction: &'t mut Transaction, path: &[&[u8]]) -> Result<BucketMut<'t>> {
    let mut id = transaction.root().id();
    for name in path {
        id = transaction.at(id).bucket(name)?.id();
    }
    Ok(transaction.at(id))
}

impl ReadBucket for Bucket<'_> {
    fn read_value(&self, key: &[u8]) -> Result<Option<Bytes>> {
        Ok(self.get(key)?.map(Bytes::copy_from_slice))
    }

    fn read_entries(&self, keys: KeyRange, order: Order) -> Result<BucketEntries<'_>> {
        Ok(Box::new(Entries {
            cursor: self.cursor(),
            keys,
            order,
            begun: false,
            ended: false,
        }))
    }

    fn read_sequence(&self) -> Option<u64> {
        Some(self.sequence())
    }
}

/// Pairs and buckets of a range, one way.
struct Entries<'a> {
    cursor: Cursor<'a>,
    keys: KeyRange,
    order: Order,
    begun: bool,
    ended: bool,
}

type Found<'a> = Result<Option<txn::Entry<'a>>, Error>;

impl<'a> Entries<'a> {
    fn step(&mut self) -> Found<'a> {
        match self.order {
            Order::Ascending => self.cursor.next(),
            Order::Descending => self.cursor.prev(),
        }
    }

    fn begin(&mut self) -> Found<'a> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let bound = match self.order {
            Order::Ascending => self.keys.start(),
            Order::Descending => self.keys.end(),
        };
        let found = match (bound, self.order) {
            (Unbounded, Order::Ascending) => self.cursor.first()?,
            (Unbounded, Order::Descending) => self.cursor.last()?,
            (Included(key) | Excluded(key), Order::Ascending) => self.cursor.seek(key)?,
            (Included(key) | Excluded(key), Order::Descending) => self.cursor.seek_for_prev(key)?,
        };
        match (found, bound) {
            (Some((key, _)), Excluded(excluded)) if key == excluded => self.step(),
            (found, _) => Ok(found),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<BucketEntry>;

    fn next(&mut self) -> Option<Result<BucketEntry>> {
        if self.ended {
            return None;
        }
        let moved = if std::mem::replace(&mut self.begun, true) {
            self.step()
        } else {
            self.begin()
        };
        let inside = |entry: &txn::Entry<'_>| self.keys.contains(entry.0);
        let next = moved.map(|entry| entry.filter(inside)).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next.map(|entry| {
            entry.map(|(key, value)| BucketEntry {
                key: Bytes::copy_from_slice(key),
                value: value.map(Bytes::copy_from_slice),
            })
        })
    }
}
