//! Filling a block.
//!
//! Entries, their places, one byte of each key's hash, the keys' common prefix, then how many
//! there are and how long the prefix is. The prefix is taken out only where that saves an eighth
//! of the block: without one, keys are lent from where they stand.

use crate::entry::Entry;
use crate::id::Sequence;
use crate::wire::{Put, low_u32};

/// Set in the count where places are four bytes instead of two.
pub(crate) const WIDE: u32 = 1 << 31;

/// Bytes of the two numbers at the end of a block.
pub(crate) const TRAILER_BYTES: usize = 8;

/// The byte of a key's hash that stands in a block.
pub(crate) const fn fingerprint(hash: u64) -> u8 {
    hash.to_be_bytes()[0]
}

/// A record on its way into a block.
struct Pending {
    key: (usize, usize),
    value: (usize, usize),
    first: u8,
    extra: (usize, usize),
    sequence: u64,
    fingerprint: u8,
}

/// A block being filled.
#[derive(Default)]
pub(crate) struct BlockBuilder {
    /// Keys, values and extras one behind the other.
    arena: Vec<u8>,
    pending: Vec<Pending>,
    prefix_len: usize,
}

impl BlockBuilder {
    pub fn add(&mut self, entry: &Entry<'_>, hash: u64, base: Sequence) {
        let start = self.arena.len();
        self.arena.extend_from_slice(entry.key);
        let key = (start, self.arena.len());
        self.arena.extend_from_slice(entry.value);
        let value = (key.1, self.arena.len());
        entry.extra.put(&mut self.arena);
        let extra = (value.1, self.arena.len());
        self.prefix_len = match self.pending.first() {
            None => entry.key.len(),
            Some(first) => {
                let first = self.arena.get(first.key.0..first.key.1).unwrap_or_default();
                let common = first.iter().zip(entry.key).take_while(|(a, b)| a == b);
                common.count().min(self.prefix_len)
            }
        };
        self.pending.push(Pending {
            key,
            value,
            first: entry.extra.first_byte(entry.kind),
            extra,
            sequence: entry.sequence.0.saturating_sub(base.0),
            fingerprint: fingerprint(hash),
        });
    }

    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// About as many bytes as the block will have.
    pub fn bytes(&self) -> usize {
        self.arena.len() + 10 * self.pending.len()
    }

    /// The newest key.
    pub fn last_key(&self) -> &[u8] {
        let last = self.pending.last().map_or((0, 0), |last| last.key);
        self.arena.get(last.0..last.1).unwrap_or_default()
    }

    /// Writes the block to `to` and begins an empty one.
    pub fn finish(&mut self, to: &mut Vec<u8>) {
        let count = self.pending.len();
        let saved = self.prefix_len * count.saturating_sub(1);
        let prefix_len = if saved * 8 >= self.arena.len() {
            self.prefix_len
        } else {
            0
        };
        let part = |(start, end): (usize, usize)| self.arena.get(start..end).unwrap_or_default();
        let start = to.len();
        let mut places = Vec::with_capacity(count);
        for one in &self.pending {
            places.push(low_u32((to.len() - start) as u64));
            let suffix = part((one.key.0 + prefix_len, one.key.1));
            to.push(one.first);
            to.extend_from_slice(part(one.extra));
            to.put_varint(suffix.len() as u64);
            to.put_varint((one.value.1 - one.value.0) as u64);
            to.put_varint(one.sequence);
            to.extend_from_slice(suffix);
            to.extend_from_slice(part(one.value));
        }
        let wide = to.len() - start > usize::from(u16::MAX);
        for place in places {
            let [a, b, c, d] = place.to_le_bytes();
            to.extend_from_slice(&[a, b]);
            if wide {
                to.extend_from_slice(&[c, d]);
            }
        }
        to.extend(self.pending.iter().map(|one| one.fingerprint));
        let first = self.pending.first().map_or((0, 0), |first| first.key);
        to.extend_from_slice(part((first.0, first.0 + prefix_len)));
        to.put_u32(low_u32(count as u64) | if wide { WIDE } else { 0 });
        to.put_u32(low_u32(prefix_len as u64));
        self.arena.clear();
        self.pending.clear();
        self.prefix_len = 0;
    }
}
