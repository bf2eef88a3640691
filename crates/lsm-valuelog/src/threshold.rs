//! From which size on values go to the value log: a fixed number, or one that follows the sizes of
//! the values that are committed.
//!
//! Invariant: the threshold only changes between groups of commits, so everything that is decided
//! about one commit is decided by one threshold.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use kv_api::{Error, Result};

use crate::error::locked;

/// Values above this are always worth a place of their own.
const DYNAMIC_BYTES_MAX: usize = 1 << 20;

/// Classes of sizes in each power of two.
const CLASSES: usize = 16;
const CLASSES_BITS: u32 = 4;

/// Classes of all sizes up to the largest value.
const BUCKETS: usize = CLASSES * 32;

/// Values after which the threshold is looked at again.
const PERIOD: u64 = 256;

/// Values after which all that was counted counts half, so that the past is forgotten.
const HALF_LIFE: u64 = 1 << 16;

/// Sizes of values, by class.
struct Sizes {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
    unseen: u64,
}

/// The threshold of an open store.
pub(crate) struct Threshold {
    bytes: AtomicUsize,
    /// The least it becomes, and the largest.
    least: usize,
    most: usize,
    /// The share of values that are to stay with their keys; 0 for a fixed threshold.
    share: f64,
    sizes: Mutex<Sizes>,
}

fn bucket(len: usize) -> usize {
    match len.checked_ilog2() {
        Some(exponent) if exponent >= CLASSES_BITS => {
            let class = (len >> (exponent - CLASSES_BITS)) % CLASSES;
            (exponent - CLASSES_BITS + 1) as usize * CLASSES + class
        }
        _ => len,
    }
}

/// The least size of the class after `bucket`.
fn bucket_end(bucket: usize) -> usize {
    let next = bucket + 1;
    match next / CLASSES {
        0 => next,
        power => (CLASSES + next % CLASSES) << (power - 1),
    }
}

impl Threshold {
    /// A threshold that is `bytes`, or begins at `learned` and follows the sizes of values so that
    /// a `share` of them stays below it.
    pub fn new(bytes: usize, share: f64, learned: Option<u64>) -> Threshold {
        let most = bytes.max(DYNAMIC_BYTES_MAX);
        let learned = learned.and_then(|learned| usize::try_from(learned).ok());
        let begin = learned.filter(|_| share > 0.0).unwrap_or(bytes);
        Threshold {
            bytes: AtomicUsize::new(begin.clamp(bytes, most)),
            least: bytes,
            most,
            share,
            sizes: Mutex::new(Sizes {
                counts: Box::new([0; BUCKETS]),
                total: 0,
                unseen: 0,
            }),
        }
    }

    /// Refuses a share that is none.
    pub fn validate(share: f64) -> Result<()> {
        if (0.0..1.0).contains(&share) {
            return Ok(());
        }
        Err(Error::Invalid {
            what: "a share of values below 0, or 1 and more",
        })
    }

    /// Values of at least so many bytes go to the value log.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What the next opening should begin with, if it is not told by the options.
    pub fn learned(&self) -> Option<u64> {
        (self.share > 0.0).then(|| self.bytes() as u64)
    }

    pub fn is_dynamic(&self) -> bool {
        self.share > 0.0
    }

    /// Takes note of values that were committed. Only for whoever holds the logs.
    pub fn observe(&self, lengths: impl Iterator<Item = usize>) {
        let mut sizes = locked(&self.sizes);
        for len in lengths {
            if let Some(count) = sizes.counts.get_mut(bucket(len)) {
                *count += 1;
                sizes.total += 1;
                sizes.unseen += 1;
            }
        }
        if sizes.unseen >= PERIOD {
            sizes.unseen = 0;
            let bytes = sizes.at(self.share).clamp(self.least, self.most);
            self.bytes.store(bytes, Ordering::Relaxed);
            sizes.forget();
        }
    }
}

impl Sizes {
    /// The size that a `share` of the values is below.
    fn at(&self, share: f64) -> usize {
        let wanted = share * self.total as f64;
        let mut seen = 0;
        let enough = self.counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        bucket_end(enough.unwrap_or(BUCKETS))
    }

    fn forget(&mut self) {
        if self.total >= HALF_LIFE {
            self.counts.iter_mut().for_each(|count| *count /= 2);
            self.total = self.counts.iter().sum();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_of_sizes_ascend_and_end_where_the_next_begins() {
        let mut last = 0;
        for len in 0..100_000 {
            let own = bucket(len);
            assert!(own == last || own == last + 1, "{len}");
            assert!(len < bucket_end(own), "{len}");
            if own > last {
                assert_eq!(len, bucket_end(last), "{len}");
            }
            last = own;
        }
        assert!(bucket(1 << 30) < BUCKETS);
    }

    #[test]
    fn a_share_of_values_stays_below_the_threshold_and_the_past_is_forgotten() {
        let threshold = Threshold::new(64, 0.9, None);
        let mixed = || (0..1_000).map(|i| if i % 20 == 0 { 100_000 } else { 300 + i % 50 });
        threshold.observe(mixed());
        let first = threshold.bytes();
        assert!((340..=400).contains(&first), "{first}");
        threshold.observe((0..200_000).map(|_| 5_000));
        for _ in 0..40 {
            threshold.observe((0..10_000).map(|_| 5_000));
        }
        let later = threshold.bytes();
        assert!((5_001..=5_400).contains(&later), "{later}");
        threshold.observe((0..2_000_000).map(|_| 10));
        threshold.observe((0..300).map(|_| 10));
        assert_eq!(threshold.bytes(), 64, "never below the least");
    }

    #[test]
    fn a_fixed_threshold_stays_and_a_learned_one_is_taken_up() {
        assert_eq!(Threshold::new(2_048, 0.0, Some(9_999)).bytes(), 2_048);
        assert_eq!(Threshold::new(2_048, 0.5, Some(9_999)).bytes(), 9_999);
        assert_eq!(Threshold::new(2_048, 0.5, Some(7)).bytes(), 2_048);
        assert_eq!(Threshold::new(2_048, 0.5, None).learned(), Some(2_048));
        assert_eq!(Threshold::new(2_048, 0.0, None).learned(), None);
        for share in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(Threshold::validate(share).is_err(), "{share}");
        }
    }
}
