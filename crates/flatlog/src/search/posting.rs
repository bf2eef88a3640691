//! A posting list: the ids of the keys whose value holds one token.
//!
//! Most tokens are rare, and a bitmap costs some forty bytes for every 65,536 ids it touches: up
//! to three ids lie in the list itself, up to [`SORTED_MAX`] in a sorted array. A bitmap is shared
//! with readers and copied when the writer meets a reader's hold of it.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::search::stored_list::{StoredList, bitmap_bytes};

/// The most ids in a sorted array.
pub(super) const SORTED_MAX: usize = 128;

/// Below this, a bitmap becomes an array again.
const BITMAP_MIN: u64 = 64;

/// The ids of the keys whose value holds one token.
#[derive(Clone, Debug)]
pub(super) enum Posting {
    /// At most three, ascending, the first `len` of them.
    Few {
        len: u8,
        ids: [u32; 3],
    },
    /// Ascending.
    Sorted(Vec<u32>),
    Many(Arc<RoaringBitmap>),
    /// Read from a checkpoint, and not changed since.
    Stored(Arc<StoredList>),
}

impl Default for Posting {
    fn default() -> Posting {
        Posting::Few {
            len: 0,
            ids: [0; 3],
        }
    }
}

impl Posting {
    /// The list of this id.
    pub(super) fn of(id: u32) -> Posting {
        Posting::Few {
            len: 1,
            ids: [id, 0, 0],
        }
    }

    /// Whether there are no ids.
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Posting::Few { len, .. } => *len == 0,
            Posting::Sorted(ids) => ids.is_empty(),
            Posting::Many(ids) => ids.is_empty(),
            Posting::Stored(list) => list.count() == 0,
        }
    }

    /// A list as it was stored.
    pub(super) fn of_stored(list: StoredList) -> Posting {
        match list.count() {
            0..=3 => {
                let mut few = Posting::default();
                for id in list.ids() {
                    few.insert(id);
                }
                few
            }
            _ => Posting::Stored(Arc::new(list)),
        }
    }

    /// How many ids.
    pub(super) fn len(&self) -> u64 {
        match self {
            Posting::Few { len, .. } => u64::from(*len),
            Posting::Sorted(ids) => ids.len() as u64,
            Posting::Many(ids) => ids.len(),
            Posting::Stored(list) => list.count(),
        }
    }

    /// Memory held outside of the list itself, in bytes.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Posting::Few { .. } => 0,
            Posting::Sorted(ids) => ids.capacity() * size_of::<u32>(),
            Posting::Many(ids) => bitmap_bytes(ids),
            Posting::Stored(list) => list.memory_bytes(),
        }
    }

    /// Memory held by all lists of the stored index that this one is read from.
    pub(super) fn stored_bytes(&self) -> usize {
        match self {
            Posting::Stored(list) => list.lists_bytes(),
            _ => 0,
        }
    }

    /// What can be changed.
    fn read_out(&mut self) {
        let Posting::Stored(list) = self else {
            return;
        };
        *self = match usize::try_from(list.count()) {
            Ok(count) if count <= SORTED_MAX => Posting::Sorted(list.ids().collect()),
            _ => Posting::Many(list.bitmap()),
        };
    }

    /// Adds an id, and answers whether it was not there. At the end: O(1).
    pub(super) fn insert(&mut self, id: u32) -> bool {
        self.read_out();
        match self {
            Posting::Stored(_) => false,
            Posting::Few { len, ids } => {
                let count = usize::from(*len);
                let at = ids
                    .iter()
                    .take(count)
                    .take_while(|&&known| known < id)
                    .count();
                if at < count && ids.get(at) == Some(&id) {
                    return false;
                }
                if count < ids.len() {
                    ids.copy_within(at..count, at + 1);
                    if let Some(place) = ids.get_mut(at) {
                        *place = id;
                    }
                    *len += 1;
                    return true;
                }
                let mut sorted = Vec::with_capacity(6);
                sorted.extend_from_slice(ids);
                sorted.insert(at, id);
                *self = Posting::Sorted(sorted);
                true
            }
            Posting::Sorted(ids) => {
                if ids.last().is_some_and(|&last| last < id) {
                    ids.push(id);
                } else if let Err(at) = ids.binary_search(&id) {
                    ids.insert(at, id);
                } else {
                    return false;
                }
                if ids.len() > SORTED_MAX {
                    *self = Posting::Many(Arc::new(bitmap_of(ids)));
                }
                true
            }
            Posting::Many(ids) => {
                let ids = Arc::make_mut(ids);
                ids.try_push(id).is_ok() || ids.insert(id)
            }
        }
    }

    /// Takes an id out.
    pub(super) fn remove(&mut self, id: u32) {
        self.read_out();
        match self {
            Posting::Stored(_) => {}
            Posting::Few { len, ids } => {
                let count = usize::from(*len);
                if let Some(at) = ids.iter().take(count).position(|&known| known == id) {
                    ids.copy_within(at + 1..count, at);
                    *len -= 1;
                }
            }
            Posting::Sorted(ids) => {
                if let Ok(at) = ids.binary_search(&id) {
                    ids.remove(at);
                }
                if let &[a, b] = ids.as_slice() {
                    *self = Posting::Few {
                        len: 2,
                        ids: [a, b, 0],
                    };
                }
            }
            Posting::Many(ids) => {
                let ids = Arc::make_mut(ids);
                ids.remove(id);
                if ids.len() < BITMAP_MIN {
                    *self = Posting::Sorted(ids.iter().collect());
                }
            }
        }
    }

    /// The ids as a bitmap, shared with this list where it is one.
    pub(super) fn to_bitmap(&self) -> Arc<RoaringBitmap> {
        match self {
            Posting::Few { len, ids } => {
                Arc::new(ids.iter().take(usize::from(*len)).copied().collect())
            }
            Posting::Sorted(ids) => Arc::new(bitmap_of(ids)),
            Posting::Many(ids) => Arc::clone(ids),
            Posting::Stored(list) => list.bitmap(),
        }
    }

    /// Calls `visit` with each id, ascending.
    pub(super) fn for_each(&self, visit: impl FnMut(u32)) {
        match self {
            Posting::Few { len, ids } => {
                ids.iter().take(usize::from(*len)).copied().for_each(visit)
            }
            Posting::Sorted(ids) => ids.iter().copied().for_each(visit),
            Posting::Many(ids) => ids.iter().for_each(visit),
            Posting::Stored(list) => list.ids().for_each(visit),
        }
    }
}

fn bitmap_of(ascending: &[u32]) -> RoaringBitmap {
    let mut bitmap = RoaringBitmap::new();
    for &id in ascending {
        bitmap.insert(id);
    }
    bitmap
}
