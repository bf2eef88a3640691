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
pub(crate) use crate::nodes::{EMPTY_BYTES, RECORDS_EXTRA_BYTES, record_bytes_max};
use crate::nodes::{Free, HEIGHT_MAX, HEIGHT_MAX_U32, LINKS_EACH, Link, Nodes, ORIGIN, lead_of};
use crate::wire::to_usize;

/// What the one writer knows.
struct Writer {
    free: Free,
    random: u64,
    /// Links that the next tower may have: each record adds its part, towers take theirs, and no
    /// more than the tallest needs is saved up. So any records in a row have a bounded number.
    links_left: usize,
}

impl Writer {
    /// A height for a new node: every second goes up by a level. A search then moves forward once
    /// on each level; with fewer levels it would be more often in all, and a step down costs nothing.
    fn height(&mut self) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let height = 1 + self.random.trailing_zeros().min(HEIGHT_MAX_U32 - 1);
        self.links_left = (self.links_left + LINKS_EACH).min(HEIGHT_MAX);
        let height = to_usize(u64::from(height)).min(self.links_left);
        self.links_left -= height;
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
    /// Bytes taken; the writer changes it.
    used: AtomicUsize,
    writer: Mutex<Writer>,
}

impl Skiplist {
    /// An empty list that may take `capacity` bytes; `None` if there is no memory for it.
    pub fn new(capacity: usize) -> Option<Skiplist> {
        let nodes = Nodes::new(capacity)?;
        Some(Skiplist {
            height: AtomicUsize::new(1),
            used: AtomicUsize::new(EMPTY_BYTES),
            writer: Mutex::new(Writer {
                free: nodes.all_free(),
                random: 0x9E37_79B9_7F4A_7C15,
                links_left: HEIGHT_MAX,
            }),
            nodes,
        })
    }

    /// Bytes taken so far.
    pub fn used_bytes(&self) -> usize {
        self.used.load(Ordering::Acquire)
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

    /// Whether a link leads to a node that comes before the target.
    #[inline]
    fn leads_before(&self, link: Link, target: &Target<'_>) -> bool {
        if link.place() == 0 {
            return false;
        }
        let lead = lead_of(target.head);
        if link.lead() != lead {
            return link.lead() < lead;
        }
        self.is_before(link.place(), target)
    }

    /// Whether a link leads to a node of the target's key.
    fn leads_to_key(&self, link: Link, target: &Target<'_>) -> bool {
        let place = link.place();
        place != 0
            && link.lead() == lead_of(target.head)
            && self.nodes.order_of(place).0 == target.head
            && self.nodes.parts_of(place).0 == target.key
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
            if !self.leads_before(next, target) {
                return (place, next.place());
            }
            place = next.place();
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
        self.reference(self.nodes.next_on(ORIGIN, 0).place())
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
                let height = self.height.load(Ordering::Relaxed);
                for (level, slot) in finger.iter_mut().enumerate().take(height).rev() {
                    place = self.advance(place, level, &target).0;
                    *slot = place;
                }
                is_first = false;
            } else {
                self.move_finger(&mut finger, &target);
            }
            let behind = self.nodes.next_on(of(&finger, 0), 0);
            let is_older = self.leads_to_key(behind, &target);
            let older = is_older.then(|| self.nodes.oldest_of(behind.place()));
            let height = writer.height();
            let order = (target.head, height);
            let written = self.nodes.write(writer.free, &record, order, older);
            let Some((place, free)) = written else {
                return false;
            };
            writer.free = free;
            self.used
                .store(self.nodes.used_bytes(free), Ordering::Release);
            self.height.fetch_max(height, Ordering::Release);
            self.tie_in(Link::new(place, target.head), height, &mut finger);
        }
        true
    }

    /// Moves the finger forward to the target: up while that skips nodes, then down.
    fn move_finger(&self, finger: &mut Finger, target: &Target<'_>) {
        let mut top = 0;
        while top + 1 < HEIGHT_MAX {
            let next = self.nodes.next_on(of(finger, top + 1), top + 1);
            if !self.leads_before(next, target) {
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
            set(finger, level, place);
        }
    }

    /// Links a written node in behind the finger, and moves the finger onto it.
    fn tie_in(&self, link: Link, height: usize, finger: &mut Finger) {
        let place = link.place();
        self.nodes
            .prev_of(place)
            .store(of(finger, 0), Ordering::Relaxed);
        let behind = self.nodes.next_on(of(finger, 0), 0).place();
        for level in 0..height {
            let before = of(finger, level);
            let next = self.nodes.next_on(before, level);
            self.nodes.set_next(place, level, next);
            self.nodes.set_next(before, level, link);
            set(finger, level, place);
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

fn set(finger: &mut Finger, level: usize, place: u32) {
    if let Some(slot) = finger.get_mut(level) {
        *slot = place;
    }
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
        self.list
            .reference(self.list.nodes.next_on(self.place, 0).place())
    }

    /// The first record behind the versions of this key that were there when this was written.
    pub fn next_key(self) -> Option<NodeRef<'a>> {
        let oldest = self.list.nodes.oldest_of(self.place);
        self.list
            .reference(self.list.nodes.next_on(oldest, 0).place())
    }

    pub fn prev(self) -> Option<NodeRef<'a>> {
        let prev = self.list.nodes.prev_of(self.place).load(Ordering::Acquire);
        self.list.reference(prev)
    }
}

#[cfg(test)]
mod tests;
