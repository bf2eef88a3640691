//! A skiplist's nodes: records of different lengths in one piece of memory.
//!
//! This is the engine's only room with unsafe code of its own. Its invariants:
//! * memory is asked for once, zeroed, and given back by `drop`; nothing in it moves or is freed
//!   before, so what a reader borrows from it stays where it is;
//! * only the list's one writer calls [`Nodes::write`] and stores links, under its lock;
//! * a node's bytes are written before any link to it is stored with `Release`, and never after;
//!   readers come to it only by links loaded with `Acquire`. Links themselves are atomics;
//! * a place is 0, which is nowhere, the origin, or what `write` answered: a multiple of 8, with
//!   the node's tower before it and its header, key and value behind it inside the memory. The
//!   list keeps places of one piece of memory apart from those of another, and asks for a link
//!   only on a level that it came to the node by.

#![allow(
    unsafe_code,
    reason = "an arena of nodes of different lengths, read while it grows"
)]

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::entry::{Entry, Extra, Kind};
use crate::id::Sequence;

/// Levels of the tallest tower; with one node in four going up, enough for 4^12 nodes.
pub(crate) const HEIGHT_MAX: usize = 12;
pub(crate) const HEIGHT_MAX_U32: u32 = 12;

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
pub(crate) const ORIGIN: u32 = 48;

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
        let capacity = capacity.clamp(EMPTY_BYTES, u32::MAX as usize / 2);
        let layout = Layout::from_size_align(capacity, 8).ok()?;
        // SAFETY: the layout's size is at least `EMPTY_BYTES`, so not zero.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        // The origin is a node of zeros: no key, no links.
        Some(Nodes { memory, layout })
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
    pub fn link(&self, place: u32, level: usize) -> &AtomicU32 {
        // SAFETY: the tower stands before the node inside the memory, lowest link last, and is
        // 4-aligned since nodes are 8-aligned. Callers come to `place` on a link of this level, or
        // it is the origin, which has all levels.
        unsafe { &*self.at(place).sub((level + 1) * LINK_BYTES).cast() }
    }

    /// Has the processor fetch a node that may be looked at next.
    #[inline]
    pub fn fetch(&self, place: u32) {
        #[cfg(all(target_arch = "x86_64", not(miri)))]
        // SAFETY: fetching changes nothing and cannot fail, whatever the address.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(self.at(place).cast());
        }
        #[cfg(not(all(target_arch = "x86_64", not(miri))))]
        let _ = place;
    }

    /// The node behind `place` on `level`, or 0.
    #[inline]
    pub fn next_on(&self, place: u32, level: usize) -> u32 {
        self.link(place, level).load(Ordering::Acquire)
    }

    /// The link to the node before.
    pub fn prev_of(&self, place: u32) -> &AtomicU32 {
        // SAFETY: `prev` is an atomic inside a node's header; no exclusive reference to it exists.
        unsafe { &(*self.at(place).cast::<Node>()).prev }
    }

    /// The key's head and the version of a node that is not the origin.
    pub fn order_of(&self, place: u32) -> (u64, u64) {
        // SAFETY: the node was written before the link that led here, and is not written again.
        unsafe {
            let node = self.at(place).cast::<Node>();
            ((*node).head, (*node).sequence)
        }
    }

    /// The key and value of a node that is not the origin.
    pub fn parts_of(&self, place: u32) -> (&[u8], &[u8]) {
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

    /// The record of a node that is not the origin.
    pub fn entry_of(&self, place: u32) -> Entry<'_> {
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
    pub fn oldest_of(&self, place: u32) -> u32 {
        // SAFETY: as in `order_of`.
        unsafe { (*self.at(place).cast::<Node>()).oldest }
    }

    /// The height of the node at `place`.
    pub fn height_of(&self, place: u32) -> usize {
        // SAFETY: as in `order_of`.
        usize::from(unsafe { (*self.at(place).cast::<Node>()).height })
    }

    /// Writes a node that no link leads to yet behind the first `used` bytes; answers its place
    /// and how many bytes are used then.
    pub fn write(
        &self,
        used: usize,
        record: &Entry<'_>,
        (head, height): (u64, u8),
        oldest: Option<u32>,
    ) -> Option<(u32, usize)> {
        let start = used.checked_add(tower_bytes(usize::from(height)))?;
        let bytes = NODE_BYTES + record.key.len() + record.value.len();
        let end = start.checked_add(bytes)?.checked_next_multiple_of(8)?;
        let place = u32::try_from(start).ok()?;
        if end > self.layout.size() {
            return None;
        }
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
        // handed out before, and nobody reads it until a link to it is stored; the tower stays zero.
        unsafe {
            self.at(place).cast::<Node>().write(node);
            let key = self.at(place).add(NODE_BYTES);
            key.copy_from_nonoverlapping(record.key.as_ptr(), record.key.len());
            let value = key.add(record.key.len());
            value.copy_from_nonoverlapping(record.value.as_ptr(), record.value.len());
        }
        Some((place, end))
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        // SAFETY: the memory came from `alloc_zeroed` with this layout, and every borrow of it
        // has ended.
        unsafe { dealloc(self.memory.as_ptr(), self.layout) }
    }
}
