//! The memtable's order: a skiplist in one piece of memory, with one writer and any readers.
//!
//! Invariants:
//! * only [`Skiplist::insert_all`] writes, under the writer's lock: there is one writer;
//! * a node is linked from the lowest level up once it is whole, and is never taken out; so a
//!   reader that comes by any link finds it whole, and what it borrows stays where it is.

use std::cmp::Ordering as Order;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::entry::Entry;
use crate::error::locked;
use crate::id::Sequence;
use crate::key::head;
pub(crate) use crate::nodes::{EMPTY_BYTES, record_bytes_max};
use crate::nodes::{HEIGHT_MAX, HEIGHT_MAX_U32, Nodes, ORIGIN};

/// What the one writer knows.
struct Writer {
    used: usize,
    random: u64,
}

impl Writer {
    /// A height for a new node: one in four goes up by a level.
    fn height(&mut self) -> u8 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let height = 1 + (self.random.trailing_zeros() / 2).min(HEIGHT_MAX_U32 - 1);
        let [height, ..] = height.to_le_bytes();
        height
    }
}

/// The nodes before a place, on every level.
type Finger = [u32; HEIGHT_MAX];

/// A sorted list of records.
pub(crate) struct Skiplist {
    nodes: Nodes,
    /// Levels in use; a reader that sees too few only walks further.
    height: AtomicUsize,
    writer: Mutex<Writer>,
}

impl Skiplist {
    /// An empty list that may take `capacity` bytes; `None` if there is no memory for it.
    pub fn new(capacity: usize) -> Option<Skiplist> {
        let nodes = Nodes::new(capacity)?;
        Some(Skiplist {
            nodes,
            height: AtomicUsize::new(1),
            writer: Mutex::new(Writer {
                used: EMPTY_BYTES,
                random: 0x9E37_79B9_7F4A_7C15,
            }),
        })
    }

    /// Bytes taken so far.
    pub fn used_bytes(&self) -> usize {
        locked(&self.writer).used
    }

    pub fn capacity_bytes(&self) -> usize {
        self.nodes.capacity_bytes()
    }

    /// Whether the node at `place` comes before the target.
    #[inline]
    fn is_before(&self, place: u32, target: &Target<'_>) -> bool {
        let (node_head, sequence) = self.nodes.order_of(place);
        if node_head != target.head {
            return node_head < target.head;
        }
        match self.nodes.parts_of(place).0.cmp(target.key) {
            // Newer versions come first.
            Order::Equal => sequence > target.sequence,
            order => order == Order::Less,
        }
    }

    /// Whether the node at `place` is of the target's key.
    fn has_key(&self, place: u32, target: &Target<'_>) -> bool {
        self.nodes.order_of(place).0 == target.head && self.nodes.parts_of(place).0 == target.key
    }

    /// The last node before the target, or the origin if there is none; and the node that was
    /// then the next one, or 0. It must not be asked for again: by then another may have been put
    /// between, which comes before the target.
    fn around(&self, target: &Target<'_>) -> (u32, u32) {
        let (mut place, mut next) = (ORIGIN, 0);
        for level in (0..self.height.load(Ordering::Acquire)).rev() {
            (place, next) = self.advance(place, level, target);
        }
        (place, next)
    }

    fn advance(&self, mut place: u32, level: usize, target: &Target<'_>) -> (u32, u32) {
        loop {
            let next = self.nodes.next_on(place, level);
            if let Some(below) = level.checked_sub(1) {
                // If the next one is too far, that is where the search goes on.
                self.nodes.fetch(self.nodes.next_on(place, below));
            }
            if next == 0 || !self.is_before(next, target) {
                return (place, next);
            }
            place = next;
        }
    }

    fn reference(&self, place: u32) -> Option<NodeRef<'_>> {
        (place > ORIGIN).then_some(NodeRef { list: self, place })
    }

    /// The first record at or after `key` at `sequence`: of one key, the newest version that is
    /// not newer than it.
    pub fn seek(&self, key: &[u8], sequence: Sequence) -> Option<NodeRef<'_>> {
        let target = Target::new(key, sequence.0);
        self.reference(self.around(&target).1)
    }

    /// The last record before that place.
    pub fn seek_before(&self, key: &[u8], sequence: Sequence) -> Option<NodeRef<'_>> {
        self.reference(self.around(&Target::new(key, sequence.0)).0)
    }

    pub fn first(&self) -> Option<NodeRef<'_>> {
        self.reference(self.nodes.next_on(ORIGIN, 0))
    }

    /// Inserts records, which must ascend by key and then descend by version, and of which the
    /// list must hold none. Answers whether all found room; those before the first that did not
    /// are in.
    ///
    /// A batch costs one search from the origin; from each record to the next the finger moves
    /// only as far as they are apart.
    pub fn insert_all<'e>(&self, records: impl IntoIterator<Item = Entry<'e>>) -> bool {
        let mut writer = locked(&self.writer);
        let mut finger = [ORIGIN; HEIGHT_MAX];
        let mut is_first = true;
        for record in records {
            let target = Target::new(record.key, record.sequence.0);
            if is_first {
                let mut place = ORIGIN;
                for level in (0..HEIGHT_MAX).rev() {
                    place = self.advance(place, level, &target).0;
                    finger = with(finger, level, place);
                }
                is_first = false;
            } else {
                self.move_finger(&mut finger, &target);
            }
            let behind = self.nodes.next_on(of(&finger, 0), 0);
            let older = (behind != 0 && self.has_key(behind, &target)).then_some(behind);
            let older = older.map(|behind| self.nodes.oldest_of(behind));
            let height = writer.height();
            let order = (target.head, height);
            let written = self.nodes.write(writer.used, &record, order, older);
            let Some((place, used)) = written else {
                return false;
            };
            writer.used = used;
            self.height
                .fetch_max(usize::from(height), Ordering::Release);
            self.tie_in(place, &mut finger);
        }
        true
    }

    /// Moves the finger forward to the target: up while that skips nodes, then down.
    fn move_finger(&self, finger: &mut Finger, target: &Target<'_>) {
        let mut top = 0;
        while top + 1 < HEIGHT_MAX {
            let next = self.nodes.next_on(of(finger, top + 1), top + 1);
            if next == 0 || !self.is_before(next, target) {
                break;
            }
            top += 1;
        }
        let mut ahead = None;
        for level in (0..=top).rev() {
            let from = ahead.unwrap_or_else(|| of(finger, level));
            let place = self.advance(from, level, target).0;
            if place != from || ahead.is_some() {
                ahead = Some(place);
            }
            *finger = with(*finger, level, place);
        }
    }

    /// Links a written node in behind the finger, and moves the finger onto it.
    fn tie_in(&self, place: u32, finger: &mut Finger) {
        let height = self.nodes.height_of(place);
        self.nodes
            .prev_of(place)
            .store(of(finger, 0), Ordering::Relaxed);
        let behind = self.nodes.next_on(of(finger, 0), 0);
        for level in 0..height {
            let before = of(finger, level);
            let next = self.nodes.link(before, level).load(Ordering::Relaxed);
            self.nodes.link(place, level).store(next, Ordering::Relaxed);
            self.nodes
                .link(before, level)
                .store(place, Ordering::Release);
            *finger = with(*finger, level, place);
        }
        if behind != 0 {
            // A reader going back before this store passes the new node by, which is newer than
            // anything it may see.
            self.nodes.prev_of(behind).store(place, Ordering::Release);
        }
    }
}

fn of(finger: &Finger, level: usize) -> u32 {
    finger.get(level).copied().unwrap_or(ORIGIN)
}

fn with(mut finger: Finger, level: usize, place: u32) -> Finger {
    if let Some(slot) = finger.get_mut(level) {
        *slot = place;
    }
    finger
}

/// What is searched for.
struct Target<'a> {
    head: u64,
    key: &'a [u8],
    sequence: u64,
}

impl<'a> Target<'a> {
    fn new(key: &'a [u8], sequence: u64) -> Target<'a> {
        Target {
            head: head(key),
            key,
            sequence,
        }
    }
}

/// A record's place in a list.
#[derive(Clone, Copy)]
pub(crate) struct NodeRef<'a> {
    list: &'a Skiplist,
    place: u32,
}

impl<'a> NodeRef<'a> {
    pub fn entry(self) -> Entry<'a> {
        self.list.nodes.entry_of(self.place)
    }

    pub fn next(self) -> Option<NodeRef<'a>> {
        self.list.reference(self.list.nodes.next_on(self.place, 0))
    }

    /// The first record behind the versions of this key that were there when this was written.
    pub fn next_key(self) -> Option<NodeRef<'a>> {
        let oldest = self.list.nodes.oldest_of(self.place);
        self.list.reference(self.list.nodes.next_on(oldest, 0))
    }

    pub fn prev(self) -> Option<NodeRef<'a>> {
        let prev = self.list.nodes.prev_of(self.place).load(Ordering::Acquire);
        self.list.reference(prev)
    }
}

#[cfg(test)]
mod tests;
