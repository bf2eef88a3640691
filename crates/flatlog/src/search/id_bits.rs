//! A set of ids as one array of bits: a membership costs about a nanosecond.

use roaring::RoaringBitmap;

use crate::ids::KeyId;

/// Ids, one bit each.
#[derive(Clone, Debug, Default)]
pub struct IdBits {
    words: Vec<u64>,
}

impl IdBits {
    /// The ids of a bitmap.
    pub fn of(ids: &RoaringBitmap) -> IdBits {
        let words = ids.max().map_or(0, |max| max as usize / 64 + 1);
        let mut bits = IdBits {
            words: vec![0; words],
        };
        for id in ids {
            if let Some(word) = bits.words.get_mut(id as usize / 64) {
                *word |= 1 << (id % 64);
            }
        }
        bits
    }

    /// Whether nothing is in the set, if it was made of an empty one.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Whether `id` is in the set.
    #[inline]
    pub fn contains(&self, id: KeyId) -> bool {
        let word = self.words.get(id.0 as usize / 64);
        word.is_some_and(|word| word >> (id.0 % 64) & 1 != 0)
    }

    /// Whether each of the 64 ids from `id` on is in the set, the first in the lowest bit.
    #[inline]
    pub(crate) fn word_from(&self, id: KeyId) -> u64 {
        let (word, bit) = (id.0 as usize / 64, id.0 % 64);
        let at = |word: usize| self.words.get(word).copied().unwrap_or(0);
        match bit {
            0 => at(word),
            _ => at(word) >> bit | at(word + 1) << (64 - bit),
        }
    }
}
