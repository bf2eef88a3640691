//! What may be chosen about levels, tables and their blocks.

use crate::level::LEVELS;
use crate::options::Options;
use crate::table::Compression;

impl Options {
    /// Bytes of a table below level 0. Default: 32 MiB.
    pub fn table_bytes(mut self, bytes: u64) -> Options {
        self.table_bytes = bytes;
        self
    }

    /// Bytes that the first level below level 0 in use should have at most. Default: 64 MiB.
    pub fn base_level_bytes(mut self, bytes: u64) -> Options {
        self.base_level_bytes = bytes;
        self
    }

    /// How many times larger each level is than the one above. Default: 10.
    pub fn level_multiplier(mut self, multiplier: u64) -> Options {
        self.level_multiplier = multiplier;
        self
    }

    /// Tables of level 0 that ask for a compaction; that slow writers down; that make them wait.
    /// Default: 4, 8 and 20.
    pub fn level_zero_tables(mut self, compact: usize, slow: usize, wait: usize) -> Options {
        self.level_zero_tables = compact;
        self.level_zero_tables_slow = slow;
        self.level_zero_tables_max = wait;
        self
    }

    /// Bytes of a block before compression. Default: 4 KiB.
    pub fn block_bytes(mut self, bytes: usize) -> Options {
        self.block_bytes = bytes;
        self
    }

    /// Bits per key of tables' filters; 0 for none. Default: 10.
    pub fn filter_bits_per_key(mut self, bits: usize) -> Options {
        self.filter_bits_per_key = bits;
        self
    }

    /// How blocks of every level are compressed. Default: not at all.
    pub fn compression(mut self, compression: Compression) -> Options {
        self.compression = [compression; LEVELS];
        self
    }

    /// How blocks of one level, and of those below it, are compressed.
    pub fn compression_from_level(mut self, level: usize, compression: Compression) -> Options {
        let deeper = self.compression.iter_mut().skip(level);
        deeper.for_each(|slot| *slot = compression);
        self
    }

    /// Threads that merge tables, 1 or 2: two merge tables that have nothing to do with each
    /// other at the same time. Default: half as many as there are cores, but 1 at least.
    pub fn compaction_threads(mut self, threads: usize) -> Options {
        self.compaction_threads = threads;
        self
    }
}
