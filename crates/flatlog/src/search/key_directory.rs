//! From a key's id to the key.
//!
//! An id stands for its key as long as any version shows the key: the writer gives it to another
//! key only after that (see [`crate::value_index`]).

use std::sync::{PoisonError, RwLock};

use crate::ids::{KeyId, SpaceId};

#[derive(Default)]
struct Slots {
    /// By id; ids begin at 1.
    keys: Vec<Option<(SpaceId, Box<[u8]>)>>,
    key_bytes: usize,
}

/// The keys by their ids.
#[derive(Default)]
pub(crate) struct KeyDirectory {
    slots: RwLock<Slots>,
}

impl KeyDirectory {
    /// From now on `id` stands for `key`.
    pub(crate) fn set(&self, id: KeyId, space: SpaceId, key: &[u8]) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let place = id.0 as usize;
        if slots.keys.len() <= place {
            slots.keys.resize(place + 1, None);
        }
        slots.key_bytes += key.len();
        if let Some(slot) = slots.keys.get_mut(place) {
            *slot = Some((space, key.into()));
        }
    }

    /// No version shows the key of `id` any more.
    pub(crate) fn clear(&self, id: KeyId) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let gone = slots.keys.get_mut(id.0 as usize).and_then(Option::take);
        slots.key_bytes -= gone.map_or(0, |(_, key)| key.len());
    }

    /// Gives `look` the key that `id` stands for.
    pub(crate) fn with<T>(&self, id: KeyId, look: impl FnOnce(SpaceId, &[u8]) -> T) -> Option<T> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let (space, key) = slots.keys.get(id.0 as usize)?.as_ref()?;
        Some(look(*space, key))
    }

    /// Memory held, with eight bytes for what an allocation costs.
    pub(crate) fn memory_bytes(&self) -> usize {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.keys.capacity() * (size_of::<Option<(SpaceId, Box<[u8]>)>>() + 8) + slots.key_bytes
    }
}
