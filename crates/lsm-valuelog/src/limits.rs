//! What options must keep to, and how they share the memory there is.

use kv_api::{Error, Result};

use crate::options::{COMPACTION_THREADS_MAX, Options};
use crate::threshold::Threshold;
use crate::wire::to_usize;

/// Bits of a filter for each key: what more would tell apart is nothing.
const FILTER_BITS_MAX: usize = 128;

impl Options {
    /// The same options with each part cut to its share of the memory.
    pub(crate) fn within_memory(mut self) -> Options {
        let Some(bytes) = self.memory_bytes_max else {
            return self;
        };
        // One is being filled while the others wait; the arena of each is a quarter larger than
        // what it is filled with.
        let memtables = (self.sealed_memtables_max as u64).saturating_add(1);
        let share = to_usize((bytes / 8 * 5 / memtables).saturating_sub(64 << 10) / 5 * 4);
        self.memtable_bytes = self.memtable_bytes.min(share);
        self.block_cache_bytes = self.block_cache_bytes.min(bytes / 4);
        self.index_cache_bytes = match self.index_cache_bytes {
            0 => bytes / 8,
            asked => asked.min(bytes / 8),
        };
        self
    }

    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |what| Err(Error::Invalid { what });
        Threshold::validate(self.value_share)?;
        match self {
            _ if self.memtable_bytes < 4 << 10 || self.memtable_bytes > 1 << 30 => {
                wrong("a memtable below 4 KiB or above 1 GiB")
            }
            _ if self.value_file_bytes < 4 << 10 => wrong("value-log files below 4 KiB"),
            _ if self.value_threshold_bytes == 0 => wrong("a value threshold of 0"),
            _ if self.table_bytes < 1 << 10 || self.table_bytes > 1 << 30 => {
                wrong("tables below 1 KiB or above 1 GiB")
            }
            _ if self.level_multiplier < 2 => wrong("a level multiplier below 2"),
            _ if self.block_bytes < 64 || self.block_bytes > 1 << 20 => {
                wrong("blocks below 64 bytes or above 1 MiB")
            }
            _ if self.filter_bits_per_key > FILTER_BITS_MAX => {
                wrong("filters of more than 128 bits for a key")
            }
            _ if !(1..=COMPACTION_THREADS_MAX).contains(&self.compaction_threads) => {
                wrong("other than 1 or 2 threads that merge tables")
            }
            _ if self.versions_in_any_order && !self.keeps_history => {
                wrong("versions in any order in a store that keeps no history")
            }
            _ if self.versions_to_keep == 0 => wrong("no versions to keep"),
            _ if self.memory_bytes_max.is_some_and(|bytes| bytes < 1 << 20) => {
                wrong("less than 1 MiB of memory")
            }
            _ if self.is_in_memory && self.is_read_only => {
                wrong("a new store in memory has nothing to be read")
            }
            _ if self.level_zero_tables == 0
                || self.level_zero_tables_slow < self.level_zero_tables
                || self.level_zero_tables_max <= self.level_zero_tables_slow =>
            {
                wrong("limits of level 0 that do not ascend")
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_no_machine_can_follow_are_refused_and_the_largest_others_work() -> Result<()> {
        let refused = Options::new().filter_bits_per_key(usize::MAX);
        assert!(refused.open_in_memory().is_err());
        let refused = Options::new().sealed_memtables_max(usize::MAX);
        assert!(refused.memory_bytes_max(1 << 30).open_in_memory().is_err());
        let largest = Options::new()
            .filter_bits_per_key(FILTER_BITS_MAX)
            .value_file_bytes(u64::MAX)
            .base_level_bytes(u64::MAX)
            .level_multiplier(u64::MAX)
            .garbage_percent(100)
            .background(false);
        let db = largest.open_in_memory()?;
        for round in 0..3_u8 {
            let written = kv_api::Store::update(&db, |tx| {
                kv_api::Transaction::put(tx, kv_api::Space::DEFAULT, &[round], &[round])
            });
            written?;
            db.flush()?;
        }
        db.flatten()?;
        db.collect().map(drop)
    }
}
