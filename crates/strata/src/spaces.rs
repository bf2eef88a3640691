//! Spaces seen as buckets, for engines that have nothing deeper.
//!
//! The default space's pairs stand at the root, the other spaces among them as buckets with
//! sequence 0, all in key order; where a pair and a space have one name, the pair comes first.

use std::cmp::Ordering;
use std::iter::Peekable;

use kv_api::capability::BucketVisitor;
use kv_api::{Bytes, KeyRange, Reader, Result, Snapshot, Space};

use crate::any_bucket::{BucketEntries, BucketEntry, Order, ReadBucket};

/// Shows `visitor` every space of `reader` as a bucket, and the default space's pairs between.
pub fn visit_spaces(reader: &impl Reader, visitor: &mut dyn BucketVisitor) -> Result<()> {
    let mut names = reader.space_names()?.into_iter().peekable();
    for pair in reader.range(Space::DEFAULT, ..)? {
        let (key, value) = pair?;
        while let Some(name) = names.next_if(|name| name[..] < key[..]) {
            visit_space(reader, &name, visitor)?;
        }
        visitor.pair(&key, &value)?;
    }
    names.try_for_each(|name| visit_space(reader, &name, visitor))
}

fn visit_space(reader: &impl Reader, name: &[u8], visitor: &mut dyn BucketVisitor) -> Result<()> {
    visitor.enter(name, 0)?;
    if let Some(space) = reader.space(name)? {
        for pair in reader.range(space, ..)? {
            let (key, value) = pair?;
            visitor.pair(&key, &value)?;
        }
    }
    visitor.leave()
}

/// One space as a bucket.
pub(crate) struct SpaceBucket<'s, S> {
    snapshot: &'s S,
    space: Space,
}

impl<'s, S: Snapshot> SpaceBucket<'s, S> {
    pub fn new(snapshot: &'s S, space: Space) -> SpaceBucket<'s, S> {
        SpaceBucket { snapshot, space }
    }
}

impl<S: Snapshot> ReadBucket for SpaceBucket<'_, S> {
    fn read_value(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.snapshot.get_bytes(self.space, key)
    }

    fn read_entries(&self, keys: KeyRange, order: Order) -> Result<BucketEntries<'_>> {
        let pairs = self.snapshot.range(self.space, keys)?;
        let own = |pair: Result<_>| pair.map(own_pair::<S>);
        Ok(match order {
            Order::Ascending => Box::new(pairs.map(own)),
            Order::Descending => Box::new(pairs.rev().map(own)),
        })
    }
}

fn own_pair<'a, S: Snapshot + 'a>((key, value): (S::Slice<'a>, S::Slice<'a>)) -> BucketEntry {
    BucketEntry {
        key: Bytes::copy_from_slice(&key),
        value: Some(Bytes::copy_from_slice(&value)),
    }
}

/// The root: the default space's pairs with the other spaces among them.
pub(crate) struct SpacesBucket<'s, S> {
    snapshot: &'s S,
}

impl<'s, S: Snapshot> SpacesBucket<'s, S> {
    pub fn new(snapshot: &'s S) -> SpacesBucket<'s, S> {
        SpacesBucket { snapshot }
    }
}

impl<S: Snapshot> ReadBucket for SpacesBucket<'_, S> {
    fn read_value(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.snapshot.get_bytes(Space::DEFAULT, key)
    }

    fn read_entries(&self, keys: KeyRange, order: Order) -> Result<BucketEntries<'_>> {
        let mut names = self.snapshot.space_names()?;
        names.retain(|name| keys.contains(name));
        if order == Order::Descending {
            names.reverse();
        }
        let pairs = self.snapshot.range(Space::DEFAULT, keys)?;
        let own = |pair: Result<_>| pair.map(own_pair::<S>);
        let pairs: BucketEntries<'_> = match order {
            Order::Ascending => Box::new(pairs.map(own)),
            Order::Descending => Box::new(pairs.rev().map(own)),
        };
        Ok(Box::new(Merged {
            pairs: pairs.peekable(),
            names: names.into_iter().peekable(),
            order,
        }))
    }
}

/// Pairs and names in one order.
struct Merged<'a> {
    pairs: Peekable<BucketEntries<'a>>,
    names: Peekable<std::vec::IntoIter<Bytes>>,
    order: Order,
}

impl Iterator for Merged<'_> {
    type Item = Result<BucketEntry>;

    fn next(&mut self) -> Option<Result<BucketEntry>> {
        let name_first = match (self.pairs.peek(), self.names.peek()) {
            (None, Some(_)) => true,
            (Some(Ok(pair)), Some(name)) => match self.order {
                Order::Ascending => name.cmp(&pair.key) == Ordering::Less,
                Order::Descending => name.cmp(&pair.key) != Ordering::Less,
            },
            _ => false,
        };
        if !name_first {
            return self.pairs.next();
        }
        let key = self.names.next()?;
        Some(Ok(BucketEntry { key, value: None }))
    }
}
