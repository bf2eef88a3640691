//! What readers have asked for and where they found it.
//!
//! Readers must not wait for each other's counting, so each thread counts in a stripe of its own,
//! without locked instructions: 64 threads at a time are counted exactly, and where more of them
//! read at once a few of their reads may be missed.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::level::LEVELS;

/// Threads that are counted apart.
const STRIPES: usize = 64;

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Counted {
    Gets,
    /// Gets that were answered with a value.
    Found,
    /// Gets that a memtable answered.
    InMemory,
    Cursors,
    ValueReads,
    ValueBytes,
    BlockReads,
    BlockBytes,
    /// Tables of a level that were searched.
    Searched(usize),
    /// Tables of a level that their filter excused.
    Excused(usize),
}

const KINDS: usize = 8;
const COUNTS: usize = KINDS + 2 * LEVELS;

impl Counted {
    const fn slot(self) -> usize {
        match self {
            Counted::Gets => 0,
            Counted::Found => 1,
            Counted::InMemory => 2,
            Counted::Cursors => 3,
            Counted::ValueReads => 4,
            Counted::ValueBytes => 5,
            Counted::BlockReads => 6,
            Counted::BlockBytes => 7,
            Counted::Searched(level) => KINDS + level,
            Counted::Excused(level) => KINDS + LEVELS + level,
        }
    }
}

/// Counts of one thread, in cache lines that no other writes.
#[repr(align(128))]
#[derive(Debug)]
struct Stripe([AtomicU64; COUNTS]);

/// Counters of one store's readers.
#[derive(Debug)]
pub(crate) struct ReadCounters(Box<[Stripe]>);

impl Default for ReadCounters {
    fn default() -> ReadCounters {
        let stripe = || Stripe(std::array::from_fn(|_| AtomicU64::new(0)));
        ReadCounters(std::iter::repeat_with(stripe).take(STRIPES).collect())
    }
}

/// This thread's stripe.
#[inline]
fn own() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static OWN: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    OWN.try_with(|own| {
        if own.get() == usize::MAX {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        own.get()
    })
    .unwrap_or(0)
}

impl ReadCounters {
    #[inline]
    pub fn add(&self, what: Counted, by: u64) {
        let stripe = self.0.get(own());
        if let Some(count) = stripe.and_then(|stripe| stripe.0.get(what.slot())) {
            count.store(
                count.load(Ordering::Relaxed).wrapping_add(by),
                Ordering::Relaxed,
            );
        }
    }

    /// What all threads have counted.
    pub fn sum(&self, what: Counted) -> u64 {
        let counts = self.0.iter().filter_map(|stripe| stripe.0.get(what.slot()));
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// The same for each level.
    pub fn by_level(&self, what: impl Fn(usize) -> Counted) -> [u64; LEVELS] {
        std::array::from_fn(|level| self.sum(what(level)))
    }
}
