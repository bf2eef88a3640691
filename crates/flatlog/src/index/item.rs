//! What the index knows of a key.

use crate::ids::KeyId;
use crate::place::Place;

/// One live key's entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// Where the record with the value lies.
    pub(crate) place: Place,
    /// The commit that wrote it.
    pub(crate) commit_index: u64,
    /// The key's id, where the store gives ids.
    pub(crate) key_id: KeyId,
}

impl Item {
    /// Leads nowhere.
    pub(crate) const NONE: Item = Item {
        place: Place::NOWHERE,
        commit_index: 0,
        key_id: KeyId(0),
    };
}

/// What becomes of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    /// It has this entry from now on.
    Put(Item),
    /// It is gone.
    Delete,
}

/// A key and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edit<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) change: Change,
}

/// Sees every entry that comes and goes: the one place where bytes are counted and where an index
/// over values learns what changed. Called while the entry is being changed, so it must not look
/// at the index.
pub(crate) trait Observer {
    /// `new` takes the place of `old`, or of nothing. Answers the key's id.
    fn put(&mut self, key: &[u8], old: Option<&Item>, new: &Item) -> KeyId;
    /// `old` is gone; `None` where there was nothing to delete.
    fn delete(&mut self, key: &[u8], old: Option<&Item>);
}
