//! Which records of a segment were found to be what the entries that lead there say.
//!
//! Invariant: no two entries of an index share a bit, since no two lead to records that begin in one
//! grain: commits and replay lead to records that follow each other, and a checkpoint's entries are
//! loaded only if each claims a bit of its own, before the place that replay begins at. So what was
//! found out through one entry is not believed of another.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::place::Place;

/// Bytes of log that one bit stands for. Shorter records have none, so no two records share a bit:
/// they are compared every time. A smaller grain would give them one, and a table that misses the
/// caches for the others.
const GRAIN: u32 = 32;

/// One bit per grain of a segment, made when the first is set.
pub(crate) struct Proven {
    capacity_bytes: u32,
    words: OnceLock<Box<[AtomicU64]>>,
}

impl Proven {
    pub(crate) fn new(capacity_bytes: u32) -> Proven {
        Proven {
            capacity_bytes,
            words: OnceLock::new(),
        }
    }

    /// Bytes of memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.words.get().map_or(0, |words| words.len() as u64 * 8)
    }

    #[inline]
    pub(crate) fn has(&self, place: Place) -> bool {
        let found = self.words.get().and_then(|words| bit_of(words, place));
        found.is_some_and(|(word, bit)| word.load(Ordering::Relaxed) & bit != 0)
    }

    /// Says that the record at `place` is what the entry that leads there says.
    #[inline]
    pub(crate) fn add(&self, place: Place) {
        if let Some((word, bit)) = bit_of(self.words(), place) {
            // What another thread adds at the same time may be lost: it is found out again.
            word.store(word.load(Ordering::Relaxed) | bit, Ordering::Relaxed);
        }
    }

    /// Has the bit of `place` in a cache for a question that comes in a moment.
    #[inline]
    pub(crate) fn prefetch(&self, place: Place) {
        if let Some(words) = self.words.get() {
            let word = words.get((place.offset / GRAIN / 64) as usize);
            // Loaded for nothing but to be in a cache; nothing waits for it.
            std::hint::black_box(word.map(|word| word.load(Ordering::Relaxed)));
        }
    }

    /// While a checkpoint is loaded, before anyone reads: an entry leads to `place`. False if another
    /// one leads to the same record.
    #[inline]
    pub(crate) fn claim(&self, place: Place) -> bool {
        let Some((word, bit)) = bit_of(self.words(), place) else {
            return false;
        };
        let before = word.load(Ordering::Relaxed);
        word.store(before | bit, Ordering::Relaxed);
        before & bit == 0
    }

    /// Ends that: nothing is proven. Answers whether anything at `from` or behind it was claimed.
    pub(crate) fn forget_claims(&self, from: u32) -> bool {
        let grain = from.div_ceil(GRAIN);
        let first = (grain / 64) as usize;
        let mut any = false;
        for (number, word) in self.words.get().into_iter().flatten().enumerate() {
            let bits = word.swap(0, Ordering::Relaxed);
            any |= match number == first {
                true => bits >> (grain % 64) != 0,
                false => number > first && bits != 0,
            };
        }
        any
    }

    #[inline]
    fn words(&self) -> &[AtomicU64] {
        self.words.get_or_init(|| {
            let bits = self.capacity_bytes / GRAIN + 1;
            (0..bits / 64 + 1).map(|_| AtomicU64::new(0)).collect()
        })
    }
}

/// The bit that stands for the record at `place`: none of a word's for a short one.
#[inline]
fn bit_of(words: &[AtomicU64], place: Place) -> Option<(&AtomicU64, u64)> {
    let grain = place.offset / GRAIN;
    let word = words.get((grain / 64) as usize)?;
    Some((word, u64::from(place.len >= GRAIN) << (grain % 64)))
}
