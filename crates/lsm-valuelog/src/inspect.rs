//! Looking at a store: levels, tables, files of the value log, sizes and counters; and the work
//! that is otherwise done behind the scenes, on call.

use std::sync::atomic::Ordering;

use kv_api::{KeyRange, Result};

use crate::db::Db;
use crate::error::locked;
use crate::id::{FileId, Sequence};
use crate::key::{DEFAULT_SPACE, StoredRange};
use crate::levels::{scores, targets};

/// A level of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelInfo {
    /// Its number; level 0 is the newest.
    pub level: usize,
    /// Tables in it.
    pub tables: usize,
    /// Bytes of its tables.
    pub bytes: u64,
    /// Bytes it should have at most.
    pub target_bytes: u64,
    /// Whether level 0 is merged into it.
    pub is_base: bool,
    /// How urgent its compaction is, in percent: from 100 on it is due.
    pub score_percent: u64,
    /// Bytes in the value log that its tables point at.
    pub referenced_bytes: u64,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableInfo {
    /// Its file.
    pub id: FileId,
    /// Its level.
    pub level: usize,
    /// Bytes of its file.
    pub bytes: u64,
    /// Bytes of its keys and values before compression.
    pub raw_bytes: u64,
    /// Records, of which there may be several for a key.
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    /// Deletions among the records.
    pub tombstones: u64,
    /// The first and the last key, each with its space's number in front.
    pub stored_keys: (Vec<u8>, Vec<u8>),
    /// The newest version in it.
    pub newest: Sequence,
    /// Bytes in the value log that it points at.
    pub referenced_bytes: u64,
}

/// A file of the value log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueFileInfo {
    /// The number that records point at it by.
    pub id: FileId,
    /// The file that holds its values now.
    pub physical: FileId,
    /// Bytes of the values in it, as far as they are counted.
    pub value_bytes: u64,
    /// Bytes of values that tables point at.
    pub living_bytes: u64,
    /// Whether nothing is appended to it any more.
    pub is_sealed: bool,
}

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
}

impl Db {
    /// The levels, from level 0 down.
    pub fn levels(&self) -> Vec<LevelInfo> {
        let version = self.shared.state.load().version.clone();
        let targets = targets(&version, &self.shared.options);
        let scores = scores(&version, &targets, &self.shared.options);
        let numbers = targets.bytes.into_iter().zip(scores).enumerate();
        let info = numbers.map(|(level, (target_bytes, score_percent))| LevelInfo {
            level,
            tables: version.level(level).len(),
            bytes: version.level_bytes(level),
            target_bytes,
            is_base: level == targets.base,
            score_percent,
            referenced_bytes: {
                let tables = version.level(level).iter();
                tables.map(|table| table.meta.referenced_bytes()).sum()
            },
        });
        info.collect()
    }

    /// The tables, by level and then by key; those of level 0 newest first.
    pub fn tables(&self) -> Vec<TableInfo> {
        let version = self.shared.state.load().version.clone();
        let tables = version.tables().map(|(level, table)| TableInfo {
            id: table.meta.id,
            level,
            bytes: table.meta.bytes,
            raw_bytes: table.meta.raw_bytes,
            entries: table.meta.entries,
            keys: table.meta.keys,
            tombstones: table.meta.tombstones,
            stored_keys: (table.meta.smallest.clone(), table.meta.biggest.clone()),
            newest: table.meta.max_sequence,
            referenced_bytes: table.meta.referenced_bytes(),
        });
        tables.collect()
    }

    /// The files of the value log, oldest first, with what is alive in each.
    pub fn value_files(&self) -> Vec<ValueFileInfo> {
        let version = self.shared.state.load().version.clone();
        let referenced = version.referenced();
        let files = version
            .value_states
            .iter()
            .map(|(id, state)| ValueFileInfo {
                id: *id,
                physical: state.physical,
                value_bytes: state.value_bytes,
                living_bytes: referenced.get(id).copied().unwrap_or(0),
                is_sealed: state.is_sealed,
            });
        files.collect()
    }

    /// What was done since the store was opened.
    pub fn metrics(&self) -> Metrics {
        let counters = &self.shared.counters;
        let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Metrics {
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

    /// About how many bytes of tables and of the value log hold the pairs of the default space
    /// whose keys are in `keys`. Tables that only overlap the range count whole.
    pub fn estimate_bytes(&self, keys: impl Into<KeyRange>) -> u64 {
        let range = StoredRange::of(DEFAULT_SPACE, &keys.into());
        let version = self.shared.state.load().version.clone();
        let tables = version.tables().map(|(_, table)| &table.meta);
        tables
            .filter(|meta| {
                meta.smallest.as_slice() < range.end.as_slice() && range.start <= meta.biggest
            })
            .map(|meta| meta.bytes + meta.referenced_bytes())
            .sum()
    }

    /// Writes what is only in memory to tables.
    pub fn flush(&self) -> Result<()> {
        self.shared.refuse_closed()?;
        self.shared.refuse_read_only()?;
        let mut core = locked(&self.shared.core);
        self.shared.refuse_poisoned()?;
        self.shared.flush_all(&mut core)
    }

    /// Gives back the space of dead values, as the threads behind the scenes do by themselves;
    /// answers how many files of the value log were freed.
    pub fn collect(&self) -> Result<u64> {
        self.flush()?;
        let mut freed = 0;
        self.shared.seal_wasteful()?;
        while self.shared.collect_one()? {
            freed += 1;
        }
        Ok(freed)
    }
}
