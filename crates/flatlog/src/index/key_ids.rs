//! The ids of a chunk's keys.
//!
//! Keys that are loaded in their order have ids one above the other: then the first says it all.
//! `len` is always the number of keys before the call.

use crate::ids::KeyId;
use crate::search::IdBits;

/// Keys in a chunk, at most; one bit each in [`Marks`].
pub(crate) const MARKS: usize = 256;

/// Which of a chunk's keys are meant: bit `i % 64` of word `i / 64` for key `i`.
pub(crate) type Marks = [u64; MARKS / 64];

/// The ids of a chunk's keys.
#[derive(Clone, Debug)]
pub(super) enum KeyIds {
    /// Key `i` has the id this far behind the first; where that is 0, no key has an id.
    Run(KeyId),
    /// One for each key.
    Each(Vec<KeyId>),
}

impl Default for KeyIds {
    fn default() -> KeyIds {
        KeyIds::Run(KeyId(0))
    }
}

impl KeyIds {
    /// The id of key `index`; 0 if it has none.
    #[inline]
    pub(super) fn get(&self, index: usize) -> KeyId {
        match self {
            KeyIds::Run(first) => behind(*first, index),
            KeyIds::Each(ids) => ids.get(index).copied().unwrap_or_default(),
        }
    }

    /// Adds the id of a key behind all others.
    pub(super) fn push(&mut self, len: usize, id: KeyId) {
        match self {
            KeyIds::Run(first) if len == 0 => *first = id,
            KeyIds::Run(first) if behind(*first, len) == id => {}
            _ => self.change(len, |ids| ids.push(id)),
        }
    }

    /// Adds the id of a key at `index`.
    pub(super) fn insert(&mut self, len: usize, index: usize, id: KeyId) {
        let has_none = matches!(self, KeyIds::Run(KeyId(0)));
        if index >= len || (has_none && id == KeyId(0)) {
            return self.push(len, id);
        }
        self.change(len, |ids| ids.insert(index, id));
    }

    /// Takes out the id of key `index`.
    pub(super) fn remove(&mut self, len: usize, index: usize) {
        match self {
            KeyIds::Run(KeyId(0)) => {}
            KeyIds::Run(_) if index + 1 == len => {}
            KeyIds::Run(first) if index == 0 => *first = behind(*first, 1),
            _ => self.change(len, |ids| {
                if index < ids.len() {
                    ids.remove(index);
                }
            }),
        }
    }

    /// Cuts off the ids from key `middle` on.
    pub(super) fn split_off(&mut self, middle: usize) -> KeyIds {
        match self {
            KeyIds::Run(first) => KeyIds::Run(behind(*first, middle)),
            KeyIds::Each(ids) => KeyIds::Each(ids.split_off(middle.min(ids.len()))),
        }
    }

    /// Bytes of memory held.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            KeyIds::Run(_) => 0,
            KeyIds::Each(ids) => ids.capacity() * size_of::<KeyId>(),
        }
    }

    /// Which of the first `len` keys have one of `among`.
    #[inline]
    pub(super) fn marks(&self, len: usize, among: &IdBits) -> Marks {
        let mut marks = Marks::default();
        match self {
            KeyIds::Run(KeyId(0)) => {}
            KeyIds::Run(first) => {
                for (word, start) in marks.iter_mut().zip((0..len).step_by(64)) {
                    let bits = among.word_from(behind(*first, start));
                    let beyond = 64_usize.saturating_sub(len - start);
                    *word = bits << beyond >> beyond;
                }
            }
            KeyIds::Each(ids) => {
                for (word, ids) in marks.iter_mut().zip(ids.chunks(64)) {
                    let bits = ids.iter().zip(0..64);
                    *word = bits.fold(0, |word, (id, bit)| {
                        word | u64::from(among.contains(*id)) << bit
                    });
                }
            }
        }
        marks
    }

    /// Changes the ids as a list.
    fn change(&mut self, len: usize, change: impl FnOnce(&mut Vec<KeyId>)) {
        let mut ids = match std::mem::take(self) {
            KeyIds::Run(first) => {
                let mut ids = Vec::with_capacity(len + len / 8 + 4);
                ids.extend((0..len).map(|index| behind(first, index)));
                ids
            }
            KeyIds::Each(ids) => ids,
        };
        change(&mut ids);
        *self = KeyIds::Each(ids);
    }
}

/// The id `steps` behind `first`; none behind none.
#[inline]
fn behind(first: KeyId, steps: usize) -> KeyId {
    match first {
        KeyId(0) => first,
        KeyId(first) => KeyId(first.saturating_add(u32::try_from(steps).unwrap_or(u32::MAX))),
    }
}
