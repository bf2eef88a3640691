//! A transaction's own changes.
//!
//! Invariants:
//! * each key has one item, which its newest change replaces; bytes of replaced values stay in the
//!   arena until the transaction ends, so what was lent stays right;
//! * `sorted` lists the first so many items by key; items made since are sorted in when order is
//!   asked for.

use std::cell::{Ref, RefCell};

use crate::entry::Extra;
use crate::key::head;
use crate::log::commit::Change;
use crate::table::filter::key_hash;
use crate::wire::{low_u32, to_usize};

/// A change to one key, as ranges of the arena.
#[derive(Clone, Copy, Debug)]
struct Item {
    hash: u64,
    key: (u64, u32),
    /// None for a deletion.
    value: Option<(u64, u32)>,
    extra: Extra,
}

/// A free slot of the table.
const FREE: u32 = u32::MAX;

/// A transaction's changes.
#[derive(Default)]
pub(crate) struct WriteSet {
    arena: Vec<u8>,
    items: Vec<Item>,
    /// Items by hash, open addressing; never more than half full.
    slots: Vec<u32>,
    sorted: RefCell<Vec<u32>>,
    value_bytes_max: usize,
}

impl WriteSet {
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes of the longest value.
    pub fn value_bytes_max(&self) -> usize {
        self.value_bytes_max
    }

    fn part(&self, (start, len): (u64, u32)) -> &[u8] {
        let start = to_usize(start);
        self.arena
            .get(start..start.saturating_add(len as usize))
            .unwrap_or_default()
    }

    fn store(&mut self, bytes: &[u8]) -> (u64, u32) {
        let start = self.arena.len() as u64;
        self.arena.extend_from_slice(bytes);
        (start, low_u32(bytes.len() as u64))
    }

    fn item(&self, index: u32) -> Option<&Item> {
        self.items.get(index as usize)
    }

    /// The slot where `key` is or would be.
    fn slot(&self, key: &[u8], hash: u64) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = to_usize(hash) & mask;
        loop {
            let index = *self.slots.get(slot)?;
            let Some(item) = self.item(index) else {
                return Some(slot);
            };
            if item.hash == hash && self.part(item.key) == key {
                return Some(slot);
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let slots = (self.slots.len() * 2).max(16);
        self.slots.clear();
        self.slots.resize(slots, FREE);
        let mask = slots - 1;
        for (index, item) in self.items.iter().enumerate() {
            let mut slot = to_usize(item.hash) & mask;
            while self.slots.get(slot).is_some_and(|index| *index != FREE) {
                slot = (slot + 1) & mask;
            }
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = low_u32(index as u64);
            }
        }
    }

    /// Notes a change; `None` deletes.
    pub fn set(&mut self, key: &[u8], value: Option<&[u8]>, extra: Extra) {
        if self.items.len() * 2 >= self.slots.len() {
            self.grow();
        }
        let hash = key_hash(key);
        let Some(slot) = self.slot(key, hash) else {
            return;
        };
        self.value_bytes_max = self.value_bytes_max.max(value.map_or(0, <[u8]>::len));
        let found = self.slots.get(slot).copied().unwrap_or(FREE);
        if (found as usize) < self.items.len() {
            let value = value.map(|value| self.store(value));
            if let Some(item) = self.items.get_mut(found as usize) {
                item.value = value;
                item.extra = extra;
            }
            return;
        }
        let key = self.store(key);
        let value = value.map(|value| self.store(value));
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = low_u32(self.items.len() as u64);
        }
        self.items.push(Item {
            hash,
            key,
            value,
            extra,
        });
    }

    fn change_of(&self, item: &Item) -> Change<'_> {
        Change {
            key: self.part(item.key),
            value: item.value.map(|value| self.part(value)),
            extra: item.extra,
        }
    }

    /// The changes in no order.
    pub fn changes(&self) -> impl Iterator<Item = Change<'_>> {
        self.items.iter().map(|item| self.change_of(item))
    }

    /// Bytes that a log's record of the changes takes at most, sealed or not.
    pub fn log_bytes_max(&self) -> u64 {
        (self.arena.len() + 56 * self.items.len() + 128) as u64
    }

    /// The change to `key`, if there is one.
    pub fn get(&self, key: &[u8]) -> Option<Change<'_>> {
        if self.items.is_empty() {
            return None;
        }
        let slot = self.slot(key, key_hash(key))?;
        let item = self.item(*self.slots.get(slot)?)?;
        Some(self.change_of(item))
    }

    fn order(&self, index: u32) -> (u64, &[u8]) {
        let key = self.item(index).map_or(&[][..], |item| self.part(item.key));
        (head(key), key)
    }

    /// Sorts in the items that came since order was last asked for.
    fn sort(&self) {
        let done = self.sorted.borrow().len();
        let fresh = self.items.len() - done;
        if fresh == 0 {
            // Also wherever a cursor is under way: while one is, nothing can be added.
            return;
        }
        let mut sorted = self.sorted.borrow_mut();
        if fresh <= 1 + done / 32 {
            for index in done..self.items.len() {
                let index = low_u32(index as u64);
                let key = self.order(index);
                let at = sorted.partition_point(|other| self.order(*other) < key);
                sorted.insert(at, index);
            }
            return;
        }
        // Heads decide nearly always, so they are kept beside the indexes while sorting.
        let mut keyed: Vec<(u64, u32)> = (0..self.items.len())
            .map(|index| (self.order(low_u32(index as u64)).0, low_u32(index as u64)))
            .collect();
        keyed.sort_unstable_by(|a, b| {
            a.0.cmp(&b.0)
                .then_with(|| self.order(a.1).1.cmp(self.order(b.1).1))
        });
        *sorted = keyed.into_iter().map(|(_, index)| index).collect();
    }

    /// The changes by key.
    pub fn sorted(&self) -> Sorted<'_> {
        self.sort();
        Sorted {
            set: self,
            order: self.sorted.borrow(),
        }
    }

    /// Whether a key in `start..end` is changed.
    pub fn any_in(&self, start: &[u8], end: &[u8]) -> bool {
        let sorted = self.sorted();
        let first = sorted.lower_bound(start);
        sorted.get(first).is_some_and(|change| change.key < end)
    }
}

/// A transaction's changes in order.
pub(crate) struct Sorted<'a> {
    set: &'a WriteSet,
    order: Ref<'a, Vec<u32>>,
}

impl<'a> Sorted<'a> {
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn get(&self, at: usize) -> Option<Change<'a>> {
        let item = self.set.item(*self.order.get(at)?)?;
        Some(self.set.change_of(item))
    }

    pub fn iter(&self) -> impl Iterator<Item = Change<'a>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// How many keys come before `key`.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let wanted = (head(key), key);
        self.order
            .partition_point(|index| self.set.order(*index) < wanted)
    }
}
