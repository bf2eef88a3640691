//! A block for reading.
//!
//! Invariant: what a block lends was looked up with checked bounds; a block that is not what the
//! builder writes answers `None`, which its table tells as damage.

use std::cmp::Ordering;

use crate::entry::{Extra, Kind};
use crate::id::Sequence;
use crate::slice::Slice;
use crate::table::block_builder::{TRAILER_BYTES, WIDE, fingerprint};
use crate::wire::Read;

/// A block and where its parts are.
#[derive(Clone)]
pub(crate) struct Block<'a> {
    bytes: Slice<'a>,
    count: usize,
    places: usize,
    place_bytes: usize,
    prints: usize,
    prefix: usize,
    prefix_len: usize,
}

/// A record of a block, as ranges of the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// The key without the block's prefix.
    pub suffix: (usize, usize),
    pub value: (usize, usize),
    pub kind: Kind,
    pub extra: Extra,
    pub sequence: Sequence,
}

impl<'a> Block<'a> {
    pub fn new(bytes: Slice<'a>) -> Option<Block<'a>> {
        let trailer = bytes.len().checked_sub(TRAILER_BYTES)?;
        let mut read = Read::new(bytes.get(trailer..)?);
        let (count, prefix_len) = (read.u32()?, read.u32()? as usize);
        let place_bytes = if count & WIDE == 0 { 2 } else { 4 };
        let count = (count & !WIDE) as usize;
        let prefix = trailer.checked_sub(prefix_len)?;
        let prints = prefix.checked_sub(count)?;
        let places = prints.checked_sub(count.checked_mul(place_bytes)?)?;
        Some(Block {
            bytes,
            count,
            places,
            place_bytes,
            prints,
            prefix,
            prefix_len,
        })
    }

    pub fn count(&self) -> usize {
        self.count
    }

    pub fn prefix(&self) -> &[u8] {
        self.part((self.prefix, self.prefix + self.prefix_len))
    }

    pub fn part(&self, (start, end): (usize, usize)) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    pub fn lend(&self, (start, end): (usize, usize)) -> Slice<'a> {
        self.bytes.part(start, end)
    }

    /// The record at `index`, which must be below the count.
    #[inline]
    pub fn record(&self, index: usize, base: Sequence) -> Option<Record> {
        let place = self.places + index * self.place_bytes;
        let place = match self.bytes.get(place..place + self.place_bytes)? {
            [a, b] => usize::from(u16::from_le_bytes([*a, *b])),
            [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]) as usize,
            _ => return None,
        };
        let from = self.bytes.get(place..self.places)?;
        let mut read = Read::new(from);
        let first = read.u8()?;
        let kind = Kind::from_code(first)?;
        let extra = Extra::read(first, &mut read)?;
        let (suffix_len, value_len) = (read.length()?, read.length()?);
        let sequence = Sequence(base.0.checked_add(read.varint()?)?);
        let start = place + from.len() - read.left();
        read.take(suffix_len.checked_add(value_len)?)?;
        let middle = start + suffix_len;
        Some(Record {
            suffix: (start, middle),
            value: (middle, middle + value_len),
            kind,
            extra,
            sequence,
        })
    }

    /// How the key of `record` stands to `key`.
    pub fn compare(&self, record: &Record, key: &[u8]) -> Ordering {
        let Some((head, rest)) = key.split_at_checked(self.prefix_len) else {
            let shorter = self.prefix().get(..key.len()).unwrap_or_default();
            // The key ends inside the prefix, so where they agree the record is above it.
            return shorter.cmp(key).then(Ordering::Greater);
        };
        self.prefix()
            .cmp(head)
            .then_with(|| self.part(record.suffix).cmp(rest))
    }

    /// The newest record of `key` that is not newer than `at`, by its hash.
    pub fn get(
        &self,
        key: &[u8],
        hash: u64,
        at: Sequence,
        base: Sequence,
    ) -> Option<Option<Record>> {
        let prints = self.bytes.get(self.prints..self.prefix)?;
        let wanted = fingerprint(hash);
        for (index, print) in prints.iter().enumerate() {
            if *print != wanted {
                continue;
            }
            let record = self.record(index, base)?;
            if record.sequence <= at && self.compare(&record, key) == Ordering::Equal {
                return Some(Some(record));
            }
        }
        Some(None)
    }

    /// The place of the first record at or after `key` at `at`: by key, then newest first.
    pub fn seek(&self, key: &[u8], at: Sequence, base: Sequence) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let record = self.record(middle, base)?;
            let order = self.compare(&record, key).then(at.cmp(&record.sequence));
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}
