//! The memtable's order: a skiplist in one piece of memory, with one writer and any readers.
//!
//! This is the engine's only room with unsafe code of its own. Its invariants:
//! * memory is asked for once, zeroed, and given back by `drop`; nothing in it moves or is freed
//!   before, so what a reader borrows from the list stays where it is;
//! * only [`Skiplist::insert_all`] writes, under the writer's lock: there is one writer;
//! * a node's bytes are written before any link to it is stored with `Release`, and never after;
//!   readers come to it only by links loaded with `Acquire`. Links themselves are atomics;
//! * a link is 0 or the place of a node: a multiple of 8, with the node's tower before it and its
//!   header, key and value behind it inside the memory. Links only ever come from `insert_all`.

#![allow(
    unsafe_code,
    reason = "an arena of nodes of different lengths, read while it grows"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::cmp::Ordering as Order;
use std::ptr::NonNull;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::entry::{Entry, Extra, Kind};
use crate::error::locked;
use crate::id::Sequence;
use crate::key::head;

/// Levels of the tallest tower; with one node in four going up, enough for 4^12 nodes.
const HEIGHT_MAX: usize = 12;
const HEIGHT_MAX_U32: u32 = 12;

/// The part of a node that all have. Its first field and the lowest links, which stand right
/// before it, are all that a search looks at, so that it mostly costs one cache line a node.
#[repr(C)]
struct Node {
    head: u64,
    sequence: u64,
    expires: u64,
    key_len: u32,
    value_len: u32,
    prev: AtomicU32,
    /// The oldest version of the key that was there when this was written, or this one. Versions
    /// that come later are newer, unless callers choose them; then it is only not the very last.
    oldest: u32,
    kind: Kind,
    meta: u8,
    discards_earlier: bool,
    height: u8,
    // The key follows, then the value.
}

const NODE_BYTES: usize = size_of::<Node>();
const LINK_BYTES: usize = size_of::<AtomicU32>();

/// The node before all others, behind its tower. Place 0 is nowhere.
const ORIGIN: u32 = 48;

/// Bytes the list needs before it holds anything.
pub(crate) const EMPTY_BYTES: usize = ORIGIN as usize + NODE_BYTES;

const _: () = assert!(
    ORIGIN as usize == HEIGHT_MAX * LINK_BYTES
        && ORIGIN.is_multiple_of(8)
        && EMPTY_BYTES.is_multiple_of(8)
);

/// Bytes of a tower, so that the node behind it is aligned.
fn tower_bytes(height: usize) -> usize {
    (height * LINK_BYTES).next_multiple_of(8)
}

/// The most bytes that a record with this key and value takes.
pub(crate) const fn record_bytes_max(key_len: usize, value_len: usize) -> usize {
    NODE_BYTES + HEIGHT_MAX * LINK_BYTES + key_len + value_len + 8
}

/// What the one writer knows.
struct Writer {
    used: usize,
    random: u64,
}

/// The nodes before a place, on every level.
type Finger = [u32; HEIGHT_MAX];

/// A sorted list of records.
pub(crate) struct Skiplist {
    memory: NonNull<u8>,
    layout: Layout,
    /// Levels in use; a reader that sees too few only walks further.
    height: AtomicUsize,
    writer: Mutex<Writer>,
}

// SAFETY: the memory is owned; shared access follows the protocol at the top of this file.
unsafe impl Send for Skiplist {}
// SAFETY: as above: one writer under a lock, readers through acquired links.
unsafe impl Sync for Skiplist {}

impl Skiplist {
    /// An empty list that may take `capacity` bytes; `None` if there is no memory for it.
    pub fn new(capacity: usize) -> Option<Skiplist> {
        let capacity = capacity.clamp(EMPTY_BYTES, u32::MAX as usize / 2);
        let layout = Layout::from_size_align(capacity, 8).ok()?;
        // SAFETY: the layout's size is at least `EMPTY_BYTES`, so not zero.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let list = Skiplist {
            memory,
            layout,
            height: AtomicUsize::new(1),
            writer: Mutex::new(Writer {
                used: EMPTY_BYTES,
                random: 0x9E37_79B9_7F4A_7C15,
            }),
        };
        // The origin is a node of zeros: no key, no links.
        Some(list)
    }

    /// Bytes taken so far.
    pub fn used_bytes(&self) -> usize {
        locked(&self.writer).used
    }

    pub fn capacity_bytes(&self) -> usize {
        self.layout.size()
    }

    fn at(&self, place: u32) -> *mut u8 {
        // SAFETY: a place is 0, the origin, or came from `insert_all`, which checked it against
        // the capacity; so the result stays inside the one allocation.
        unsafe { self.memory.as_ptr().add(place as usize) }
    }

    /// The link of the node at `place` on `level`, which must be below its height.
    fn link(&self, place: u32, level: usize) -> &AtomicU32 {
        // SAFETY: the tower stands before the node inside the memory, lowest link last, and is
        // 4-aligned since nodes are 8-aligned. Callers come to `place` on a link of this level, or
        // it is the origin, which has all levels.
        unsafe { &*self.at(place).sub((level + 1) * LINK_BYTES).cast() }
    }

    /// Has the processor fetch a node that may be looked at next.
    #[inline]
    fn fetch(&self, place: u32) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: fetching changes nothing and cannot fail, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(self.at(place).cast());
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = place;
    }

    fn next_on(&self, place: u32, level: usize) -> u32 {
        self.link(place, level).load(Ordering::Acquire)
    }

    fn prev_of(&self, place: u32) -> &AtomicU32 {
        // SAFETY: `prev` is an atomic inside a node's header; no exclusive reference to it exists.
        unsafe { &(*self.at(place).cast::<Node>()).prev }
    }

    /// The key's head and the version of a node that is not the origin.
    fn order_of(&self, place: u32) -> (u64, u64) {
        // SAFETY: the node was written before the link that led here, and is not written again.
        unsafe {
            let node = self.at(place).cast::<Node>();
            ((*node).head, (*node).sequence)
        }
    }

    /// The key and value of a node that is not the origin.
    fn parts_of(&self, place: u32) -> (&[u8], &[u8]) {
        // SAFETY: lengths and bytes were written before the link that led here, lie inside the
        // allocation, and do not change while `self` is borrowed.
        unsafe {
            let node = self.at(place).cast::<Node>();
            let (key_len, value_len) = ((*node).key_len as usize, (*node).value_len as usize);
            let key = self.at(place).add(NODE_BYTES);
            (
                std::slice::from_raw_parts(key, key_len),
                std::slice::from_raw_parts(key.add(key_len), value_len),
            )
        }
    }

    fn entry_of(&self, place: u32) -> Entry<'_> {
        let (key, value) = self.parts_of(place);
        // SAFETY: as in `order_of`; the kind was written as a `Kind`.
        unsafe {
            let node = self.at(place).cast::<Node>();
            Entry {
                key,
                sequence: Sequence((*node).sequence),
                kind: (*node).kind,
                extra: Extra {
                    expires: (*node).expires,
                    meta: (*node).meta,
                    discards_earlier: (*node).discards_earlier,
                },
                value,
            }
        }
    }

    /// The last node that is known to hold a version of the key of the node at `place`.
    fn oldest_of(&self, place: u32) -> u32 {
        // SAFETY: as in `order_of`.
        unsafe { (*self.at(place).cast::<Node>()).oldest }
    }

    /// Whether the node at `place` comes before the target.
    #[inline]
    fn is_before(&self, place: u32, target: &Target<'_>) -> bool {
        let (node_head, sequence) = self.order_of(place);
        if node_head != target.head {
            return node_head < target.head;
        }
        match self.parts_of(place).0.cmp(target.key) {
            // Newer versions come first.
            Order::Equal => sequence > target.sequence,
            order => order == Order::Less,
        }
    }

    /// Whether the node at `place` is of the target's key.
    fn has_key(&self, place: u32, target: &Target<'_>) -> bool {
        self.order_of(place).0 == target.head && self.parts_of(place).0 == target.key
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
            let next = self.next_on(place, level);
            if let Some(below) = level.checked_sub(1) {
                // If the next one is too far, that is where the search goes on.
                self.fetch(self.next_on(place, below));
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
        self.reference(self.next_on(ORIGIN, 0))
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
            let behind = self.next_on(of(&finger, 0), 0);
            let older = (behind != 0 && self.has_key(behind, &target)).then_some(behind);
            let older = older.map(|behind| self.oldest_of(behind));
            let Some(place) = self.write(&mut writer, &record, target.head, older) else {
                return false;
            };
            self.tie_in(place, &mut finger);
        }
        true
    }

    /// Moves the finger forward to the target: up while that skips nodes, then down.
    fn move_finger(&self, finger: &mut Finger, target: &Target<'_>) {
        let mut top = 0;
        while top + 1 < HEIGHT_MAX {
            let next = self.next_on(of(finger, top + 1), top + 1);
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

    /// Writes a node that no link leads to yet.
    fn write(
        &self,
        writer: &mut Writer,
        record: &Entry<'_>,
        head: u64,
        oldest: Option<u32>,
    ) -> Option<u32> {
        writer.random ^= writer.random << 13;
        writer.random ^= writer.random >> 7;
        writer.random ^= writer.random << 17;
        let height = 1 + (writer.random.trailing_zeros() / 2).min(HEIGHT_MAX_U32 - 1);
        let start = writer.used.checked_add(tower_bytes(height as usize))?;
        let bytes = NODE_BYTES + record.key.len() + record.value.len();
        let end = start.checked_add(bytes)?.checked_next_multiple_of(8)?;
        let place = u32::try_from(start).ok()?;
        if end > self.layout.size() {
            return None;
        }
        let [height, ..] = height.to_le_bytes();
        let node = Node {
            head,
            sequence: record.sequence.0,
            expires: record.extra.expires,
            key_len: u32::try_from(record.key.len()).ok()?,
            value_len: u32::try_from(record.value.len()).ok()?,
            prev: AtomicU32::new(0),
            oldest: oldest.unwrap_or(place),
            kind: record.kind,
            meta: record.extra.meta,
            discards_earlier: record.extra.discards_earlier,
            height,
        };
        // SAFETY: `used..end` lies inside the allocation, `place` is 8-aligned, none of it was
        // handed out before, and nobody reads it until `tie_in` links it; the tower stays zero.
        unsafe {
            self.at(place).cast::<Node>().write(node);
            let key = self.at(place).add(NODE_BYTES);
            key.copy_from_nonoverlapping(record.key.as_ptr(), record.key.len());
            let value = key.add(record.key.len());
            value.copy_from_nonoverlapping(record.value.as_ptr(), record.value.len());
        }
        writer.used = end;
        self.height
            .fetch_max(usize::from(height), Ordering::Release);
        Some(place)
    }

    /// Links a written node in behind the finger, and moves the finger onto it.
    fn tie_in(&self, place: u32, finger: &mut Finger) {
        // SAFETY: `write` has just written this node, under the same lock.
        let height = usize::from(unsafe { (*self.at(place).cast::<Node>()).height });
        self.prev_of(place).store(of(finger, 0), Ordering::Relaxed);
        let behind = self.next_on(of(finger, 0), 0);
        for level in 0..height {
            let before = of(finger, level);
            let next = self.link(before, level).load(Ordering::Relaxed);
            self.link(place, level).store(next, Ordering::Relaxed);
            self.link(before, level).store(place, Ordering::Release);
            *finger = with(*finger, level, place);
        }
        if behind != 0 {
            // A reader going back before this store passes the new node by, which is newer than
            // anything it may see.
            self.prev_of(behind).store(place, Ordering::Release);
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

impl Drop for Skiplist {
    fn drop(&mut self) {
        // SAFETY: the memory came from `alloc_zeroed` with this layout, and every borrow of it
        // has ended.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
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
        self.list.entry_of(self.place)
    }

    pub fn next(self) -> Option<NodeRef<'a>> {
        self.list.reference(self.list.next_on(self.place, 0))
    }

    /// The first record behind the versions of this key that were there when this was written.
    pub fn next_key(self) -> Option<NodeRef<'a>> {
        let oldest = self.list.oldest_of(self.place);
        self.list.reference(self.list.next_on(oldest, 0))
    }

    pub fn prev(self) -> Option<NodeRef<'a>> {
        let prev = self.list.prev_of(self.place).load(Ordering::Acquire);
        self.list.reference(prev)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// Versions that the racing writer makes; few where each step is interpreted.
    const LAST: u64 = if cfg!(miri) { 60 } else { 3_000 };

    fn entry(key: &[u8], sequence: u64) -> Entry<'_> {
        Entry {
            key,
            sequence: Sequence(sequence),
            kind: Kind::Put,
            extra: Extra::default(),
            value: key,
        }
    }

    fn list() -> Skiplist {
        let Some(list) = Skiplist::new(if cfg!(miri) { 1 << 15 } else { 1 << 20 }) else {
            unreachable!("a mebibyte is there")
        };
        list
    }

    #[test]
    fn a_reader_never_meets_a_version_newer_than_it_asked_for() {
        let (list, newest) = (list(), AtomicU64::new(0));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for sequence in 1..=LAST {
                    assert!(list.insert_all([entry(b"key", sequence)]));
                    newest.store(sequence, Ordering::Release);
                }
            });
            for _ in 0..2 {
                scope.spawn(|| {
                    loop {
                        let at = newest.load(Ordering::Acquire);
                        let found = list.seek(b"key", Sequence(at));
                        let found = found.map_or(0, |node| node.entry().sequence.0);
                        assert_eq!(found, at);
                        if at == LAST {
                            break;
                        }
                    }
                });
            }
        });
    }

    #[test]
    fn all_versions_of_a_key_are_passed_by_at_once() {
        let list = list();
        for sequence in 1..=50 {
            assert!(list.insert_all([entry(b"a", sequence), entry(b"b", sequence)]));
        }
        assert!(list.insert_all([entry(b"c", 51)]));
        for at in [50, 25, 1] {
            let node = list.seek(b"a", Sequence(at)).and_then(NodeRef::next_key);
            assert_eq!(node.map(|node| node.entry().key), Some(&b"b"[..]));
            let node = node.and_then(NodeRef::next_key);
            assert_eq!(node.map(|node| node.entry().sequence), Some(Sequence(51)));
            assert!(node.and_then(NodeRef::next_key).is_none());
        }
        // An older version that comes later is met behind the jump and not lost.
        let list = self::list();
        assert!(list.insert_all([entry(b"a", 9)]) && list.insert_all([entry(b"a", 3)]));
        let node = list.seek(b"a", Sequence(9)).and_then(NodeRef::next_key);
        assert_eq!(node.map(|node| node.entry().sequence), Some(Sequence(3)));
    }

    #[test]
    fn batches_come_back_in_order_both_ways() {
        const BATCH: u64 = if cfg!(miri) { 10 } else { 100 };
        let list = list();
        let key = |number: u64| (number * 7919 % (10 * BATCH)).to_be_bytes();
        for batch in 0..10 {
            let mut keys: Vec<[u8; 8]> = (batch * BATCH..(batch + 1) * BATCH).map(key).collect();
            keys.sort_unstable();
            let entries = keys.iter().map(|key| entry(key, batch + 1));
            assert!(list.insert_all(entries));
        }
        let (mut node, mut count) = (list.first(), 0_u64);
        let mut last = None;
        while let Some(here) = node {
            assert_eq!(here.entry().key, count.to_be_bytes());
            count += 1;
            last = node;
            node = here.next();
        }
        assert_eq!(count, 10 * BATCH);
        while let Some(here) = last {
            count -= 1;
            assert_eq!(here.entry().key, count.to_be_bytes());
            last = here.prev();
        }
        assert_eq!(count, 0);
        let full = (0..100_000_u64)
            .map(u64::to_be_bytes)
            .find(|key| !list.insert_all([entry(key, 99)]));
        assert!(full.is_some(), "a full list refuses");
    }
}
