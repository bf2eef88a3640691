//! An inner node of the directory: children in key order and the keys that part them.
//!
//! Invariant: there is one separator fewer than children; child `i` holds the keys that are not
//! below separator `i - 1` and below separator `i`. So the ends need no separator, and neither an
//! insert nor a delete ever has to correct one.

use std::sync::Arc;

use crate::index::keys::Keys;

/// Children in key order.
#[derive(Debug)]
pub(crate) struct Node<C> {
    separators: Keys,
    children: Vec<Arc<C>>,
}

impl<C> Clone for Node<C> {
    fn clone(&self) -> Node<C> {
        Node {
            separators: self.separators.clone(),
            children: self.children.clone(),
        }
    }
}

impl<C> Default for Node<C> {
    fn default() -> Node<C> {
        Node {
            separators: Keys::default(),
            children: Vec::new(),
        }
    }
}

impl<C> Node<C> {
    pub(crate) fn len(&self) -> usize {
        self.children.len()
    }

    pub(crate) fn child(&self, index: usize) -> Option<&Arc<C>> {
        self.children.get(index)
    }

    pub(crate) fn child_mut(&mut self, index: usize) -> Option<&mut Arc<C>> {
        self.children.get_mut(index)
    }

    /// The child that holds `key` if any does.
    #[inline]
    pub(crate) fn child_of(&self, key: &[u8]) -> usize {
        let (at, found) = self.separators.find(key);
        at + usize::from(found)
    }

    /// The key that all keys of child `index` are below; none for the last.
    pub(crate) fn end_of(&self, index: usize) -> Option<&[u8]> {
        (index < self.separators.len()).then(|| self.separators.get(index))
    }

    /// Adds a child behind all others.
    pub(crate) fn push(&mut self, child: Arc<C>, first_key: &[u8]) {
        if !self.children.is_empty() {
            self.separators.insert(self.separators.len(), first_key);
        }
        self.children.push(child);
    }

    /// Adds a child at `index`, which is not 0.
    pub(crate) fn insert(&mut self, index: usize, child: Arc<C>, first_key: &[u8]) {
        self.separators.insert(index.saturating_sub(1), first_key);
        self.children.insert(index, child);
    }

    /// Takes child `index` out; its neighbour to the left (or right, for the first) takes over
    /// its keys.
    pub(crate) fn remove(&mut self, index: usize) {
        self.separators.remove(index.saturating_sub(1));
        if index < self.children.len() {
            self.children.remove(index);
        }
    }

    /// Cuts the node in two halves; answers the back one and its first key.
    pub(crate) fn split(&mut self) -> (Vec<u8>, Node<C>) {
        let middle = self.children.len() / 2;
        let children = self.children.split_off(middle);
        let mut behind = self.separators.split_off(middle.saturating_sub(1));
        let first_key = behind.first().to_vec();
        behind.remove(0);
        let separators = behind;
        (
            first_key,
            Node {
                separators,
                children,
            },
        )
    }

    pub(crate) fn children(&self) -> impl Iterator<Item = &Arc<C>> {
        self.children.iter()
    }

    /// Bytes of memory of this node alone.
    pub(crate) fn memory_bytes(&self) -> usize {
        size_of::<Node<C>>() + self.separators.memory_bytes() + self.children.capacity() * 8
    }
}
