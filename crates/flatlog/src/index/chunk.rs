//! Some hundred neighbouring keys with their entries, as parallel arrays.
//!
//! Invariant: `keys`, `places` and `commit_indexes` are equally long; `key_ids` is told this length
//! with every change.

use crate::ids::KeyId;
use crate::index::item::{Change, Edit, Item, Observer};
use crate::index::key_ids::{KeyIds, MARKS, Marks};
use crate::index::keys::{Keys, touch};
use crate::place::Place;
use crate::search::IdBits;

/// Keys in a chunk, at most. An insert moves half of one, so this is what a small commit costs;
/// a search's cost falls with its logarithm.
pub(crate) const CHUNK_KEYS_MAX: usize = MARKS;
/// Keys in a chunk that is built from a sorted batch: some room is left.
const CHUNK_KEYS_BUILT: usize = 216;
/// A chunk below this looks for a neighbour to join.
pub(crate) const CHUNK_KEYS_MIN: usize = 48;

/// A run of keys with their entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) keys: Keys,
    places: Vec<Place>,
    commit_indexes: Vec<u64>,
    key_ids: KeyIds,
}

impl Chunk {
    fn with_capacity(count: usize, key_bytes: usize) -> Chunk {
        Chunk {
            keys: Keys::with_capacity(count, key_bytes),
            places: Vec::with_capacity(count),
            commit_indexes: Vec::with_capacity(count),
            key_ids: KeyIds::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Bytes of memory, with what is reserved.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Chunk>()
            + self.keys.memory_bytes()
            + self.places.capacity() * size_of::<Place>()
            + self.commit_indexes.capacity() * 8
            + self.key_ids.memory_bytes()
    }

    /// Entry `index`.
    #[inline]
    pub(crate) fn item(&self, index: usize) -> Option<Item> {
        Some(Item {
            place: *self.places.get(index)?,
            commit_index: *self.commit_indexes.get(index)?,
            key_id: self.key_ids.get(index),
        })
    }

    /// The id of key `index`.
    #[inline]
    pub(crate) fn key_id(&self, index: usize) -> KeyId {
        self.key_ids.get(index)
    }

    /// Begins to fetch what a search for `key` will look at, all at once: otherwise each is waited
    /// for in its turn.
    #[inline]
    pub(crate) fn touch(&self, key: &[u8]) {
        let guess = self.keys.touch(key);
        touch(&self.places, guess);
    }

    /// The same for one who makes a change.
    #[inline]
    fn touch_to_edit(&self, key: &[u8]) {
        let guess = self.keys.touch(key);
        touch(&self.places, guess);
        touch(&self.commit_indexes, guess);
    }

    /// The same for one who asks for the place alone.
    #[inline]
    pub(crate) fn touch_place(&self, key: &[u8]) {
        touch(&self.places, self.keys.guess(key));
    }

    /// Where the record of entry `index` lies.
    #[inline]
    pub(crate) fn place(&self, index: usize) -> Option<Place> {
        self.places.get(index).copied()
    }

    /// Where the records of a few neighbouring entries lie.
    #[inline]
    pub(crate) fn places(&self, indexes: std::ops::Range<usize>) -> &[Place] {
        let end = indexes.end.min(self.places.len());
        self.places.get(indexes.start..end).unwrap_or_default()
    }

    /// Key and entry `index`.
    #[inline]
    pub(crate) fn entry(&self, index: usize) -> Option<(&[u8], Item)> {
        Some((self.keys.get(index), self.item(index)?))
    }

    /// Which keys have one of the ids `among`.
    #[inline]
    pub(crate) fn marks(&self, among: &IdBits) -> Marks {
        self.key_ids.marks(self.len(), among)
    }

    fn set(&mut self, index: usize, item: &Item) {
        if let Some(place) = self.places.get_mut(index) {
            *place = item.place;
        }
        if let Some(commit_index) = self.commit_indexes.get_mut(index) {
            *commit_index = item.commit_index;
        }
    }

    /// Gives entry `index` another place for the same record.
    pub(crate) fn move_to(&mut self, index: usize, place: Place) {
        if let Some(old) = self.places.get_mut(index) {
            *old = place;
        }
    }

    fn insert(&mut self, index: usize, key: &[u8], item: &Item) {
        if self.places.len() == self.places.capacity() {
            let room = self.places.len() / 8 + 4;
            self.places.reserve_exact(room);
            self.commit_indexes.reserve_exact(room);
        }
        // A transaction's own keys have no ids, in a chunk where others have.
        self.key_ids.insert(self.len(), index, item.key_id);
        self.keys.insert(index, key);
        self.places.insert(index, item.place);
        self.commit_indexes.insert(index, item.commit_index);
    }

    fn push(&mut self, key: &[u8], item: &Item) {
        self.key_ids.push(self.len(), item.key_id);
        self.keys.push(key);
        self.places.push(item.place);
        self.commit_indexes.push(item.commit_index);
    }

    fn remove(&mut self, index: usize) {
        self.key_ids.remove(self.len(), index);
        self.keys.remove(index);
        self.places.remove(index);
        self.commit_indexes.remove(index);
    }

    /// Makes one change in place: O(length).
    pub(crate) fn edit(&mut self, edit: &Edit<'_>, observer: &mut dyn Observer) {
        self.touch_to_edit(edit.key);
        let (index, found) = self.keys.find(edit.key);
        let old = if found { self.item(index) } else { None };
        match edit.change {
            Change::Put(mut item) => {
                item.key_id = observer.put(edit.key, old.as_ref(), &item);
                match old {
                    Some(_) => self.set(index, &item),
                    None => self.insert(index, edit.key, &item),
                }
            }
            Change::Delete => {
                observer.delete(edit.key, old.as_ref());
                if old.is_some() {
                    self.remove(index);
                }
            }
        }
    }

    /// Cuts the chunk in two halves and answers the back one.
    pub(crate) fn split(&mut self) -> Chunk {
        let middle = self.len() / 2;
        Chunk {
            keys: self.keys.split_off(middle),
            places: self.places.split_off(middle),
            commit_indexes: self.commit_indexes.split_off(middle),
            key_ids: self.key_ids.split_off(middle),
        }
    }

    /// Adds all of `behind`, whose keys are above all of these.
    pub(crate) fn append(&mut self, behind: &Chunk) {
        for index in 0..behind.len() {
            if let Some((key, item)) = behind.entry(index) {
                self.push(key, &item);
            }
        }
        self.keys.seal();
    }

    /// Merges sorted edits with what is here into as many chunks as that takes; none if nothing
    /// is left. O(length + edits).
    pub(crate) fn merged(&self, edits: &[Edit<'_>], observer: &mut dyn Observer) -> Vec<Chunk> {
        let mut building = Building::new(self.len() + edits.len());
        let mut index = 0;
        for edit in edits {
            while let Some((key, item)) = self.entry(index).filter(|(key, _)| *key < edit.key) {
                building.push(key, &item);
                index += 1;
            }
            let old = self.entry(index).filter(|(key, _)| *key == edit.key);
            let old = old.map(|(_, item)| item);
            index += usize::from(old.is_some());
            match edit.change {
                Change::Put(mut item) => {
                    item.key_id = observer.put(edit.key, old.as_ref(), &item);
                    building.push(edit.key, &item);
                }
                Change::Delete => observer.delete(edit.key, old.as_ref()),
            }
        }
        while let Some((key, item)) = self.entry(index) {
            building.push(key, &item);
            index += 1;
        }
        building.finish()
    }
}

/// Chunks that come into being from ascending keys, evenly filled.
pub(crate) struct Building {
    done: Vec<Chunk>,
    current: Chunk,
    keys_each: usize,
    left: usize,
}

impl Building {
    fn new(count_max: usize) -> Building {
        let chunks = count_max.div_ceil(CHUNK_KEYS_BUILT).max(1);
        Building {
            done: Vec::with_capacity(chunks),
            current: Chunk::default(),
            keys_each: count_max.div_ceil(chunks),
            left: count_max,
        }
    }

    /// For as many keys as may come.
    pub(crate) fn open_ended() -> Building {
        Building {
            done: Vec::new(),
            current: Chunk::default(),
            keys_each: CHUNK_KEYS_BUILT,
            left: usize::MAX,
        }
    }

    /// The key pushed last; empty before the first.
    #[inline]
    pub(crate) fn last_key(&self) -> &[u8] {
        self.current.keys.last()
    }

    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], item: &Item) {
        if self.current.len() == self.keys_each {
            self.seal();
        }
        if self.current.len() == 0 {
            let count = self.keys_each.min(self.left);
            self.current = Chunk::with_capacity(count, count * key.len());
        }
        self.left = self.left.saturating_sub(1);
        self.current.push(key, item);
    }

    fn seal(&mut self) {
        self.current.keys.seal();
        self.done.push(std::mem::take(&mut self.current));
    }

    pub(crate) fn finish(mut self) -> Vec<Chunk> {
        if self.current.len() > 0 {
            self.seal();
        }
        self.done
    }
}
