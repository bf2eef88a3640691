//! The head of a frame: one transaction's records, there as a whole or not at all.
//!
//! ```text
//! magic u32 | crc32 u32 | body length u32 | records u32 | commit index u64 | durable u32
//!   | sum of the records' sums u32 | sum of the head before u32
//! ```
//!
//! The head's sum is begun with the store, the segment, its epoch and the head's own offset, so a
//! frame anywhere else, or of an earlier life of the file, is no frame. The chain to the head
//! before it keeps what a failed write left from being taken for what came later.

use crate::ids::SegmentId;
use crate::varint::{take_fixed_u32, take_fixed_u64};

/// Bytes of a head.
pub(crate) const HEAD_BYTES: u32 = 36;
/// Bytes of a head behind its sum.
const REST_BYTES: usize = HEAD_BYTES as usize - 8;
/// What a head begins with.
pub(crate) const MAGIC: [u8; 4] = *b"\xF1LFr";

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) body_len: u32,
    pub(crate) records: u32,
    pub(crate) commit_index: u64,
    /// What of this segment was known to be durable when the frame was written: damage below this
    /// offset cannot be the work of a crash.
    pub(crate) durable: u32,
    pub(crate) records_sum: u32,
    /// The sum of the head before this one in the segment; 0 for the first.
    pub(crate) before: u32,
}

/// What makes the frames of one segment its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal {
    pub(crate) store: [u8; 16],
    pub(crate) segment: SegmentId,
    pub(crate) epoch: u64,
}

/// Puts `parts` one behind the other into `to`, which they fill.
#[inline]
fn fill(mut to: &mut [u8], parts: &[&[u8]]) {
    for part in parts {
        let Some((here, rest)) = to.split_at_mut_checked(part.len()) else {
            return;
        };
        here.copy_from_slice(part);
        to = rest;
    }
}

impl Seal {
    fn sum(&self, offset: u32, rest: &[u8]) -> u32 {
        // In one piece: sums of a few bytes at a time cost more than the copying.
        let mut whole = [0; 32 + REST_BYTES];
        let parts = [
            &self.store[..],
            &self.segment.0.to_le_bytes(),
            &self.epoch.to_le_bytes(),
            &offset.to_le_bytes(),
            rest,
        ];
        fill(&mut whole, &parts);
        crc32fast::hash(&whole)
    }

    /// The bytes of a head at `offset`, and their sum.
    pub(crate) fn encode(&self, head: &Head, offset: u32) -> ([u8; HEAD_BYTES as usize], u32) {
        let mut rest = [0; REST_BYTES];
        let parts = [
            &head.body_len.to_le_bytes()[..],
            &head.records.to_le_bytes(),
            &head.commit_index.to_le_bytes(),
            &head.durable.to_le_bytes(),
            &head.records_sum.to_le_bytes(),
            &head.before.to_le_bytes(),
        ];
        fill(&mut rest, &parts);
        let sum = self.sum(offset, &rest);
        let mut bytes = [0; HEAD_BYTES as usize];
        fill(&mut bytes, &[&MAGIC, &sum.to_le_bytes(), &rest]);
        (bytes, sum)
    }

    /// Reads the head at `offset`, with its sum. `None` if there is none.
    pub(crate) fn decode(&self, mut bytes: &[u8], offset: u32) -> Option<(Head, u32)> {
        let bytes = &mut bytes;
        if take_fixed_u32(bytes)? != u32::from_le_bytes(MAGIC) {
            return None;
        }
        let sum = take_fixed_u32(bytes)?;
        if self.sum(offset, bytes.get(..REST_BYTES)?) != sum {
            return None;
        }
        let head = Head {
            body_len: take_fixed_u32(bytes)?,
            records: take_fixed_u32(bytes)?,
            commit_index: take_fixed_u64(bytes)?,
            durable: take_fixed_u32(bytes)?,
            records_sum: take_fixed_u32(bytes)?,
            before: take_fixed_u32(bytes)?,
        };
        Some((head, sum))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    const SEAL: Seal = Seal {
        store: [1; 16],
        segment: SegmentId(5),
        epoch: 9,
    };

    const HEAD: Head = Head {
        body_len: 100,
        records: 2,
        commit_index: 7,
        durable: 64,
        records_sum: 11,
        before: 13,
    };

    #[test]
    fn a_head_is_read_as_it_was_written() {
        let (bytes, sum) = SEAL.encode(&HEAD, 400);
        assert_eq!(SEAL.decode(&bytes, 400), Some((HEAD, sum)));
    }

    #[test]
    fn a_head_of_another_life_place_segment_or_store_is_none() {
        let (bytes, _) = SEAL.encode(&HEAD, 400);
        let others = [
            (Seal { epoch: 8, ..SEAL }, 400),
            (SEAL, 401),
            (
                Seal {
                    segment: SegmentId(6),
                    ..SEAL
                },
                400,
            ),
            (
                Seal {
                    store: [2; 16],
                    ..SEAL
                },
                400,
            ),
        ];
        for (seal, offset) in others {
            assert_eq!(seal.decode(&bytes, offset), None, "{seal:?} at {offset}");
        }
    }

    #[test]
    fn a_head_with_a_flipped_bit_is_none() {
        let (bytes, _) = SEAL.encode(&HEAD, 400);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes;
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SEAL.decode(&damaged, 400), None, "bit {bit}");
        }
    }
}
