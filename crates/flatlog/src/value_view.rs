//! What versions know of the values: the index that all of them share, and the era each is of.

use std::fmt;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::search::{KeyDirectory, SearchIndex};

/// Held by the versions of one era.
#[derive(Debug)]
pub(crate) struct Era;

/// Tokens to ids, and ids to keys.
#[derive(Default)]
pub(crate) struct ValueIndex {
    pub(crate) tokens: SearchIndex,
    pub(crate) keys: KeyDirectory,
}

impl ValueIndex {
    /// Memory held, in bytes. O(number of tokens).
    pub(crate) fn memory_bytes(&self) -> usize {
        self.tokens.memory_bytes().total() + self.keys.memory_bytes()
    }
}

/// What a version knows of the values.
#[derive(Clone)]
pub(crate) struct ValueView {
    pub(crate) index: Arc<ValueIndex>,
    /// Keeps the ids that this version knows from being given away.
    pub(crate) _era: Arc<Era>,
}

impl fmt::Debug for ValueView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueView").finish_non_exhaustive()
    }
}

/// What a checkpoint says of the values of its rows, whose ids are their numbers from 1.
pub(crate) struct KnownValues {
    pub(crate) tokens: SearchIndex,
    /// Ids of which it says nothing.
    pub(crate) unknown: RoaringBitmap,
}
