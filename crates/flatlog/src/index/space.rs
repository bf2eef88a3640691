//! The index of one space: chunks under groups under one top node, shared and copied on write.
//!
//! Invariants:
//! * no chunk and no group is empty;
//! * cloning costs one reference count; a change copies what is shared on its way down (the top
//!   node, one group, one chunk) and nothing else, and what is not shared is changed in place.

use std::sync::Arc;

use crate::index::chunk::{CHUNK_KEYS_MAX, CHUNK_KEYS_MIN, Chunk};
use crate::index::entry::Entry;
use crate::index::item::{Change, Edit, Item, Observer};
use crate::index::node::Node;
use crate::place::Place;

/// Chunks under one group, at most.
const GROUP_CHUNKS_MAX: usize = 128;

pub(crate) type Group = Node<Chunk>;

/// All keys of a space.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpaceIndex {
    top: Arc<Node<Group>>,
    len: u64,
}

/// Memory of an index by part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    pub(crate) chunks: u64,
    pub(crate) key_bytes: u64,
    pub(crate) memory_bytes: u64,
}

impl SpaceIndex {
    /// How many keys there are.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn top(&self) -> &Node<Group> {
        &self.top
    }

    /// The entry of `key`.
    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<Item> {
        let group = self.top.child(self.top.child_of(key))?;
        let chunk = group.child(group.child_of(key))?;
        match chunk.keys.find(key) {
            (index, true) => chunk.item(index),
            _ => None,
        }
    }

    /// The entry of `key`, with nothing of it read.
    pub(crate) fn entry(&self, key: &[u8]) -> Option<Entry<'_>> {
        let group = self.top.child(self.top.child_of(key))?;
        let chunk = group.child(group.child_of(key))?;
        match chunk.keys.find(key) {
            (index, true) => Entry::new(chunk, index),
            _ => None,
        }
    }

    /// The place of the record that can be `key`'s, and whether it certainly is: where it is not, the
    /// record tells, which saves a look at the key's bytes here.
    #[inline]
    pub(crate) fn candidate(&self, key: &[u8]) -> Option<(Place, bool)> {
        let group = self.top.child(self.top.child_of(key))?;
        let chunk = group.child(group.child_of(key))?;
        chunk.touch_place(key);
        let (index, certain) = chunk.keys.candidate(key)?;
        Some((chunk.place(index)?, certain))
    }

    /// About how many keys are below `key`: exact within a chunk, and as if all chunks were
    /// equally full before it. O(groups).
    pub(crate) fn rank(&self, key: &[u8]) -> u64 {
        let group_at = self.top.child_of(key);
        let (mut before, mut chunks) = (0, 0);
        for (number, group) in self.top.children().enumerate() {
            before += if number < group_at { group.len() } else { 0 };
            chunks += group.len();
        }
        let Some(group) = self.top.child(group_at) else {
            return 0;
        };
        let chunk_at = group.child_of(key);
        let index = group
            .child(chunk_at)
            .map_or(0, |chunk| chunk.keys.find(key).0);
        let whole = (before + chunk_at) as u64;
        whole * self.len / (chunks as u64).max(1) + index as u64
    }

    /// Gives `key` another place for the record it names at `from`; answers whether it did.
    pub(crate) fn relocate(&mut self, key: &[u8], from: Place, to: Place) -> bool {
        if self.get(key).is_none_or(|item| item.place != from) {
            return false;
        }
        let top = Arc::make_mut(&mut self.top);
        let Some(group) = top.child_mut(top.child_of(key)).map(Arc::make_mut) else {
            return false;
        };
        let Some(chunk) = group.child_mut(group.child_of(key)).map(Arc::make_mut) else {
            return false;
        };
        let (index, found) = chunk.keys.find(key);
        if found {
            chunk.move_to(index, to);
        }
        found
    }

    /// Makes strictly ascending edits: O(edits + chunks touched).
    pub(crate) fn apply(&mut self, mut edits: &[Edit<'_>], observer: &mut dyn Observer) {
        let mut counting = Counting {
            inner: observer,
            len: self.len,
        };
        let top = Arc::make_mut(&mut self.top);
        while let Some(first) = edits.first() {
            if top.len() == 0 {
                build(top, edits, &mut counting);
                break;
            }
            let at = top.child_of(first.key);
            let (run, rest) = cut(edits, top.end_of(at));
            edits = rest;
            if let Some(group) = top.child_mut(at) {
                let group = Arc::make_mut(group);
                apply_to_group(group, run, &mut counting);
                settle_group(top, at);
            }
        }
        self.len = counting.len;
    }

    /// The index of these chunks, which hold `len` keys.
    pub(crate) fn of_chunks(chunks: Vec<Chunk>, len: u64) -> SpaceIndex {
        let mut top = Node::default();
        group_chunks(&mut top, chunks);
        SpaceIndex {
            top: Arc::new(top),
            len,
        }
    }

    /// What the index takes, counted exactly. O(chunks).
    pub(crate) fn footprint(&self) -> Footprint {
        let mut total = Footprint {
            memory_bytes: self.top.memory_bytes() as u64,
            ..Footprint::default()
        };
        // Each Arc has two counts before what it holds.
        const COUNTS_BYTES: usize = 16;
        for group in self.top.children() {
            total.memory_bytes += (group.memory_bytes() + COUNTS_BYTES) as u64;
            for chunk in group.children() {
                total.chunks += 1;
                total.key_bytes += chunk.keys.key_bytes() as u64;
                total.memory_bytes += (chunk.memory_bytes() + COUNTS_BYTES) as u64;
            }
        }
        total
    }
}

/// The edits below `end`, and the rest.
fn cut<'e, 'k>(edits: &'e [Edit<'k>], end: Option<&[u8]>) -> (&'e [Edit<'k>], &'e [Edit<'k>]) {
    let Some(end) = end else {
        return (edits, &[]);
    };
    // Runs are short next to the batch: look ahead in doubling steps before halving.
    let mut reach = 1;
    while edits.get(reach).is_some_and(|edit| edit.key < end) {
        reach *= 2;
    }
    let near = edits.get(..reach.min(edits.len())).unwrap_or(edits);
    edits.split_at(near.partition_point(|edit| edit.key < end))
}

/// Makes the edits of one group.
fn apply_to_group(group: &mut Group, mut edits: &[Edit<'_>], observer: &mut dyn Observer) {
    while let Some(first) = edits.first() {
        if group.len() == 0 {
            let chunks = Chunk::default().merged(edits, observer);
            chunks
                .into_iter()
                .for_each(|chunk| push_chunk(group, chunk));
            break;
        }
        let at = group.child_of(first.key);
        let (run, rest) = cut(edits, group.end_of(at));
        edits = rest;
        let Some(chunk) = group.child_mut(at) else {
            break;
        };
        if run.len() * 16 <= chunk.len() + 16 && chunk.len() + run.len() <= CHUNK_KEYS_MAX {
            let chunk = Arc::make_mut(chunk);
            run.iter().for_each(|edit| chunk.edit(edit, observer));
            settle_chunk(group, at);
        } else if run.len() == 1 {
            let chunk = Arc::make_mut(chunk);
            let back = chunk.split();
            let first_key = back.keys.first().to_vec();
            group.insert(at + 1, Arc::new(back), &first_key);
            let at = group.child_of(first.key);
            if let Some(chunk) = group.child_mut(at) {
                run.iter()
                    .for_each(|edit| Arc::make_mut(chunk).edit(edit, observer));
            }
        } else {
            let chunks = chunk.merged(run, observer);
            replace_chunk(group, at, chunks);
        }
    }
}

fn push_chunk(group: &mut Group, chunk: Chunk) {
    let first_key = chunk.keys.first().to_vec();
    group.push(Arc::new(chunk), &first_key);
}

fn replace_chunk(group: &mut Group, at: usize, chunks: Vec<Chunk>) {
    let mut chunks = chunks.into_iter();
    match (chunks.next(), group.child_mut(at)) {
        (Some(first), Some(old)) => *old = Arc::new(first),
        _ => group.remove(at),
    }
    for (behind, chunk) in (at + 1..).zip(chunks) {
        let first_key = chunk.keys.first().to_vec();
        group.insert(behind, Arc::new(chunk), &first_key);
    }
}

/// Joins a chunk that has become small with a neighbour, and drops one that is empty.
fn settle_chunk(group: &mut Group, at: usize) {
    let len_of = |group: &Group, at: usize| group.child(at).map(|chunk| chunk.len());
    let Some(len) = len_of(group, at).filter(|len| *len < CHUNK_KEYS_MIN) else {
        return;
    };
    if len == 0 {
        group.remove(at);
        return;
    }
    let joins = |other: Option<usize>| other.is_some_and(|other| other + len <= CHUNK_KEYS_MAX / 2);
    let left = if joins(len_of(group, at + 1)) {
        at
    } else if at > 0 && joins(len_of(group, at - 1)) {
        at - 1
    } else {
        return;
    };
    let Some(right) = group.child(left + 1).cloned() else {
        return;
    };
    if let Some(chunk) = group.child_mut(left) {
        Arc::make_mut(chunk).append(&right);
        group.remove(left + 1);
    }
}

/// Splits a group that has become large, and drops one that is empty.
fn settle_group(top: &mut Node<Group>, at: usize) {
    while let Some(group) = top.child_mut(at) {
        match group.len() {
            0 => return top.remove(at),
            len if len > GROUP_CHUNKS_MAX => {
                // The front is cut off at its limit as long as the back is too large.
                let (first_key, back) = Arc::make_mut(group).split();
                top.insert(at + 1, Arc::new(back), &first_key);
                if len <= 2 * GROUP_CHUNKS_MAX {
                    return;
                }
                settle_group(top, at + 1);
            }
            _ => return,
        }
    }
}

/// Builds everything below an empty top node.
fn build(top: &mut Node<Group>, edits: &[Edit<'_>], observer: &mut dyn Observer) {
    group_chunks(top, Chunk::default().merged(edits, observer));
}

fn group_chunks(top: &mut Node<Group>, chunks: Vec<Chunk>) {
    let mut group = Group::default();
    let mut first_key = Vec::new();
    for chunk in chunks {
        if group.len() == 0 {
            first_key = chunk.keys.first().to_vec();
        }
        push_chunk(&mut group, chunk);
        if group.len() == GROUP_CHUNKS_MAX * 3 / 4 {
            top.push(Arc::new(std::mem::take(&mut group)), &first_key);
        }
    }
    if group.len() > 0 {
        top.push(Arc::new(group), &first_key);
    }
}

/// Counts keys on the way to the observer.
struct Counting<'a> {
    inner: &'a mut dyn Observer,
    len: u64,
}

impl Observer for Counting<'_> {
    fn put(&mut self, key: &[u8], old: Option<&Item>, new: &Item) -> crate::ids::KeyId {
        self.len += u64::from(old.is_none());
        self.inner.put(key, old, new)
    }

    fn delete(&mut self, key: &[u8], old: Option<&Item>) {
        self.len -= u64::from(old.is_some());
        self.inner.delete(key, old);
    }
}

impl<'a> Edit<'a> {
    /// `key` has this entry from now on.
    pub(crate) fn put(key: &'a [u8], item: Item) -> Edit<'a> {
        Edit {
            key,
            change: Change::Put(item),
        }
    }

    /// `key` is gone.
    pub(crate) fn delete(key: &'a [u8]) -> Edit<'a> {
        Edit {
            key,
            change: Change::Delete,
        }
    }
}
