//! Reading one version: what snapshots and transactions have in common.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::{Bytes, Error, Result, Space};

use crate::ids::{SegmentId, SpaceId};
use crate::index::{Item, Walk};
use crate::log::batch::Batch;
use crate::log::record;
use crate::place::Place;
use crate::root::Root;
use crate::slice::Slice;

/// A version and the batches it names that are not in the log.
#[derive(Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) root: &'a Root,
    pub(crate) unwritten: &'a [Arc<Batch>],
    /// The records of the transaction that reads.
    pub(crate) own: &'a [u8],
}

/// The segment that the records of a transaction's own batch pretend to be in.
pub(crate) const OWN: SegmentId = SegmentId((1 << 26) - 1);

impl<'a> Source<'a> {
    /// A version that is all in the log.
    pub(crate) fn of(root: &'a Root) -> Source<'a> {
        Source {
            root,
            unwritten: &[],
            own: &[],
        }
    }

    #[inline]
    pub(crate) fn get(&self, space: SpaceId, key: &[u8]) -> Result<Option<Slice<'a>>> {
        let Some(index) = self.root.space(space) else {
            return Ok(None);
        };
        let Some((place, certain)) = index.candidate(key) else {
            return Ok(None);
        };
        if !certain && !place.segment().is_unwritten() {
            let segment = self.root.segments.get(place.segment())?;
            // The whole record, while its beginning is compared.
            segment.prefetch(place);
            if let Some(bytes) = segment.known(place) {
                let value = record::value_of(bytes, place.header_len() as usize, space, key);
                return Ok(value.map(Slice::Lent));
            }
            let value = segment.first_value(place, space, key)?;
            if value.is_some() {
                return Ok(value);
            }
            // There is no such key, unless the entry leads to what it should not.
        }
        match index.get(key) {
            Some(item) => self.value(&item, space, key).map(Some),
            None => Ok(None),
        }
    }

    #[inline]
    pub(crate) fn item(&self, space: SpaceId, key: &[u8]) -> Option<Item> {
        self.root.space(space)?.get(key)
    }

    /// The value that the entry of `key` leads to.
    #[inline]
    pub(crate) fn value(&self, item: &Item, space: SpaceId, key: &[u8]) -> Result<Slice<'a>> {
        let place = item.place;
        if !place.segment().is_unwritten() {
            return self
                .root
                .segments
                .get(place.segment())?
                .value(place, space, key);
        }
        let records = if place.segment() == OWN {
            self.own
        } else {
            let number = place.segment().0 - SegmentId::UNWRITTEN;
            let batch = self.unwritten.get(number as usize);
            batch.map(|batch| batch.body.as_slice()).unwrap_or_default()
        };
        let start = place.offset as usize + place.header_len() as usize + key.len();
        let end = place.offset as usize + place.len as usize;
        let missing = Error::Invalid {
            what: "a record of this transaction is not where it was put",
        };
        records.get(start..end).map(Slice::Lent).ok_or(missing)
    }

    /// Says that these records will be read in a moment.
    #[inline]
    pub(crate) fn prefetch(&self, places: &[Place]) {
        for place in places {
            if let Some(segment) = self.root.segments.find(place.segment()) {
                segment.prefetch(*place);
            }
        }
    }

    pub(crate) fn walk(&self, space: SpaceId) -> Walk<'a> {
        Walk::new(self.root.space(space))
    }

    pub(crate) fn space_names(&self) -> Vec<Bytes> {
        let names = self.root.names.keys();
        names.map(|name| Bytes::copy_from_slice(name)).collect()
    }
}

/// Draws a stamp that no other reader has.
pub(crate) fn fresh_stamp() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The id behind a space that a reader with this stamp resolved.
pub(crate) fn space_id(space: Space, stamp: impl FnOnce() -> u64) -> Result<SpaceId> {
    if space.is_default() {
        return Ok(SpaceId::DEFAULT);
    }
    if space.owner() != stamp() {
        return Err(Error::ForeignSpace);
    }
    let id = u32::try_from(space.id()).map_err(|_| Error::ForeignSpace)?;
    Ok(SpaceId(id))
}
