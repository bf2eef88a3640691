//! The frame around a record in a log.
//!
//! A frame names the file it was written for, so what an earlier life of a recycled file left is
//! never taken for a record; it names the checksum of the frame before it, so what a refused
//! write left is never taken for what follows a later one; and it names the newest commit that
//! was durable when it was written, so damage below that is told from a torn tail.

use crate::id::{FileId, Sequence};
use crate::wire::{Read, to_usize};

/// Bytes of a frame's header.
pub(crate) const FRAME_BYTES: usize = 40;

/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGN: usize = 8;

/// What stands before a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Checksum of the rest of the header and of the record.
    pub checksum: u32,
    /// Checksum of the frame before it in this file; 0 for the first.
    pub before: u32,
    /// The file this was written for.
    pub file: FileId,
    /// Bytes of the record.
    pub len: u64,
    /// The commit's place in the order of commits.
    pub sequence: Sequence,
    /// The newest commit that was durable when this was written.
    pub durable: Sequence,
}

impl Frame {
    /// Begins a frame in `to`, to be ended by [`finish`] once the record follows; answers where.
    pub fn begin(to: &mut Vec<u8>) -> usize {
        let start = to.len();
        to.resize(start + FRAME_BYTES, 0);
        start
    }

    pub fn read(header: &[u8]) -> Option<Frame> {
        let mut read = Read::new(header);
        Some(Frame {
            checksum: read.u32()?,
            before: read.u32()?,
            file: FileId(read.u64()?),
            len: read.u64()?,
            sequence: Sequence(read.u64()?),
            durable: Sequence(read.u64()?),
        })
    }

    /// Bytes from this frame's beginning to the next one's.
    pub fn stride(&self) -> Option<u64> {
        let bytes = self.len.checked_add(FRAME_BYTES as u64)?;
        bytes.checked_next_multiple_of(FRAME_ALIGN as u64)
    }

    /// Whether `bytes`, which begin with the header and hold at least the record, are what was
    /// written.
    pub fn is_whole(&self, bytes: &[u8]) -> bool {
        let end = FRAME_BYTES.saturating_add(to_usize(self.len));
        let covered = bytes.get(4..end);
        covered.is_some_and(|covered| crc32fast::hash(covered) == self.checksum)
    }
}

/// Fills in the header of the frame that begins at `start` and ends with `to`; answers its
/// checksum.
pub(crate) fn finish(
    to: &mut Vec<u8>,
    start: usize,
    before: u32,
    file: FileId,
    sequence: Sequence,
    durable: Sequence,
) -> u32 {
    let len = to.len().saturating_sub(start + FRAME_BYTES) as u64;
    if let Some(header) = to.get_mut(start..start + FRAME_BYTES)
        && let Some((checksums, words)) = header.split_at_mut_checked(8)
    {
        checksums.copy_from_slice(&(u64::from(before) << 32).to_le_bytes());
        let fields = [file.0, len, sequence.0, durable.0];
        for (word, field) in words.chunks_exact_mut(8).zip(fields) {
            word.copy_from_slice(&field.to_le_bytes());
        }
    }
    let checksum = crc32fast::hash(to.get(start + 4..).unwrap_or_default());
    if let Some(place) = to.get_mut(start..start + 4) {
        place.copy_from_slice(&checksum.to_le_bytes());
    }
    to.resize(to.len().next_multiple_of(FRAME_ALIGN), 0);
    checksum
}
