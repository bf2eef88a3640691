//! An entry of a chunk, of which nothing was read yet.

use crate::ids::KeyId;
use crate::index::chunk::Chunk;
use crate::index::item::Item;

/// An entry. What is asked of it is read then: whoever passes over many keys waits for memory more
/// than for anything else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    chunk: &'a Chunk,
    index: usize,
}

impl<'a> Entry<'a> {
    /// Entry `index` of `chunk`, if there is one.
    #[inline]
    pub(super) fn new(chunk: &'a Chunk, index: usize) -> Option<Entry<'a>> {
        (index < chunk.len()).then_some(Entry { chunk, index })
    }

    #[inline]
    pub(crate) fn key(self) -> &'a [u8] {
        self.chunk.keys.get(self.index)
    }

    #[inline]
    pub(crate) fn commit_index(self) -> u64 {
        self.item().commit_index
    }

    #[inline]
    pub(crate) fn key_id(self) -> KeyId {
        self.chunk.key_id(self.index)
    }

    #[inline]
    pub(crate) fn item(self) -> Item {
        // `new` saw to it that there is one.
        self.chunk.item(self.index).unwrap_or(Item::NONE)
    }
}
