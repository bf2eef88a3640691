//! Which block of a table holds a key.
//!
//! In the file: the number of blocks, then their lengths, then the ends of their last keys, then
//! those keys. In memory: the first eight bytes of each last key behind what they all begin with
//! and the blocks' places; the keys themselves stay in the file and are asked where heads tie.

use crate::key::head;
use crate::slice::Slice;
use crate::wire::{Put, Read, low_u32};

/// Gathers the index while blocks are written.
#[derive(Default)]
pub(crate) struct IndexBuilder {
    lengths: Vec<u32>,
    ends: Vec<u32>,
    keys: Vec<u8>,
}

impl IndexBuilder {
    pub fn add(&mut self, block_bytes: usize, last_key: &[u8]) {
        self.lengths.push(low_u32(block_bytes as u64));
        self.keys.extend_from_slice(last_key);
        self.ends.push(low_u32(self.keys.len() as u64));
    }

    pub fn bytes(&self) -> usize {
        self.keys.len() + 8 * self.lengths.len() + 4
    }

    pub fn finish(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.bytes());
        bytes.put_u32(low_u32(self.lengths.len() as u64));
        for number in self.lengths.iter().chain(&self.ends) {
            bytes.put_u32(*number);
        }
        bytes.extend_from_slice(&self.keys);
        bytes
    }
}

/// The part of an index that stays in memory.
#[derive(Debug)]
pub(crate) struct Index {
    /// Where blocks begin, and where the last ends.
    places: Box<[u64]>,
    heads: Box<[u64]>,
    /// Ends of last keys, inside the index part of the file.
    ends: Box<[u32]>,
    /// Where keys begin inside the index part.
    keys: usize,
    /// Bytes that all last keys begin with.
    common: Box<[u8]>,
}

impl Index {
    /// Reads an index whose checksum was found right.
    pub fn read(bytes: &[u8]) -> Option<Index> {
        let mut read = Read::new(bytes);
        let count = read.u32()? as usize;
        let lengths = read.take(count.checked_mul(4)?)?;
        let ends = read.take(count * 4)?;
        let number = |four: &[u8]| {
            four.first_chunk()
                .map_or(0, |four| u32::from_le_bytes(*four))
        };
        let mut places = Vec::with_capacity(count + 1);
        let mut place = 0;
        places.push(place);
        for length in lengths.chunks_exact(4) {
            place += u64::from(number(length));
            places.push(place);
        }
        let ends: Box<[u32]> = ends.chunks_exact(4).map(number).collect();
        let mut index = Index {
            places: places.into(),
            heads: Box::default(),
            ends,
            keys: bytes.len() - read.left(),
            common: Box::default(),
        };
        index.take_heads(bytes, count)?;
        Some(index)
    }

    fn take_heads(&mut self, bytes: &[u8], count: usize) -> Option<()> {
        let (first, last) = (self.key(bytes, 0), self.key(bytes, count.checked_sub(1)?)?);
        let common = first?.iter().zip(last).take_while(|(a, b)| a == b).count();
        self.common = last.get(..common)?.into();
        let heads = (0..count).map(|block| {
            let key = self.key(bytes, block)?;
            Some(head(key.get(common..)?))
        });
        self.heads = heads.collect::<Option<Box<[u64]>>>()?;
        Some(())
    }

    /// The last key of `block`.
    pub fn key<'a>(&self, bytes: &'a [u8], block: usize) -> Option<&'a [u8]> {
        let start = match block.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        let end = *self.ends.get(block)? as usize;
        bytes.get(self.keys..)?.get(start..end)
    }

    /// Bytes of memory that it takes.
    pub fn held_bytes(&self) -> usize {
        8 * self.places.len() + 8 * self.heads.len() + 4 * self.ends.len() + self.common.len()
    }

    pub fn blocks(&self) -> usize {
        self.heads.len()
    }

    /// Offset and length of `block`.
    #[inline]
    pub fn place(&self, block: usize) -> Option<(u64, usize)> {
        let (start, end) = (*self.places.get(block)?, *self.places.get(block + 1)?);
        Some((start, usize::try_from(end - start).ok()?))
    }

    /// The first block whose last key is at or after `key`; the number of blocks if there is
    /// none. Only where heads tie does it look into the keys.
    pub fn find(&self, bytes: &Slice<'_>, key: &[u8]) -> Option<usize> {
        let Some((start, rest)) = key.split_at_checked(self.common.len()) else {
            // Shorter than what all keys begin with.
            return Some(if key <= &*self.common {
                0
            } else {
                self.blocks()
            });
        };
        match start.cmp(&self.common) {
            std::cmp::Ordering::Less => return Some(0),
            std::cmp::Ordering::Greater => return Some(self.blocks()),
            std::cmp::Ordering::Equal => {}
        }
        let wanted = head(rest);
        let mut low = self.heads.partition_point(|head| *head < wanted);
        let mut high = low;
        while self.heads.get(high) == Some(&wanted) {
            high += 1;
        }
        while low < high {
            let middle = low + (high - low) / 2;
            if self.key(bytes, middle)? < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(low)
    }
}
