//! An index that comes into being from keys that come in order, one pass over them.

use crate::index::chunk::Building;
use crate::index::item::Item;
use crate::index::space::SpaceIndex;

/// An index on its way.
pub(crate) struct SortedIndex {
    chunks: Building,
    len: u64,
}

impl SortedIndex {
    pub(crate) fn new() -> SortedIndex {
        SortedIndex {
            chunks: Building::open_ended(),
            len: 0,
        }
    }

    /// Adds a key behind all others; answers whether it belongs there.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], item: &Item) -> bool {
        if self.len > 0 && self.chunks.last_key() >= key {
            return false;
        }
        self.chunks.push(key, item);
        self.len += 1;
        true
    }

    pub(crate) fn finish(self) -> SpaceIndex {
        SpaceIndex::of_chunks(self.chunks.finish(), self.len)
    }
}
