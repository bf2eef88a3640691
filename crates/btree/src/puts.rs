//! Pairs put into an empty tree, in the order they came, until somebody looks.
//!
//! A tree that is filled by one transaction is searched and moved about once for each pair; kept
//! aside and sorted at the end, each pair is copied twice and no more.
//!
//! Invariants:
//! * a chunk holds whole records, each a head of lengths, a key and a value;
//! * `places` names every record once, in the order of the puts.

use crate::order::by_key;

/// Bytes of a record's head: the key's length in two, the value's in four.
const RECORD_HEAD_BYTES: usize = 6;
/// Chunks grow up to this size, so that a small bucket takes little and a large one few of them.
const CHUNK_BYTES_MIN: usize = 4 << 10;
const CHUNK_BYTES_MAX: usize = 1 << 20;
/// As many records as make a tree of fewer nodes than a tree can number.
const RECORDS_MAX: usize = 1 << 31;

/// Where a record lies: its chunk in the upper half, its first byte in the lower. Later records
/// have higher places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordPlace(u64);

/// Pairs put into an empty tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Puts {
    chunks: Vec<Vec<u8>>,
    places: Vec<RecordPlace>,
    bytes: usize,
}

impl Puts {
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Bytes of all records, those that later ones replace among them.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a pair; answers whether there was room for one more. Lengths are within the format's.
    pub fn push(&mut self, key: &[u8], value: &[u8]) -> bool {
        let lengths = u16::try_from(key.len())
            .ok()
            .zip(u32::try_from(value.len()).ok());
        let room = |_: &_| self.places.len() < RECORDS_MAX;
        let Some((key_bytes, value_bytes)) = lengths.filter(room) else {
            return false;
        };
        let record_bytes = RECORD_HEAD_BYTES + key.len() + value.len();
        let room = |chunk: &Vec<u8>| chunk.capacity() - chunk.len();
        if self.chunks.last().map_or(0, room) < record_bytes {
            let chunk_bytes = self.bytes.clamp(CHUNK_BYTES_MIN, CHUNK_BYTES_MAX);
            self.chunks
                .push(Vec::with_capacity(chunk_bytes.max(record_bytes)));
        }
        let number = self.chunks.len().saturating_sub(1) as u64;
        let Some(chunk) = self.chunks.last_mut() else {
            return false;
        };
        self.places
            .push(RecordPlace(number << 32 | chunk.len() as u64));
        chunk.extend_from_slice(&key_bytes.to_le_bytes());
        chunk.extend_from_slice(&value_bytes.to_le_bytes());
        chunk.extend_from_slice(key);
        chunk.extend_from_slice(value);
        self.bytes += record_bytes;
        true
    }

    /// The pair at `place`; empty if none is.
    pub fn pair(&self, place: RecordPlace) -> (&[u8], &[u8]) {
        self.record(place).unwrap_or_default()
    }

    fn record(&self, place: RecordPlace) -> Option<(&[u8], &[u8])> {
        let chunk = self.chunks.get(usize::try_from(place.0 >> 32).ok()?)?;
        let offset = usize::try_from(place.0 & u64::from(u32::MAX)).ok()?;
        let record = chunk.get(offset..)?;
        let (key_bytes, rest) = record.split_first_chunk::<2>()?;
        let (value_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (key, rest) = rest.split_at_checked(u16::from_le_bytes(*key_bytes).into())?;
        let value = rest.get(..u32::from_le_bytes(*value_bytes) as usize)?;
        Some((key, value))
    }

    /// The key at `place`.
    pub fn key(&self, place: RecordPlace) -> &[u8] {
        self.pair(place).0
    }

    /// The places of the last record of every key, in the order of the keys.
    pub fn in_order(&self) -> Vec<RecordPlace> {
        by_key(&self.places, |place| self.key(place))
    }
}
