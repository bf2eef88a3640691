//! A node in memory: the elements of one page, being edited.
//!
//! Invariants:
//! * slots are ascending by key, without equals;
//! * `size_bytes` is what the node would take packed on a page;
//! * `heap` holds every key and value a slot names, and `dead_bytes` that no slot names any more.

use pager::{HEADER_BYTES, PageId};

use crate::layout::{ELEMENT_BYTES, Elements, NewElement};

/// A node's place in its tree's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeIndex(pub u32);

/// What stands below a branch element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// A page nobody has changed.
    Page(PageId),
    /// A node in the arena.
    Node(NodeIndex),
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    at: usize,
    key_bytes: usize,
    value_bytes: usize,
    flags: u32,
    child: Child,
}

const NO_CHILD: Child = Child::Page(PageId(0));

/// A node being edited.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    leaf: bool,
    slots: Vec<Slot>,
    heap: Vec<u8>,
    dead_bytes: usize,
    size_bytes: usize,
    /// The run this node was read from, to be freed when it is written anew.
    pub origin: Option<(PageId, u64)>,
    /// Something was removed, so it may have become too small.
    pub unbalanced: bool,
    /// Everything put so far went behind the last slot.
    pub appended_only: bool,
}

impl Node {
    pub fn new(leaf: bool) -> Node {
        Node {
            leaf,
            slots: Vec::new(),
            heap: Vec::new(),
            dead_bytes: 0,
            size_bytes: HEADER_BYTES,
            origin: None,
            unbalanced: false,
            appended_only: true,
        }
    }

    /// Copies the elements of a page; `origin` is the run to free later, none for a page that
    /// lives inside a value.
    ///
    /// # Errors
    ///
    /// `Corrupt` for elements that share bytes and for keys that do not ascend: no change could
    /// be made to such a page that is sure to be found again.
    pub fn read(elements: Elements<'_>, origin: Option<(PageId, u64)>) -> pager::Result<Node> {
        let mut node = Node {
            origin,
            ..Node::new(elements.is_leaf())
        };
        node.slots.reserve(elements.count() + 1);
        node.heap.extend_from_slice(elements.bytes());
        elements.check_packed()?;
        let mut previous: Option<&[u8]> = None;
        for index in 0..elements.count() {
            let spot = elements.spot(index)?;
            let key = elements.key(index)?;
            if previous.is_some_and(|previous| previous >= key) {
                let what = format!("element {index}: not above the key before it");
                return Err(pager::Error::page(elements.id(), what));
            }
            previous = Some(key);
            let child = if node.leaf {
                NO_CHILD
            } else {
                Child::Page(elements.child(index)?)
            };
            node.slots.push(Slot {
                at: spot.at,
                key_bytes: spot.key_bytes,
                value_bytes: spot.value_bytes,
                flags: elements.flags(index)?,
                child,
            });
            node.size_bytes += ELEMENT_BYTES + spot.key_bytes + spot.value_bytes;
        }
        Ok(node)
    }

    pub fn is_leaf(&self) -> bool {
        self.leaf
    }

    pub fn count(&self) -> usize {
        self.slots.len()
    }

    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    fn bytes(&self, at: usize, len: usize) -> &[u8] {
        self.heap.get(at..at + len).unwrap_or_default()
    }

    /// The key at `index`; empty past the end.
    pub fn key(&self, index: usize) -> &[u8] {
        self.slots
            .get(index)
            .map_or(&[], |slot| self.bytes(slot.at, slot.key_bytes))
    }

    /// The value at `index`; empty past the end.
    pub fn value(&self, index: usize) -> &[u8] {
        self.slots.get(index).map_or(&[], |slot| {
            self.bytes(slot.at + slot.key_bytes, slot.value_bytes)
        })
    }

    pub fn flags(&self, index: usize) -> u32 {
        self.slots.get(index).map_or(0, |slot| slot.flags)
    }

    pub fn child(&self, index: usize) -> Option<Child> {
        self.slots.get(index).map(|slot| slot.child)
    }

    pub fn set_child(&mut self, index: usize, child: Child) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.child = child;
        }
    }

    /// Where `key` is, or where it would be.
    pub fn search(&self, key: &[u8]) -> Result<usize, usize> {
        // Loading in order is common, and then the last slot answers at once.
        if let Some(last) = self.slots.last()
            && key > self.bytes(last.at, last.key_bytes)
        {
            return Err(self.slots.len());
        }
        self.slots
            .binary_search_by(|slot| self.bytes(slot.at, slot.key_bytes).cmp(key))
    }

    /// The child whose subtree holds `key`, if any does.
    pub fn child_index(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(index) => index,
            Err(index) => index.saturating_sub(1),
        }
    }

    /// Puts an entry, replacing one with an equal key and equal flags.
    pub fn put(&mut self, key: &[u8], value: &[u8], flags: u32) -> crate::Result<()> {
        let place = self.search(key);
        if place.is_ok_and(|index| self.flags(index) != flags) {
            return Err(crate::Error::Incompatible("the key names a bucket"));
        }
        self.appended_only &= place == Err(self.slots.len());
        match place {
            Ok(index) => self.replace(index, key, value, flags, NO_CHILD),
            Err(index) => self.insert(index, key, value, flags, NO_CHILD),
        }
        Ok(())
    }

    /// Inserts a child before slot `index`.
    pub fn insert_child(&mut self, index: usize, key: &[u8], child: Child) {
        self.appended_only &= index >= self.slots.len();
        self.insert(index, key, &[], 0, child);
    }

    fn push_bytes(&mut self, key: &[u8], value: &[u8]) -> usize {
        self.drop_dead_bytes();
        let at = self.heap.len();
        self.heap.extend_from_slice(key);
        self.heap.extend_from_slice(value);
        at
    }

    fn insert(&mut self, index: usize, key: &[u8], value: &[u8], flags: u32, child: Child) {
        let at = self.push_bytes(key, value);
        let slot = Slot {
            at,
            key_bytes: key.len(),
            value_bytes: value.len(),
            flags,
            child,
        };
        self.slots.insert(index.min(self.slots.len()), slot);
        self.size_bytes += ELEMENT_BYTES + key.len() + value.len();
    }

    fn replace(&mut self, index: usize, key: &[u8], value: &[u8], flags: u32, child: Child) {
        let Some(old) = self.slots.get(index).copied() else {
            return;
        };
        let old_bytes = old.key_bytes + old.value_bytes;
        let new_bytes = key.len() + value.len();
        let at = if new_bytes == old_bytes {
            // In place: the common case of updating a value of fixed size.
            if let Some(target) = self.heap.get_mut(old.at..old.at + old_bytes) {
                let (key_target, value_target) = target.split_at_mut(key.len());
                key_target.copy_from_slice(key);
                value_target.copy_from_slice(value);
            }
            old.at
        } else {
            self.dead_bytes += old_bytes;
            self.push_bytes(key, value)
        };
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot {
                at,
                key_bytes: key.len(),
                value_bytes: value.len(),
                flags,
                child,
            };
        }
        self.size_bytes = self.size_bytes - old_bytes + new_bytes;
    }

    /// Gives branch element `index` the key `key`.
    pub fn set_key(&mut self, index: usize, key: &[u8]) {
        if let Some(child) = self.child(index).filter(|_| self.key(index) != key) {
            self.replace(index, key, &[], 0, child);
        }
    }

    /// Overwrites the beginning of the value at `index`.
    pub fn patch_value(&mut self, index: usize, prefix: &[u8]) {
        let Some(slot) = self.slots.get(index).copied() else {
            return;
        };
        let start = slot.at + slot.key_bytes;
        let len = prefix.len().min(slot.value_bytes);
        if let Some(target) = self.heap.get_mut(start..start + len) {
            target.copy_from_slice(prefix.get(..len).unwrap_or_default());
        }
    }

    /// Removes slot `index`.
    pub fn remove(&mut self, index: usize) {
        if index >= self.slots.len() {
            return;
        }
        let slot = self.slots.remove(index);
        self.dead_bytes += slot.key_bytes + slot.value_bytes;
        self.size_bytes -= ELEMENT_BYTES + slot.key_bytes + slot.value_bytes;
        self.unbalanced = true;
    }

    /// Moves all of `right`'s slots behind this node's.
    pub fn append(&mut self, right: &Node) {
        for (index, slot) in right.slots.iter().enumerate() {
            let (key, value) = (right.key(index), right.value(index));
            self.insert(self.slots.len(), key, value, slot.flags, slot.child);
        }
        self.appended_only = false;
    }

    /// Takes the slots from `index` on into a new node.
    pub fn split_off(&mut self, index: usize) -> Node {
        let mut right = Node {
            appended_only: self.appended_only,
            ..Node::new(self.leaf)
        };
        let moved = self.slots.split_off(index.min(self.slots.len()));
        let moved_bytes: usize = moved
            .iter()
            .map(|slot| slot.key_bytes + slot.value_bytes)
            .sum();
        right.slots.reserve(moved.len() + 1);
        right.heap.reserve(moved_bytes);
        for slot in &moved {
            let at = right.heap.len();
            right
                .heap
                .extend_from_slice(self.bytes(slot.at, slot.key_bytes + slot.value_bytes));
            right.slots.push(Slot { at, ..*slot });
        }
        let moved_size = moved_bytes + moved.len() * ELEMENT_BYTES;
        right.size_bytes += moved_size;
        self.size_bytes -= moved_size;
        self.dead_bytes += moved_bytes;
        right
    }

    /// Packs the heap again once more than half of it is dead, so that each byte is moved a
    /// bounded number of times.
    fn drop_dead_bytes(&mut self) {
        if self.dead_bytes * 2 <= self.heap.len() || self.heap.len() < 1024 {
            return;
        }
        let mut packed = Vec::with_capacity(self.heap.len() - self.dead_bytes.min(self.heap.len()));
        for slot in &mut self.slots {
            let end = slot.at + slot.key_bytes + slot.value_bytes;
            let at = packed.len();
            packed.extend_from_slice(self.heap.get(slot.at..end).unwrap_or_default());
            slot.at = at;
        }
        self.heap = packed;
        self.dead_bytes = 0;
    }

    /// Bytes of the pair at `index`, its table element included.
    pub fn element_bytes(&self, index: usize) -> usize {
        self.slots
            .get(index)
            .map_or(0, |slot| ELEMENT_BYTES + slot.key_bytes + slot.value_bytes)
    }

    /// The elements as they go to a page. Every child must have a page by now.
    pub fn elements(&self) -> impl ExactSizeIterator<Item = NewElement<'_>> {
        self.slots.iter().map(|slot| NewElement {
            key: self.bytes(slot.at, slot.key_bytes),
            value: self.bytes(slot.at + slot.key_bytes, slot.value_bytes),
            flags: slot.flags,
            child: match slot.child {
                Child::Page(id) => id,
                Child::Node(_) => PageId(0),
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        /// The oracle is an ordered map; size and order are derived from it.
        fn behaves_like_an_ordered_map(steps: Vec<(u8, u8, Vec<u8>)>) -> bool {
            let (mut node, mut model) = (Node::new(true), BTreeMap::new());
            for (action, key, value) in steps {
                let key = vec![key % 32; usize::from(key % 3) + 1];
                if action % 4 == 0 {
                    if let Ok(index) = node.search(&key) {
                        node.remove(index);
                    }
                    model.remove(&key);
                } else {
                    if node.put(&key, &value, 0).is_err() {
                        return false;
                    }
                    model.insert(key, value);
                }
            }
            let half = node.count() / 2;
            let right = node.split_off(half);
            let split_size = node.size_bytes() + right.size_bytes() - HEADER_BYTES;
            node.append(&right);
            let size = HEADER_BYTES
                + model.iter().map(|(k, v)| ELEMENT_BYTES + k.len() + v.len()).sum::<usize>();
            node.size_bytes() == size
                && split_size == size
                && node.count() == model.len()
                && model.iter().enumerate().all(|(index, (key, value))| {
                    node.key(index) == key.as_slice() && node.value(index) == value.as_slice()
                })
        }
    }
}
