//! From a key's id to the key.
//!
//! An id stands for its key as long as any version shows the key: the writer gives it to another
//! key only after that (see [`crate::value_index`]).

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::ids::{KeyId, SpaceId};

type Owned = (SpaceId, Box<[u8]>);

/// Keys with the ids from 1 on, one behind the other in memory: those of a checkpoint.
#[derive(Default)]
pub(crate) struct KeyRuns {
    bytes: Vec<u8>,
    /// Where each key ends.
    ends: Vec<usize>,
    /// The first index of each run of keys of one space.
    spaces: Vec<(usize, SpaceId)>,
}

impl KeyRuns {
    /// Adds a key; answers its id.
    #[inline]
    pub(crate) fn push(&mut self, space: SpaceId, key: &[u8]) -> KeyId {
        if self.spaces.last().is_none_or(|(_, last)| *last != space) {
            self.spaces.push((self.ends.len(), space));
        }
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
        KeyId(u32::try_from(self.ends.len()).unwrap_or(u32::MAX))
    }

    /// How many keys.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    fn has(&self, id: KeyId) -> bool {
        id.0 > 0 && id.0 as usize <= self.ends.len()
    }

    fn get(&self, id: KeyId) -> Option<(SpaceId, &[u8])> {
        let index = (id.0 as usize).checked_sub(1)?;
        let end = *self.ends.get(index)?;
        let before = index.checked_sub(1).and_then(|index| self.ends.get(index));
        let key = self.bytes.get(before.copied().unwrap_or(0)..end)?;
        let run = self.spaces.partition_point(|(first, _)| *first <= index);
        let (_, space) = self.spaces.get(run.checked_sub(1)?)?;
        Some((*space, key))
    }

    fn memory_bytes(&self) -> usize {
        self.bytes.capacity() + self.ends.capacity() * size_of::<usize>()
    }
}

/// Invariant: a key of `runs` counts unless `instead` has its id.
#[derive(Default)]
struct Slots {
    runs: KeyRuns,
    /// What has become of ids of the runs.
    instead: HashMap<KeyId, Option<Owned>>,
    /// By how much the id is above those of the runs.
    keys: Vec<Option<Owned>>,
    /// Bytes of the keys that are not in the runs.
    key_bytes: usize,
}

impl Slots {
    /// Where the id is above those of the runs.
    fn place(&self, id: KeyId) -> usize {
        (id.0 as usize).saturating_sub(self.runs.len())
    }

    /// Puts `new` in the place of what was owned for `id`.
    fn replace(&mut self, id: KeyId, new: Option<Owned>) {
        let new_bytes = new.as_ref().map_or(0, |(_, key)| key.len());
        let old = if self.runs.has(id) {
            self.instead.insert(id, new).flatten()
        } else {
            let place = self.place(id);
            if self.keys.len() <= place {
                self.keys.resize(place + 1, None);
            }
            let slot = self.keys.get_mut(place);
            slot.and_then(|slot| std::mem::replace(slot, new))
        };
        self.key_bytes += new_bytes;
        self.key_bytes -= old.map_or(0, |(_, key)| key.len());
    }

    fn get(&self, id: KeyId) -> Option<(SpaceId, &[u8])> {
        let owned = if self.runs.has(id) {
            match self.instead.get(&id) {
                Some(owned) => owned,
                None => return self.runs.get(id),
            }
        } else {
            self.keys.get(self.place(id))?
        };
        owned.as_ref().map(|(space, key)| (*space, &**key))
    }
}

/// The keys by their ids.
#[derive(Default)]
pub(crate) struct KeyDirectory {
    slots: RwLock<Slots>,
}

impl KeyDirectory {
    /// Of these keys.
    pub(crate) fn of(runs: KeyRuns) -> KeyDirectory {
        let slots = Slots {
            runs,
            ..Slots::default()
        };
        KeyDirectory {
            slots: RwLock::new(slots),
        }
    }

    /// From now on `id` stands for `key`.
    pub(crate) fn set(&self, id: KeyId, space: SpaceId, key: &[u8]) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.replace(id, Some((space, key.into())));
    }

    /// No version shows the key of `id` any more.
    pub(crate) fn clear(&self, id: KeyId) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        slots.replace(id, None);
    }

    /// Gives `look` the key that `id` stands for.
    pub(crate) fn with<T>(&self, id: KeyId, look: impl FnOnce(SpaceId, &[u8]) -> T) -> Option<T> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let (space, key) = slots.get(id)?;
        Some(look(space, key))
    }

    /// Memory held, with eight bytes for what an allocation costs.
    pub(crate) fn memory_bytes(&self) -> usize {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let each = size_of::<Option<Owned>>() + 8;
        let instead = slots.instead.capacity() * (size_of::<KeyId>() + each);
        slots.runs.memory_bytes() + slots.keys.capacity() * each + instead + slots.key_bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_id_stands_for_the_key_it_was_given_last() {
        let mut runs = KeyRuns::default();
        let (one, two) = (SpaceId(0), SpaceId(7));
        let keys: [(SpaceId, &[u8]); 4] = [(one, b"a"), (one, b"bc"), (two, b"a"), (two, b"z")];
        for (number, (space, key)) in (1..).zip(keys) {
            assert_eq!(runs.push(space, key), KeyId(number));
        }
        let directory = KeyDirectory::of(runs);
        let found = |id| directory.with(KeyId(id), |space, key| (space, key.to_vec()));
        for (number, (space, key)) in (1..).zip(keys) {
            assert_eq!(found(number), Some((space, key.to_vec())));
        }
        assert_eq!((found(0), found(5)), (None, None));
        directory.clear(KeyId(2));
        directory.set(KeyId(5), two, b"new");
        assert_eq!(found(2), None);
        assert_eq!(found(5), Some((two, b"new".to_vec())));
        directory.set(KeyId(2), two, b"again");
        assert_eq!(found(2), Some((two, b"again".to_vec())));
        assert_eq!(found(3), Some((two, b"a".to_vec())));
        directory.clear(KeyId(2));
        directory.clear(KeyId(5));
        assert_eq!((found(2), found(5)), (None, None));
        assert_eq!(directory.slots.read().unwrap().key_bytes, 0);
    }
}
