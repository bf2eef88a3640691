//! Snapshots and cursors with faults, and the reading that transactions share with them.

use std::ops::Bound;
use std::sync::Arc;

use conformance::{MemoryCursor, MemorySnapshot};
use kv_api::capability::{BucketVisitor, NestedReader};
use kv_api::{Bytes, Cursor, Error, KeyRange, Range, Reader, Result, Snapshot, Space, Store};

use super::fault::Fault;
use super::store::Shared;

/// The longest key of a narrow store, and what a value is cut to where large values are cut.
pub const KEY_BYTES_MAX: usize = 32_768;
const CUT_BYTES: usize = 65_536;

pub struct BrokenSnapshot {
    inner: MemorySnapshot,
    shared: Arc<Shared>,
}

impl BrokenSnapshot {
    pub fn fault(&self) -> Fault {
        self.shared.fault
    }

    pub fn inner(&self) -> &MemorySnapshot {
        &self.inner
    }

    pub fn newest(&self) -> Result<MemorySnapshot> {
        self.shared.current().snapshot()
    }

    pub fn new(inner: MemorySnapshot, shared: Arc<Shared>) -> BrokenSnapshot {
        BrokenSnapshot { inner, shared }
    }
}

/// A key as the model stores it. For one byte order this is its own inverse.
pub fn key_within(fault: Fault, key: &[u8]) -> Vec<u8> {
    let mut key = key.to_vec();
    match fault {
        Fault::OrderIsSigned => {
            if let Some(first) = key.first_mut() {
                *first ^= 0x80;
            }
        }
        Fault::LongKeysAreCut => key.truncate(255),
        _ => {}
    }
    key
}

fn key_outside(fault: Fault, key: &[u8]) -> Bytes {
    match fault {
        Fault::OrderIsSigned => Bytes::from(key_within(fault, key)),
        _ => Bytes::copy_from_slice(key),
    }
}

/// The space a call really goes to.
pub fn space_within(fault: Fault, space: Space) -> Space {
    if fault == Fault::SpacesShareTheirKeys {
        return Space::DEFAULT;
    }
    space
}

pub fn get_from(
    fault: Fault,
    reader: &impl Reader,
    space: Space,
    key: &[u8],
) -> Result<Option<Bytes>> {
    if fault == Fault::Narrow {
        refuse_in_narrow(reader, space, key)?;
    }
    let found = match reader.get(space_within(fault, space), &key_within(fault, key)) {
        Err(Error::ForeignSpace) if fault == Fault::ForeignSpaceIsAccepted => None,
        found => found?,
    };
    let value = found.map(|value| Bytes::copy_from_slice(&value));
    Ok(match (fault, value) {
        (Fault::EmptyValueIsAbsence, Some(value)) if value.is_empty() => None,
        (Fault::LargeValuesAreCut, Some(value)) => Some(value.slice(..value.len().min(CUT_BYTES))),
        (_, value) => value,
    })
}

/// What a narrow store refuses, as the laws allow.
pub fn refuse_in_narrow(reader: &impl Reader, space: Space, key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Invalid {
            what: "an empty key",
        });
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(Error::TooLarge {
            what: "key",
            bytes: key.len() as u64,
            bytes_max: KEY_BYTES_MAX as u64,
        });
    }
    if space.is_default() && reader.space(key)?.is_some() {
        return Err(Error::Incompatible { what: "a space" });
    }
    Ok(())
}

pub fn names_of(fault: Fault, reader: &impl Reader) -> Result<Vec<Bytes>> {
    let mut names = reader.space_names()?;
    if fault == Fault::SpaceNamesDescend {
        names.reverse();
    }
    Ok(names)
}

/// The ends of a range as a store with this fault understands them.
pub fn range_within(fault: Fault, keys: KeyRange) -> KeyRange {
    match (fault, keys.start(), keys.end()) {
        (
            Fault::RangeTakesItsExcludedEnd | Fault::DeleteRangeTakesItsExcludedEnd,
            start,
            Bound::Excluded(end),
        ) => KeyRange::new(start.map(<[u8]>::to_vec), Bound::Included(end.to_vec())),
        (Fault::DeleteRangeMissesItsIncludedEnd, start, Bound::Included(end)) => {
            KeyRange::new(start.map(<[u8]>::to_vec), Bound::Excluded(end.to_vec()))
        }
        _ => keys,
    }
}

pub fn prefix_within(fault: Fault, prefix: &[u8]) -> KeyRange {
    let mut end = prefix.to_vec();
    match end.last_mut() {
        Some(last) if fault == Fault::PrefixForgetsTheCarry => {
            *last = last.wrapping_add(1);
            KeyRange::from(prefix.to_vec()..end)
        }
        _ => KeyRange::prefix(prefix),
    }
}

/// The provided methods of a reader, with the faults of ranges.
macro_rules! ranges_with_faults {
    () => {
        fn range(
            &self,
            space: Space,
            keys: impl Into<KeyRange>,
        ) -> Result<Range<Self::Cursor<'_>>> {
            let (front, back) = (self.cursor(space)?, self.cursor(space)?);
            let keys = match self.fault() {
                Fault::RangeTakesItsExcludedEnd => range_within(self.fault(), keys.into()),
                _ => keys.into(),
            };
            Ok(Range::new(front, back, keys))
        }

        fn prefix(&self, space: Space, prefix: &[u8]) -> Result<Range<Self::Cursor<'_>>> {
            self.range(space, prefix_within(self.fault(), prefix))
        }
    };
}
pub(super) use ranges_with_faults;

impl Reader for BrokenSnapshot {
    type Slice<'a> = Bytes;
    type Cursor<'a> = BrokenCursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        self.inner.space(name)
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        names_of(self.fault(), &self.inner)
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        if self.fault() == Fault::SnapshotFollowsWriters && space.is_default() {
            return get_from(self.fault(), &self.shared.current().snapshot()?, space, key);
        }
        get_from(self.fault(), &self.inner, space, key)
    }

    fn cursor(&self, space: Space) -> Result<BrokenCursor<'_>> {
        Ok(BrokenCursor::new(
            self.fault(),
            self.inner.cursor(space_within(self.fault(), space))?,
        ))
    }

    ranges_with_faults!();
}

impl Snapshot for BrokenSnapshot {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        if self.fault() == Fault::OwnedValueFollowsWriters && space.is_default() {
            return get_from(self.fault(), &self.shared.current().snapshot()?, space, key);
        }
        self.get(space, key)
    }
}

/// Hands a visit on, with the faults of nested buckets.
struct BrokenVisitor<'a> {
    inner: &'a mut dyn BucketVisitor,
    fault: Fault,
}

impl BucketVisitor for BrokenVisitor<'_> {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.inner.enter(name, sequence)
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        match self.inner.pair(key, value) {
            Err(_) if self.fault == Fault::VisitGoesOnAfterAnError => Ok(()),
            answer => answer,
        }
    }

    fn leave(&mut self) -> Result<()> {
        if self.fault == Fault::BucketsAreNotLeft {
            return Ok(());
        }
        self.inner.leave()
    }
}

impl NestedReader for BrokenSnapshot {
    fn visit(&self, visitor: &mut dyn BucketVisitor) -> Result<()> {
        self.inner.visit(&mut BrokenVisitor {
            inner: visitor,
            fault: self.fault(),
        })
    }
}

pub struct BrokenCursor<'a> {
    inner: MemoryCursor<'a>,
    off: Off,
    fault: Fault,
}

/// Where a cursor with a fault is, when that is not where its inner cursor is.
#[derive(PartialEq)]
enum Off {
    Fresh,
    Not,
    TheEnd,
    TheBeginning,
    Nowhere,
}

type Lent<'a> = Result<Option<(&'a [u8], &'a [u8])>>;
type Answer = Result<Option<(Bytes, Bytes)>>;

impl<'a> BrokenCursor<'a> {
    pub fn new(fault: Fault, inner: MemoryCursor<'a>) -> BrokenCursor<'a> {
        BrokenCursor {
            inner,
            off: Off::Fresh,
            fault,
        }
    }

    /// Answers `moved`; if there was nothing and the fault is this one, remembers being off.
    fn answer(&mut self, moved: Lent<'_>, if_fault: Fault, off: Off) -> Answer {
        let moved = moved?;
        self.off = match moved {
            None if self.fault == if_fault => off,
            _ => Off::Not,
        };
        Ok(moved.map(|(key, value)| (key_outside(self.fault, key), Bytes::copy_from_slice(value))))
    }

    fn is_reversed(&self) -> bool {
        self.fault == Fault::OrderIsReversed
    }
}

impl Cursor for BrokenCursor<'_> {
    type Slice = Bytes;

    fn first(&mut self) -> Answer {
        let moved = match self.is_reversed() {
            true => self.inner.last(),
            false => self.inner.first(),
        };
        self.answer(moved, Fault::None, Off::Not)
    }

    fn last(&mut self) -> Answer {
        let moved = match self.is_reversed() {
            true => self.inner.first(),
            false => self.inner.last(),
        };
        self.answer(moved, Fault::None, Off::Not)
    }

    fn seek(&mut self, key: &[u8]) -> Answer {
        let key = key_within(self.fault, key);
        let mut moved = match self.is_reversed() {
            true => self.inner.seek_for_prev(&key),
            false => self.inner.seek(&key),
        };
        if self.fault == Fault::SeekSkipsItsKey && moved.as_ref().is_ok_and(|m| m.is_some()) {
            moved = self.inner.next();
        }
        self.answer(moved, Fault::SeekPastLastIsNowhere, Off::Nowhere)
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Answer {
        let key = key_within(self.fault, key);
        let moved = match self.is_reversed() {
            true => self.inner.seek(&key),
            false => self.inner.seek_for_prev(&key),
        };
        self.answer(moved, Fault::SeekForPrevBeforeFirstIsNowhere, Off::Nowhere)
    }

    fn next(&mut self) -> Answer {
        let moved = match self.off {
            Off::Fresh if self.fault == Fault::FreshCursorStandsBeforeFirst => self.inner.first(),
            Off::TheEnd | Off::Nowhere => return Ok(None),
            Off::TheBeginning => self.inner.first(),
            _ if self.is_reversed() => self.inner.prev(),
            _ => self.inner.next(),
        };
        self.answer(moved, Fault::CursorFallsOffTheEnd, Off::TheEnd)
    }

    fn prev(&mut self) -> Answer {
        let moved = match self.off {
            Off::TheEnd => self.inner.last(),
            Off::TheBeginning | Off::Nowhere => return Ok(None),
            _ if self.is_reversed() => self.inner.next(),
            _ => self.inner.prev(),
        };
        self.answer(moved, Fault::CursorFallsOffTheBeginning, Off::TheBeginning)
    }

    fn current(&mut self) -> Answer {
        if matches!(self.off, Off::TheEnd | Off::TheBeginning | Off::Nowhere) {
            return Ok(None);
        }
        let here = self.inner.current()?;
        Ok(here.map(|(key, value)| (key_outside(self.fault, key), Bytes::copy_from_slice(value))))
    }
}
