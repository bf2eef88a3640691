//! What is kept of tables that cannot be read where it stands: blocks, and indexes with filters.
//!
//! Invariant: the counted bytes of a cache never exceed what it may hold; whoever was lent an
//! entry keeps it, evicted or not.

use std::fmt;

use bytes::Bytes;
use quick_cache::sync::Cache;
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::id::FileId;

/// What an entry takes beside its bytes: its key, its place in the cache, the allocation's head.
const ENTRY_BYTES: u64 = 96;

/// The least that a shard of a cache holds: some of the largest blocks.
const SHARD_BYTES_MIN: u64 = 1 << 20;

/// A block: its table and its number there.
pub(crate) type BlockKey = (FileId, u64);

#[derive(Clone)]
struct BlockBytes;

impl Weighter<BlockKey, Bytes> for BlockBytes {
    fn weight(&self, _: &BlockKey, block: &Bytes) -> u64 {
        block.len() as u64 + ENTRY_BYTES
    }
}

/// What a cache of indexes holds counts its own bytes.
pub(crate) trait Weighed: Clone {
    fn counted_bytes(&self) -> u64;
}

#[derive(Clone)]
struct IndexBytes;

impl<T: Weighed> Weighter<FileId, T> for IndexBytes {
    fn weight(&self, _: &FileId, index: &T) -> u64 {
        index.counted_bytes() + ENTRY_BYTES
    }
}

/// How much each cache may hold; 0 for none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CacheSizes {
    pub block_bytes: u64,
    pub index_bytes: u64,
}

/// The caches of an open store. Without one for indexes, a table keeps its own for as long as it
/// is open.
pub(crate) struct Caches<T: Weighed> {
    blocks: Option<Cache<BlockKey, Bytes, BlockBytes>>,
    indexes: Option<Cache<FileId, T, IndexBytes>>,
}

fn cache<K, V, W>(bytes: u64, item_bytes: u64, weighter: W) -> Option<Cache<K, V, W>>
where
    K: Eq + std::hash::Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    if bytes == 0 {
        return None;
    }
    let shards = usize::try_from(bytes / SHARD_BYTES_MIN).unwrap_or(usize::MAX);
    let items = usize::try_from(bytes / item_bytes).unwrap_or(usize::MAX);
    let options = OptionsBuilder::new()
        .shards(shards.clamp(1, 16))
        .estimated_items_capacity(items.clamp(16, 1 << 20))
        .weight_capacity(bytes)
        .build()
        .ok()?;
    let hasher = DefaultHashBuilder::default();
    Some(Cache::with_options(
        options,
        weighter,
        hasher,
        Default::default(),
    ))
}

impl<T: Weighed> Caches<T> {
    pub fn new(sizes: CacheSizes) -> Caches<T> {
        Caches {
            blocks: cache(sizes.block_bytes, 4 << 10, BlockBytes),
            indexes: cache(sizes.index_bytes, 64 << 10, IndexBytes),
        }
    }

    pub fn block(&self, key: &BlockKey) -> Option<Bytes> {
        self.blocks.as_ref()?.get(key)
    }

    /// Keeps a block, if there is room for it.
    pub fn keep_block(&self, key: BlockKey, block: &Bytes) {
        if let Some(blocks) = &self.blocks {
            blocks.insert(key, block.clone());
        }
    }

    pub fn forget_block(&self, key: &BlockKey) {
        if let Some(blocks) = &self.blocks {
            blocks.remove(key);
        }
    }

    /// Whether indexes are kept here, and not each by its table.
    pub fn keeps_indexes(&self) -> bool {
        self.indexes.is_some()
    }

    pub fn index(&self, table: FileId) -> Option<T> {
        self.indexes.as_ref()?.get(&table)
    }

    pub fn keep_index(&self, table: FileId, index: &T) {
        if let Some(indexes) = &self.indexes {
            indexes.insert(table, index.clone());
        }
    }

    pub fn forget_index(&self, table: FileId) {
        if let Some(indexes) = &self.indexes {
            indexes.remove(&table);
        }
    }

    /// Bytes of blocks kept.
    pub fn block_bytes(&self) -> u64 {
        self.blocks.as_ref().map_or(0, Cache::weight)
    }

    /// Bytes of indexes kept.
    pub fn index_bytes(&self) -> u64 {
        self.indexes.as_ref().map_or(0, Cache::weight)
    }

    /// Hits and misses of the cache of blocks, then of indexes.
    pub fn hits(&self) -> [(u64, u64); 2] {
        [
            self.blocks
                .as_ref()
                .map_or((0, 0), |cache| (cache.hits(), cache.misses())),
            self.indexes
                .as_ref()
                .map_or((0, 0), |cache| (cache.hits(), cache.misses())),
        ]
    }

    /// Gives the caches that there are other sizes.
    pub fn resize(&self, sizes: CacheSizes) {
        if let Some(blocks) = &self.blocks {
            blocks.set_capacity(sizes.block_bytes);
        }
        if let Some(indexes) = &self.indexes {
            indexes.set_capacity(sizes.index_bytes);
        }
    }
}

impl<T: Weighed> fmt::Debug for Caches<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caches")
    }
}
