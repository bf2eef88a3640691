//! Looking at a store: levels, tables, files of the value log, sizes and counters; and the work
//! that is otherwise done behind the scenes, on call.

use kv_api::{Error, Result};

use crate::caches::CacheSizes;
use crate::db::Db;
use crate::error::locked;
use crate::id::{FileId, Sequence};
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

    /// Gives the caches other sizes, in bytes, and evicts what no longer fits. A cache that the
    /// store was opened without stays away, and a limit of all memory goes on limiting.
    pub fn resize_caches(&self, block_bytes: u64, index_bytes: u64) {
        let limit = self.shared.options.memory_bytes_max.unwrap_or(u64::MAX);
        self.shared.reading.caches.resize(CacheSizes {
            block_bytes: block_bytes.min(limit / 4),
            index_bytes: index_bytes.min(limit / 8),
        });
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
        self.collect_above(self.shared.options.garbage_percent)
    }

    /// The same, once, for files of which at least so many percent are dead, more or less than
    /// [`garbage_percent`](crate::Options::garbage_percent) asks for.
    ///
    /// # Errors
    ///
    /// `Invalid` for more than 100 percent.
    pub fn collect_above(&self, percent: u64) -> Result<u64> {
        if percent > 100 {
            return Err(Error::Invalid {
                what: "a share of more than 100 percent",
            });
        }
        self.flush()?;
        let mut freed = 0;
        self.shared.seal_wasteful()?;
        while self.shared.collect_from(percent)? {
            freed += 1;
        }
        Ok(freed)
    }
}
