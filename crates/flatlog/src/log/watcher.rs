//! Who sees every change of the index of a store.

use crate::ids::{KeyId, SpaceId};
use crate::index::Item;
use crate::log::table::SegmentTable;
use crate::value_view::ValueView;

/// Sees every change of the index of a store, with entries that lead to the old and the new value:
/// the seam for an index over values. It answers the ids of keys; without it keys have none.
pub(crate) trait Watcher: Send + 'static {
    /// A key has a new entry. Answers its id: `old`'s, or a fresh one.
    fn put(&mut self, at: &Happening<'_>, key: &[u8], old: Option<&Item>, new: &Item) -> KeyId;
    /// A key is gone.
    fn delete(&mut self, at: &Happening<'_>, key: &[u8], old: &Item);
    /// What a version with all changes so far knows of the values.
    fn view(&mut self) -> ValueView;
}

/// Where and when a change happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Happening<'a> {
    /// Where old and new values are read.
    pub(crate) segments: &'a SegmentTable,
    pub(crate) space: SpaceId,
    /// No version before this one has the change.
    pub(crate) commit_index: u64,
}
