//! What a store has done, and what it holds now.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::db::Db;
use crate::error::locked;
use crate::level::LEVELS;
use crate::read_counters::Counted;

/// What the store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metrics {
    /// Commits, and groups they were written in.
    pub commits: u64,
    /// Groups of commits that were written together.
    pub groups: u64,
    /// Commits refused because something they read had changed.
    pub conflicts: u64,
    /// Syncs of logs.
    pub syncs: u64,
    /// Bytes written to the write-ahead log.
    pub log_bytes: u64,
    /// Bytes written to the value log.
    pub value_bytes: u64,
    /// Memtables written to tables, and their bytes.
    pub flushes: u64,
    /// Bytes of tables that memtables became.
    pub flush_bytes: u64,
    /// Compactions done.
    pub compactions: u64,
    /// Bytes that compactions read.
    pub compaction_bytes_read: u64,
    /// Bytes that compactions wrote.
    pub compaction_bytes_written: u64,
    /// Files of the value log that were removed or written anew.
    pub collections: u64,
    /// Bytes of dead values that were given back.
    pub collected_bytes: u64,
    /// How long writers were held up, in nanoseconds.
    pub stall_ns: u64,
    /// Steps behind the scenes that failed and were or will be tried again.
    pub background_failures: u64,
    /// How long syncs of logs took, in nanoseconds.
    pub sync_ns: u64,
    /// The longest of them.
    pub sync_ns_max: u64,
    /// Changes to keys that were committed.
    pub changes: u64,
    /// Bytes of their keys, each with its space's number in front, and of their values.
    pub changed_bytes: u64,
    /// Bytes that compactions wrote, by the level they wrote to.
    pub compaction_bytes_written_by_level: [u64; 7],
    /// Compactions that are under way, now.
    pub compactions_running: u64,
    /// Memtables that wait to be written to tables, now.
    pub memtables_waiting: u64,
    /// Bytes of tables, now.
    pub table_bytes: u64,
    /// Bytes of the value log's files as far as they are known to be whole, now.
    pub value_log_bytes: u64,
    /// From which size on values go to the value log, now.
    pub value_threshold_bytes: u64,
    /// Keys that were asked for.
    pub gets: u64,
    /// Of these, those that had a value.
    pub gets_found: u64,
    /// Of these, those that a memtable answered.
    pub gets_in_memory: u64,
    /// Tables that were searched for a key, by level.
    pub tables_searched_by_level: [u64; 7],
    /// Tables that need not be searched because their filter excused them, by level.
    pub tables_excused_by_level: [u64; 7],
    /// Cursors begun.
    pub cursors: u64,
    /// Blocks that readers came to, and not compactions or checks.
    pub blocks_read: u64,
    /// Bytes of these as stored.
    pub block_bytes_read: u64,
    /// Values read from the value log.
    pub values_read: u64,
    /// Bytes of these.
    pub value_bytes_read: u64,
    /// Bytes of memory that memtables have reserved, now.
    pub memtable_bytes: u64,
    /// Bytes of blocks in the cache, now.
    pub block_cache_bytes: u64,
    /// Blocks that were found in the cache, and that were not.
    pub block_cache_hits: u64,
    /// Blocks that were made because the cache did not have them.
    pub block_cache_misses: u64,
    /// Bytes of indexes in the cache, now; 0 where each table keeps its own.
    pub index_cache_bytes: u64,
    /// Indexes that were found in the cache.
    pub index_cache_hits: u64,
    /// Indexes that were read because the cache did not have them.
    pub index_cache_misses: u64,
}

impl Metrics {
    /// Bytes of memory for memtables and caches, now: what
    /// [`memory_bytes_max`](crate::Options::memory_bytes_max) limits.
    pub fn memory_bytes(&self) -> u64 {
        self.memtable_bytes + self.block_cache_bytes + self.index_cache_bytes
    }
}

impl Db {
    /// What was done since the store was opened.
    pub fn metrics(&self) -> Metrics {
        let counters = &self.shared.counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let caches = &self.shared.reading.caches;
        let [blocks, indexes] = caches.hits();
        let state = self.shared.state.load();
        let memtables = state.memtables();
        let memtable_bytes = memtables.map(|memtable| memtable.list().capacity_bytes() as u64);
        let version = &state.version;
        let reads = &version.counts;
        let files = version.value_states.values();
        let by_level = |counters: &[AtomicU64; LEVELS]| {
            std::array::from_fn(|level| {
                counters
                    .get(level)
                    .map_or(0, |counter: &AtomicU64| read(counter))
            })
        };
        Metrics {
            sync_ns: read(&counters.sync_ns),
            sync_ns_max: read(&counters.sync_ns_max),
            changes: read(&counters.changes),
            changed_bytes: read(&counters.changed_bytes),
            compaction_bytes_written_by_level: by_level(&counters.written_by_level),
            compactions_running: locked(&self.shared.files).writing.len() as u64,
            memtables_waiting: state.sealed.len() as u64,
            table_bytes: (0..LEVELS).map(|level| version.level_bytes(level)).sum(),
            value_log_bytes: files.map(|file| file.len).sum(),
            value_threshold_bytes: self.shared.threshold.bytes() as u64,
            gets: reads.sum(Counted::Gets),
            gets_found: reads.sum(Counted::Found),
            gets_in_memory: reads.sum(Counted::InMemory),
            tables_searched_by_level: reads.by_level(Counted::Searched),
            tables_excused_by_level: reads.by_level(Counted::Excused),
            cursors: reads.sum(Counted::Cursors),
            blocks_read: reads.sum(Counted::BlockReads),
            block_bytes_read: reads.sum(Counted::BlockBytes),
            values_read: reads.sum(Counted::ValueReads),
            value_bytes_read: reads.sum(Counted::ValueBytes),
            memtable_bytes: memtable_bytes.sum(),
            block_cache_bytes: caches.block_bytes(),
            block_cache_hits: blocks.0,
            block_cache_misses: blocks.1,
            index_cache_bytes: caches.index_bytes(),
            index_cache_hits: indexes.0,
            index_cache_misses: indexes.1,
            commits: read(&counters.commits),
            groups: read(&counters.groups),
            conflicts: read(&counters.conflicts),
            syncs: read(&counters.syncs),
            log_bytes: read(&counters.log_bytes),
            value_bytes: read(&counters.value_bytes),
            flushes: read(&counters.flushes),
            flush_bytes: read(&counters.flush_bytes),
            compactions: read(&counters.compactions),
            compaction_bytes_read: read(&counters.compaction_bytes_read),
            compaction_bytes_written: read(&counters.compaction_bytes_written),
            collections: read(&counters.collections),
            collected_bytes: read(&counters.collected_bytes),
            stall_ns: read(&counters.stall_ns),
            background_failures: read(&counters.background_failures),
        }
    }
}
