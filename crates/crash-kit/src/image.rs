//! The bytes of one file, shared by chunk: cloning costs references, changing copies one chunk.
//!
//! Invariants:
//! * there are exactly as many chunks as the length needs; `None` stands for zeros;
//! * bytes of the last chunk past the length are zero, so growing never shows old bytes.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use xxhash_rust::xxh3::xxh3_128;

const CHUNK_BYTES: usize = 4096;

/// The largest file the kit keeps in memory.
pub(crate) const IMAGE_BYTES_MAX: u64 = 1 << 30;

#[derive(Debug)]
struct Chunk {
    bytes: [u8; CHUNK_BYTES],
    digest: OnceLock<u128>,
}

impl Clone for Chunk {
    fn clone(&self) -> Chunk {
        // A clone is made to be changed, so it must not inherit the digest.
        Chunk {
            bytes: self.bytes,
            digest: OnceLock::new(),
        }
    }
}

const ZEROS: [u8; CHUNK_BYTES] = [0; CHUNK_BYTES];

/// A file's bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    len: u64,
    chunks: Vec<Option<Arc<Chunk>>>,
}

/// Part of a range of bytes that lies in one chunk.
struct Piece {
    chunk: usize,
    inside: Range<usize>,
    outside: Range<usize>,
}

/// Cuts `len` bytes at `offset` into pieces.
fn pieces(offset: u64, len: usize) -> impl Iterator<Item = Piece> {
    let offset = to_index(offset);
    let mut done = 0;
    std::iter::from_fn(move || {
        (done < len).then(|| {
            let at = offset.saturating_add(done);
            let start = at % CHUNK_BYTES;
            let count = (CHUNK_BYTES - start).min(len - done);
            let piece = Piece {
                chunk: at / CHUNK_BYTES,
                inside: start..start + count,
                outside: done..done + count,
            };
            done += count;
            piece
        })
    })
}

/// Lengths are kept below [`IMAGE_BYTES_MAX`] by the disk, so this never saturates in practice.
fn to_index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl Image {
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Reads at `offset` and answers how much there was.
    pub(crate) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let there = to_index(self.len.saturating_sub(offset)).min(buffer.len());
        for piece in pieces(offset, there) {
            let Some(target) = buffer.get_mut(piece.outside) else {
                continue;
            };
            match self.chunk(piece.chunk).get(piece.inside) {
                Some(source) => target.copy_from_slice(source),
                None => target.fill(0),
            }
        }
        there
    }

    fn chunk(&self, number: usize) -> &[u8; CHUNK_BYTES] {
        match self.chunks.get(number) {
            Some(Some(chunk)) => &chunk.bytes,
            _ => &ZEROS,
        }
    }

    /// Writes at `offset`, growing the file where needed.
    pub(crate) fn write(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.grow_to(offset + bytes.len() as u64);
        for piece in pieces(offset, bytes.len()) {
            if let Some(source) = bytes.get(piece.outside) {
                self.change(piece.chunk, piece.inside, |target| {
                    target.copy_from_slice(source);
                });
            }
        }
    }

    fn change(&mut self, chunk: usize, inside: Range<usize>, edit: impl FnOnce(&mut [u8])) {
        let Some(slot) = self.chunks.get_mut(chunk) else {
            return;
        };
        let shared = slot.get_or_insert_with(|| {
            Arc::new(Chunk {
                bytes: ZEROS,
                digest: OnceLock::new(),
            })
        });
        let own = Arc::make_mut(shared);
        own.digest.take();
        if let Some(target) = own.bytes.get_mut(inside) {
            edit(target);
        }
    }

    /// Makes the file at least `len` bytes long.
    pub(crate) fn grow_to(&mut self, len: u64) {
        if len > self.len {
            self.set_len(len);
        }
    }

    /// Cuts, or grows with zeros.
    pub(crate) fn set_len(&mut self, len: u64) {
        let chunks = to_index(len.div_ceil(CHUNK_BYTES as u64));
        self.chunks.resize(chunks, None);
        let cut_inside = to_index(len % CHUNK_BYTES as u64);
        if len < self.len && cut_inside != 0 {
            let last = chunks.saturating_sub(1);
            if matches!(self.chunks.get(last), Some(Some(_))) {
                self.change(last, cut_inside..CHUNK_BYTES, |tail| tail.fill(0));
            }
        }
        self.len = len;
    }

    /// Whether writing `bytes` at `offset` would change what is there.
    pub(crate) fn differs(&self, offset: u64, bytes: &[u8]) -> bool {
        offset + bytes.len() as u64 > self.len
            || pieces(offset, bytes.len())
                .any(|piece| self.chunk(piece.chunk).get(piece.inside) != bytes.get(piece.outside))
    }

    /// A digest of length and bytes; holes count as the zeros they read as.
    pub(crate) fn digest(&self) -> u128 {
        static ZERO_DIGEST: OnceLock<u128> = OnceLock::new();
        let mut all = Vec::with_capacity(16 * self.chunks.len() + 8);
        for chunk in &self.chunks {
            let digest = match chunk {
                Some(chunk) => *chunk.digest.get_or_init(|| xxh3_128(&chunk.bytes)),
                None => *ZERO_DIGEST.get_or_init(|| xxh3_128(&ZEROS)),
            };
            all.extend_from_slice(&digest.to_le_bytes());
        }
        all.extend_from_slice(&self.len.to_le_bytes());
        xxh3_128(&all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growing_after_a_cut_shows_zeros() {
        let mut image = Image::default();
        image.write(0, &[7; 6000]);
        image.set_len(5000);
        image.set_len(6000);
        let mut tail = [1; 1000];
        assert_eq!(image.read(5000, &mut tail), 1000);
        assert_eq!(tail, [0; 1000]);
    }

    #[test]
    fn a_hole_and_written_zeros_have_one_digest() {
        let mut hole = Image::default();
        hole.set_len(10_000);
        let mut written = Image::default();
        written.write(0, &[0; 10_000]);
        assert_eq!(hole.digest(), written.digest());
        written.write(9_999, &[1]);
        assert_ne!(hole.digest(), written.digest());
    }

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut image = Image::default();
        image.write(4090, b"abcdefghij");
        let before = image.clone();
        let digest = before.digest();
        image.write(4095, b"X");
        let mut bytes = [0; 10];
        before.read(4090, &mut bytes);
        assert_eq!(&bytes, b"abcdefghij");
        assert_eq!(before.digest(), digest);
        assert!(before.differs(4095, b"X"));
        assert!(!image.differs(4095, b"X"));
    }
}
