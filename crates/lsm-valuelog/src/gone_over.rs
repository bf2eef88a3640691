//! What a cursor has gone over, noted in its transaction's read set.

use std::cell::RefCell;

use crate::key::StoredRange;
use crate::read_set::ReadSet;

/// What a cursor has gone over: the last stretch is kept until it ends, for most moves only make
/// it longer.
pub(crate) struct GoneOver<'a> {
    reads: &'a RefCell<ReadSet>,
    seen: Option<StoredRange>,
}

impl<'a> GoneOver<'a> {
    pub fn new(reads: &'a RefCell<ReadSet>) -> GoneOver<'a> {
        GoneOver { reads, seen: None }
    }

    /// Notes that `start..end` was looked at.
    pub fn note(&mut self, start: Vec<u8>, end: Vec<u8>) {
        match &mut self.seen {
            Some(seen) if start <= seen.end && seen.start <= end => {
                if start < seen.start {
                    seen.start = start;
                }
                if end > seen.end {
                    seen.end = end;
                }
            }
            seen => {
                if let Some(seen) = seen.replace(StoredRange { start, end }) {
                    self.reads.borrow_mut().add_range(seen);
                }
            }
        }
    }
}

impl Drop for GoneOver<'_> {
    fn drop(&mut self) {
        if let Some(seen) = self.seen.take() {
            self.reads.borrow_mut().add_range(seen);
        }
    }
}
