//! A skiplist's nodes: towers of links and records of different lengths in one piece of memory.
//!
//! Towers stand side by side at its beginning, records are written down from its end: a search walks
//! towers, which so lie on few pages of memory, and looks at a record only where the beginnings of
//! two keys are the same. Most of its time goes into waiting for memory and for where a page lies.
//!
//! This is the engine's only room with unsafe code of its own. Its invariants:
//! * memory is asked for once, zeroed, and given back by `drop`; nothing in it moves or is freed
//!   before, so what a reader borrows from it stays where it is;
//! * only the list's one writer calls [`Nodes::write`] and stores links, under its lock;
//! * a node's bytes are written before any link to it is stored with `Release`, and never after;
//!   readers come to it only by links loaded with `Acquire`. Links themselves are atomics;
//! * a place is 0, which is nowhere, the origin, or what `write` answered: a multiple of 8, with
//!   the node's links before it and its foot at it inside the memory. The foot says where the
//!   record is: a multiple of 8, with the record's header, key and value at it inside the memory.
//!   The list keeps places of one piece of memory apart from those of another, and asks for a link
//!   only on a level that it came to the node by.

#![allow(
    unsafe_code,
    reason = "an arena of nodes of different lengths, read while it grows"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::entry::{Entry, Extra, Kind};
use crate::id::Sequence;
use crate::wire::low_u32;

/// Levels of the tallest tower; with every second node going up, enough for 2^20 nodes.
pub(crate) const HEIGHT_MAX: usize = 20;
pub(crate) const HEIGHT_MAX_U32: u32 = 20;

/// A link to a node: its place, and how its key begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Link(u64);

/// The beginning of a key's head, which sorts as keys do as far as it reaches.
#[inline]
pub(crate) const fn lead_of(head: u64) -> u32 {
    low_u32(head >> 32)
}

impl Link {
    /// To the node at `place`, whose key has this head.
    pub const fn new(place: u32, head: u64) -> Link {
        Link(head & !0xFFFF_FFFF | place as u64)
    }

    /// The node's place; 0 for none.
    #[inline]
    pub const fn place(self) -> u32 {
        low_u32(self.0)
    }

    /// The beginning of the node's key.
    #[inline]
    pub const fn lead(self) -> u32 {
        lead_of(self.0)
    }
}

/// The foot of a node's tower.
#[repr(C)]
struct Foot {
    /// Where the record is.
    record: u32,
    prev: AtomicU32,
}

/// What a record begins with.
#[repr(C)]
struct Node {
    head: u64,
    sequence: u64,
    expires: u64,
    key_len: u32,
    value_len: u32,
    /// The oldest version of the key that was there when this was written, or this one. Versions
    /// that come later are newer, unless callers choose them; then it is only not the very last.
    oldest: u32,
    kind: Kind,
    meta: u8,
    discards_earlier: bool,
    // The key follows, then the value.
}

const NODE_BYTES: usize = size_of::<Node>();
const FOOT_BYTES: usize = size_of::<Foot>();
const LINK_BYTES: usize = size_of::<AtomicU64>();

/// The node before all others, behind its links. Place 0 is nowhere.
pub(crate) const ORIGIN: u32 = 160;

/// Bytes the list needs before it holds anything.
pub(crate) const EMPTY_BYTES: usize = ORIGIN as usize + FOOT_BYTES;

const _: () = assert!(
    ORIGIN as usize == HEIGHT_MAX * LINK_BYTES
        && ORIGIN.is_multiple_of(8)
        && EMPTY_BYTES.is_multiple_of(8)
        && align_of::<Node>() == 8
);

/// Links that each node may have for its part: two are needed on average.
pub(crate) const LINKS_EACH: usize = 3;

/// The most bytes that any number of records together take beside what is said of each.
pub(crate) const RECORDS_EXTRA_BYTES: usize = HEIGHT_MAX * LINK_BYTES;

/// The most bytes that a record with this key and value takes. How high towers are is drawn, but
/// together they have no more than their parts and what the tallest tower has.
pub(crate) const fn record_bytes_max(key_len: usize, value_len: usize) -> usize {
    NODE_BYTES + FOOT_BYTES + LINKS_EACH * LINK_BYTES + key_len + value_len + 8
}

/// Where the free memory between towers and records begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Free {
    start: usize,
    end: usize,
}

/// The memory of a list's nodes.
pub(crate) struct Nodes {
    memory: NonNull<u8>,
    layout: Layout,
}

// SAFETY: the memory is owned; shared access follows the protocol at the top of this file.
unsafe impl Send for Nodes {}
// SAFETY: as above: one writer under a lock, readers through acquired links.
unsafe impl Sync for Nodes {}

impl Nodes {
    /// Memory of `capacity` bytes, with the origin in it; `None` if there is none.
    pub fn new(capacity: usize) -> Option<Nodes> {
        let capacity = capacity.clamp(EMPTY_BYTES, u32::MAX as usize / 2) / 8 * 8;
        let layout = Layout::from_size_align(capacity, 8).ok()?;
        // SAFETY: the layout's size is at least `EMPTY_BYTES`, so not zero.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // The origin is a tower of zeros: no record, no links.
        Some(Nodes { memory, layout })
    }

    pub fn capacity_bytes(&self) -> usize {
        self.layout.size()
    }

    /// What is free while there is nothing but the origin.
    pub fn all_free(&self) -> Free {
        Free {
            start: EMPTY_BYTES,
            end: self.layout.size(),
        }
    }

    /// Bytes taken when so much is free.
    pub fn used_bytes(&self, free: Free) -> usize {
        self.layout.size() - (free.end - free.start)
    }

    fn at(&self, place: u32) -> *mut u8 {
        // SAFETY: a place is 0, the origin, or came from `write`, as where a record is, which checked
        // them against the capacity; so the result stays inside the one allocation.
        unsafe { self.memory.as_ptr().add(place as usize) }
    }

    /// The link of the node at `place` on `level`, which must be below its height.
    fn link(&self, place: u32, level: usize) -> &AtomicU64 {
        // SAFETY: the links stand before the foot inside the memory, the lowest last, and are
        // 8-aligned as feet are. Callers come to `place` on a link of this level, or
        // it is the origin, which has all levels.
        unsafe { &*self.at(place).sub((level + 1) * LINK_BYTES).cast() }
    }

    /// The link from `place` to the node behind it on `level`.
    #[inline]
    pub fn next_on(&self, place: u32, level: usize) -> Link {
        Link(self.link(place, level).load(Ordering::Acquire))
    }

    /// Links `place` to another node on `level`, for the writer.
    pub fn set_next(&self, place: u32, level: usize, next: Link) {
        self.link(place, level).store(next.0, Ordering::Release);
    }

    fn foot(&self, place: u32) -> &Foot {
        // SAFETY: a foot was written before the link that led here, and of it only the atomic
        // changes since; no exclusive reference to it exists.
        unsafe { &*self.at(place).cast::<Foot>() }
    }

    /// The header of the record of a node that is not the origin, and the bytes behind it.
    fn record(&self, place: u32) -> (&Node, *const u8) {
        let record = self.at(self.foot(place).record);
        // SAFETY: the foot of a node that is not the origin says where its record is, which was
        // written before the link that led here, and is not written again.
        unsafe { (&*record.cast::<Node>(), record.add(NODE_BYTES)) }
    }

    /// The link to the node before.
    pub fn prev_of(&self, place: u32) -> &AtomicU32 {
        &self.foot(place).prev
    }

    /// The key's head and the version of a node that is not the origin.
    pub fn order_of(&self, place: u32) -> (u64, u64) {
        let node = self.record(place).0;
        (node.head, node.sequence)
    }

    /// The key and value of a node that is not the origin.
    pub fn parts_of(&self, place: u32) -> (&[u8], &[u8]) {
        let (node, key) = self.record(place);
        let (key_len, value_len) = (node.key_len as usize, node.value_len as usize);
        // SAFETY: lengths and bytes were written before the link that led here, lie inside the
        // allocation, and do not change while `self` is borrowed.
        unsafe {
            (
                std::slice::from_raw_parts(key, key_len),
                std::slice::from_raw_parts(key.add(key_len), value_len),
            )
        }
    }

    /// The record of a node that is not the origin.
    pub fn entry_of(&self, place: u32) -> Entry<'_> {
        let (key, value) = self.parts_of(place);
        let node = self.record(place).0;
        Entry {
            key,
            sequence: Sequence(node.sequence),
            kind: node.kind,
            extra: Extra {
                expires: node.expires,
                meta: node.meta,
                discards_earlier: node.discards_earlier,
            },
            value,
        }
    }

    /// The last node that is known to hold a version of the key of the node at `place`.
    pub fn oldest_of(&self, place: u32) -> u32 {
        self.record(place).0.oldest
    }

    /// Writes a node with so many links, which no link leads to yet, into memory that is `free`;
    /// answers its place and what is free then.
    pub fn write(
        &self,
        free: Free,
        record: &Entry<'_>,
        (head, height): (u64, usize),
        oldest: Option<u32>,
    ) -> Option<(u32, Free)> {
        let start = free.start + height * LINK_BYTES;
        let bytes = NODE_BYTES + record.key.len() + record.value.len();
        let end = free.end.checked_sub(bytes)? / 8 * 8;
        let left = Free {
            start: start + FOOT_BYTES,
            end,
        };
        let place = u32::try_from(start).ok()?;
        if left.start > left.end {
            return None;
        }
        let node = Node {
            head,
            sequence: record.sequence.0,
            expires: record.extra.expires,
            key_len: u32::try_from(record.key.len()).ok()?,
            value_len: u32::try_from(record.value.len()).ok()?,
            oldest: oldest.unwrap_or(place),
            kind: record.kind,
            meta: record.extra.meta,
            discards_earlier: record.extra.discards_earlier,
        };
        let foot = Foot {
            record: u32::try_from(end).ok()?,
            prev: AtomicU32::new(0),
        };
        // SAFETY: tower and record lie in what is free, so inside the allocation, apart from each
        // other, and never handed out before; both begin at multiples of 8. Nobody reads them until
        // a link to them is stored; the links stay zero.
        unsafe {
            self.at(place).cast::<Foot>().write(foot);
            let to = self.memory.as_ptr().add(end);
            to.cast::<Node>().write(node);
            let key = to.add(NODE_BYTES);
            key.copy_from_nonoverlapping(record.key.as_ptr(), record.key.len());
            let value = key.add(record.key.len());
            value.copy_from_nonoverlapping(record.value.as_ptr(), record.value.len());
        }
        Some((place, left))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // SAFETY: the memory came from `alloc_zeroed` with this layout, and every borrow of it
        // has ended.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}
