//! The children of a branch in memory.

use super::{Node, element_at};
use crate::child::{Child, NodeIndex};
use crate::layout::{ELEMENT_BYTES, NO_FLAGS};

impl Node {
    pub fn child(&self, index: usize) -> Option<Child> {
        let child = self.elements().child(index).ok()?;
        Some(Child::decode(child.0))
    }

    pub fn set_child(&mut self, index: usize, child: Child) {
        let at = element_at(index) + 8;
        if let Some(target) = self.image.get_mut(at..at + 8).filter(|_| !self.leaf) {
            target.copy_from_slice(&child.encode().to_le_bytes());
        }
        let touched = match self.touched.is_empty() {
            true => index..index,
            false => self.touched.clone(),
        };
        self.touched = touched.start.min(index)..touched.end.max(index + 1);
    }

    /// The children that are in memory, with their places. Far quicker than asking for each, and a
    /// commit of one key asks for the one it touched.
    pub fn children_in_memory(&self) -> impl Iterator<Item = (usize, NodeIndex)> + '_ {
        let places = match (self.leaf, self.reshaped) {
            (true, _) => 0..0,
            (false, true) => 0..self.count,
            (false, false) => self.touched.clone(),
        };
        let table = self
            .image
            .get(element_at(places.start)..element_at(places.end));
        let (elements, _) = table.unwrap_or_default().as_chunks::<ELEMENT_BYTES>();
        let placed = (places.start..).zip(elements);
        placed.filter_map(|(place, element)| {
            let child = u64::from_le_bytes(*element.last_chunk()?);
            match Child::decode(child) {
                Child::Node(index) => Some((place, index)),
                Child::Page(_) => None,
            }
        })
    }

    /// The child whose subtree holds `key`, if any does.
    pub fn child_index(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(index) => index,
            Err(index) => index.saturating_sub(1),
        }
    }

    /// Inserts a child before element `index`.
    pub fn insert_child(&mut self, index: usize, key: &[u8], child: Child) {
        let index = index.min(self.count);
        self.appended_only &= index >= self.count;
        self.insert(index, key, &[], NO_FLAGS);
        self.set_child(index, child);
    }
}
