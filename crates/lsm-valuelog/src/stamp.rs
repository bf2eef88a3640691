//! Stamps that set readers apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// A stamp that no other reader of this process has.
pub(crate) fn fresh_stamp() -> u64 {
    // From 1, because 0 stands for the default space, which belongs to everyone.
    static STAMP: AtomicU64 = AtomicU64::new(1);
    STAMP.fetch_add(1, Ordering::Relaxed)
}
