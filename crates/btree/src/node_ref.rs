//! A node to read from, be it a page or in memory.

use std::cmp::Ordering;

use crate::error::Result;
use crate::layout::Elements;
use crate::node::{Child, Node};

/// A node to read from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeRef<'a> {
    Page(Elements<'a>),
    Node(&'a Node),
}

impl<'a> NodeRef<'a> {
    pub fn is_leaf(self) -> bool {
        match self {
            NodeRef::Page(elements) => elements.is_leaf(),
            NodeRef::Node(node) => node.is_leaf(),
        }
    }

    pub fn count(self) -> usize {
        match self {
            NodeRef::Page(elements) => elements.count(),
            NodeRef::Node(node) => node.count(),
        }
    }

    pub fn key(self, index: usize) -> Result<&'a [u8]> {
        match self {
            NodeRef::Page(elements) => Ok(elements.key(index)?),
            NodeRef::Node(node) => Ok(node.key(index)),
        }
    }

    /// Key and value at `index`.
    pub fn pair(self, index: usize) -> Result<(&'a [u8], &'a [u8])> {
        match self {
            NodeRef::Page(elements) => Ok(elements.pair(index)?),
            NodeRef::Node(node) => Ok((node.key(index), node.value(index))),
        }
    }

    /// Whether the bytes of neighbours `low` and `low + 1` are not the same.
    pub fn check_apart(self, low: usize) -> Result<()> {
        match self {
            NodeRef::Page(elements) => Ok(elements.check_apart(low)?),
            NodeRef::Node(_) => Ok(()),
        }
    }

    pub fn flags(self, index: usize) -> Result<u32> {
        match self {
            NodeRef::Page(elements) => Ok(elements.flags(index)?),
            NodeRef::Node(node) => Ok(node.flags(index)),
        }
    }

    pub fn child(self, index: usize) -> Result<Option<Child>> {
        match self {
            NodeRef::Page(elements) => Ok(Some(Child::Page(elements.child(index)?))),
            NodeRef::Node(node) => Ok(node.child(index)),
        }
    }

    /// Where `key` is, or where it would be.
    pub fn search(self, key: &[u8]) -> Result<std::result::Result<usize, usize>> {
        let elements = match self {
            NodeRef::Page(elements) => elements,
            NodeRef::Node(node) => return Ok(node.search(key)),
        };
        let (mut low, mut high) = (0, elements.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match elements.key(middle)?.cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return Ok(Ok(middle)),
            }
        }
        Ok(Err(low))
    }

    /// The child whose subtree holds `key`, if any does. Keys below the first separator belong to
    /// the first child.
    pub fn child_index(self, key: &[u8]) -> Result<usize> {
        Ok(match self.search(key)? {
            Ok(index) => index,
            Err(index) => index.saturating_sub(1),
        })
    }
}
