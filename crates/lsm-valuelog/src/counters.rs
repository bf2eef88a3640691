//! What the store counts about itself.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::level::LEVELS;

/// Counters of one store, always on.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub commits: AtomicU64,
    pub conflicts: AtomicU64,
    pub groups: AtomicU64,
    pub syncs: AtomicU64,
    pub sync_ns: AtomicU64,
    pub sync_ns_max: AtomicU64,
    /// Changes to keys that were committed, and bytes of their keys and values.
    pub changes: AtomicU64,
    pub changed_bytes: AtomicU64,
    /// Bytes that compactions wrote, by the level they wrote to.
    pub written_by_level: [AtomicU64; LEVELS],
    pub log_bytes: AtomicU64,
    pub value_bytes: AtomicU64,
    pub flushes: AtomicU64,
    pub flush_bytes: AtomicU64,
    pub compactions: AtomicU64,
    pub compaction_bytes_read: AtomicU64,
    pub compaction_bytes_written: AtomicU64,
    pub collections: AtomicU64,
    pub collected_bytes: AtomicU64,
    pub stall_ns: AtomicU64,
    pub background_failures: AtomicU64,
}

impl Counters {
    pub fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }
}
