//! Ranges of a file that a view has lent: a write to one of them breaks a promise.

use std::sync::{Mutex, PoisonError};

/// Ranges of one file that one view has lent.
#[derive(Debug)]
pub(crate) struct Lent {
    pub(crate) inode: u64,
    ranges: Mutex<Vec<(u64, u64)>>,
}

impl Lent {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<(u64, u64)>) -> T) -> T {
        look(&mut self.ranges.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nothing lent yet of file `inode`.
    pub(crate) fn new(inode: u64) -> Lent {
        Lent {
            inode,
            ranges: Mutex::default(),
        }
    }

    /// Notes that `start..end` is lent.
    pub(crate) fn add(&self, start: u64, end: u64) {
        self.with(|ranges| ranges.push((start, end)));
    }

    /// The parts of `start..end` that are lent.
    pub(crate) fn overlaps(&self, start: u64, end: u64) -> Vec<(u64, u64)> {
        self.with(|ranges| {
            let cut = ranges.iter().map(|(s, e)| (*s.max(&start), *e.min(&end)));
            cut.filter(|(s, e)| s < e).collect()
        })
    }

    /// A lent range that reaches past `len`.
    pub(crate) fn beyond(&self, len: u64) -> Option<(u64, u64)> {
        self.with(|ranges| ranges.iter().find(|(_, end)| *end > len).copied())
    }
}
