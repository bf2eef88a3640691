//! What a store holds and takes, counted.

use kv_api::Result;

use crate::db::Db;
use crate::index::Footprint;
use crate::log::cache::CacheStatistics;

/// One segment of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentStatistics {
    /// The file's name in the store's directory.
    pub file: String,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes of records that the newest version names.
    pub live_bytes: u64,
}

/// What a store holds and takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Live keys of all spaces.
    pub keys: u64,
    /// Bytes of these keys.
    pub key_bytes: u64,
    /// Bytes of memory of the index, keys and reserve included.
    pub index_bytes: u64,
    /// Bytes of memory of the index over values; 0 where there is none.
    pub value_index_bytes: u64,
    /// Chunks of the index.
    pub chunks: u64,
    /// Bytes of memory that remember which records were compared with their sums.
    pub verified_bytes: u64,
    /// Bytes of all segments.
    pub log_bytes: u64,
    /// Bytes of live records.
    pub live_bytes: u64,
    /// The segments in the order of replay.
    pub segments: Vec<SegmentStatistics>,
    /// The value cache; zeros where the log is mapped.
    pub cache: CacheStatistics,
    /// The index of the newest visible commit.
    pub last_commit_index: u64,
}

impl Statistics {
    /// Bytes of memory per key beside the key itself.
    pub fn memory_bytes_per_key(&self) -> f64 {
        let beside = self.index_bytes.saturating_sub(self.key_bytes) + self.verified_bytes;
        beside as f64 / self.keys.max(1) as f64
    }
}

impl Db {
    /// Counts what the store holds and takes. O(chunks).
    pub fn statistics(&self) -> Result<Statistics> {
        let root = self.shared.current()?;
        let mut statistics = Statistics {
            last_commit_index: root.last_commit_index,
            ..Statistics::default()
        };
        for (_, space) in root.spaces() {
            let Footprint {
                chunks,
                key_bytes,
                memory_bytes,
            } = space.footprint();
            statistics.keys += space.len();
            statistics.chunks += chunks;
            statistics.key_bytes += key_bytes;
            statistics.index_bytes += memory_bytes;
        }
        for segment in root.segments.order() {
            let of_segment = SegmentStatistics {
                file: crate::names::segment(segment.id()),
                bytes: segment.readable().into(),
                live_bytes: segment.live_bytes(),
            };
            statistics.log_bytes += of_segment.bytes;
            statistics.live_bytes += of_segment.live_bytes;
            statistics.verified_bytes += segment.proven.bytes();
            statistics.segments.push(of_segment);
        }
        if let Some(values) = &root.values {
            statistics.value_index_bytes = values.index.memory_bytes() as u64;
        }
        if let Some(cache) = &self.shared.rules.cache {
            statistics.cache = cache.statistics();
        }
        Ok(statistics)
    }
}
