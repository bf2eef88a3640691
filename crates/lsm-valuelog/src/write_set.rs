//! A transaction's own changes.
//!
//! Invariants:
//! * each key has one item, which its newest change replaces; bytes of replaced values stay in the
//!   arena until the transaction ends, so what was lent stays right;
//! * `sorted` lists the first so many items by key; items made since are sorted in when order is
//!   asked for, unless all items came in order and stand for it themselves;
//! * a few items have no table: they are looked through.

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

/// So many items are looked through sooner than a table is made.
const SCANNED_MAX: usize = 8;

/// A transaction's changes.
#[derive(Default)]
pub(crate) struct WriteSet {
    arena: Vec<u8>,
    items: Vec<Item>,
    /// Items by hash, open addressing; never more than half full. Empty for a few items.
    slots: Vec<u32>,
    sorted: RefCell<Vec<u32>>,
    /// Whether a key came that is not behind the one before it.
    is_mixed: bool,
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

    /// The slot where `key` is or would be; none without a table.
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

    /// The item of `key`, with the slot where it is or would be.
    fn find(&self, key: &[u8], hash: u64) -> (Option<usize>, Option<u32>) {
        if let Some(slot) = self.slot(key, hash) {
            let index = self.slots.get(slot).copied();
            return (Some(slot), index.filter(|index| *index != FREE));
        }
        let is_it = |item: &Item| item.hash == hash && self.part(item.key) == key;
        let place = self.items.iter().position(is_it);
        (None, place.map(|place| low_u32(place as u64)))
    }

    /// Makes a table for all items, and for as many again.
    fn grow(&mut self) {
        let slots = (self.items.len() * 2 + 1).next_power_of_two();
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
        let hash = key_hash(key);
        let (slot, found) = self.find(key, hash);
        let value_bytes = value.map_or(0, <[u8]>::len);
        self.value_bytes_max = self.value_bytes_max.max(value_bytes);
        if let Some(found) = found {
            let value = value.map(|value| self.store(value));
            if let Some(item) = self.items.get_mut(found as usize) {
                item.value = value;
                item.extra = extra;
            }
            return;
        }
        let newest = self.items.last();
        self.is_mixed |= newest.is_some_and(|newest| self.part(newest.key) > key);
        self.arena.reserve(key.len() + value_bytes);
        let key = self.store(key);
        let value = value.map(|value| self.store(value));
        let index = low_u32(self.items.len() as u64);
        self.items.push(Item {
            hash,
            key,
            value,
            extra,
        });
        let has_room = self.items.len() * 2 <= self.slots.len();
        if let Some(slot) = slot.and_then(|slot| self.slots.get_mut(slot))
            && has_room
        {
            *slot = index;
        } else if self.items.len() > SCANNED_MAX {
            self.grow();
        }
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

    /// Bytes of keys and values.
    pub fn bytes(&self) -> u64 {
        self.arena.len() as u64
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
        let (_, found) = self.find(key, key_hash(key));
        Some(self.change_of(self.item(found?)?))
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
        let order = self.is_mixed.then(|| {
            self.sort();
            self.sorted.borrow()
        });
        Sorted { set: self, order }
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
    /// None if the items stand in order.
    order: Option<Ref<'a, Vec<u32>>>,
}

impl<'a> Sorted<'a> {
    pub fn len(&self) -> usize {
        self.set.items.len()
    }

    pub fn get(&self, at: usize) -> Option<Change<'a>> {
        let item = match &self.order {
            Some(order) => self.set.item(*order.get(at)?)?,
            None => self.set.items.get(at)?,
        };
        Some(self.set.change_of(item))
    }

    pub fn iter(&self) -> impl Iterator<Item = Change<'a>> {
        (0..self.len()).filter_map(|at| self.get(at))
    }

    /// How many keys come before `key`.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let wanted = (head(key), key);
        match &self.order {
            Some(order) => order.partition_point(|index| self.set.order(*index) < wanted),
            None => {
                let items = &self.set.items;
                items.partition_point(|item| self.set.part(item.key) < key)
            }
        }
    }
}
