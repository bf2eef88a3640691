//! What is counted while a database is used.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Counters shared by every transaction of one database. All are relaxed: each is a fact of its
/// own, and none guards anything.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub off: bool,
    pub snapshots_begun: AtomicU64,
    pub snapshots_ended: AtomicU64,
    pub commits: AtomicU64,
    pub rollbacks: AtomicU64,
    pub pages_allocated: AtomicU64,
    pub cursors: AtomicU64,
    pub nodes: AtomicU64,
    pub rebalances: AtomicU64,
    pub splits: AtomicU64,
    pub spills: AtomicU64,
    pub writes: AtomicU64,
    pub bytes_written: AtomicU64,
    pub syncs: AtomicU64,
    pub settle_ns: AtomicU64,
    pub write_ns: AtomicU64,
    pub sync_ns: AtomicU64,
    pub free_pages: AtomicU64,
    pub pending_pages: AtomicU64,
    pub freelist_bytes: AtomicU64,
}

impl Counters {
    pub fn add(&self, counter: &AtomicU64, count: u64) {
        if !self.off {
            counter.fetch_add(count, Relaxed);
        }
    }

    pub fn add_time(&self, counter: &AtomicU64, time: Duration) {
        self.add(counter, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn set(&self, counter: &AtomicU64, value: u64) {
        if !self.off {
            counter.store(value, Relaxed);
        }
    }
}
