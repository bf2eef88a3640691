//! A tree to read from: pages, and over them the nodes a transaction has changed.

use std::sync::Arc;

use pager::{PageId, PageSource};

use crate::depth::{DEPTH_MAX, too_deep};
use crate::entry::Entry;
use crate::error::Result;
use crate::layout::Elements;
use crate::node::{Child, Node};
use crate::node_ref::NodeRef;

/// Where a tree begins.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Root<'a> {
    Child(Child),
    /// The page that a small bucket keeps inside its own value.
    Inline(Elements<'a>),
}

/// A tree to read from. Cheap to copy.
#[derive(Debug)]
pub struct TreeRef<'a, S> {
    source: &'a S,
    root: Root<'a>,
    nodes: &'a [Option<Arc<Node>>],
}

impl<S> Clone for TreeRef<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for TreeRef<'_, S> {}

impl<'a, S: PageSource> TreeRef<'a, S> {
    pub(crate) fn new(
        source: &'a S,
        root: Root<'a>,
        nodes: &'a [Option<Arc<Node>>],
    ) -> TreeRef<'a, S> {
        TreeRef {
            source,
            root,
            nodes,
        }
    }

    /// The tree that begins at page `root`.
    pub fn at_page(source: &'a S, root: PageId) -> TreeRef<'a, S> {
        TreeRef::new(source, Root::Child(Child::Page(root)), &[])
    }

    /// The tree that is one page inside a value.
    pub fn inline(source: &'a S, elements: Elements<'a>) -> TreeRef<'a, S> {
        TreeRef::new(source, Root::Inline(elements), &[])
    }

    /// Whether this is a small bucket on a page inside its own value.
    pub(crate) fn is_inline(&self) -> bool {
        matches!(self.root, Root::Inline(_))
    }

    /// Where the pages come from.
    pub fn source(&self) -> &'a S {
        self.source
    }

    /// No tree has more pages than this, unless they overlap or form a cycle. Nodes in memory come
    /// on top, but each was a page or holds something.
    pub(crate) fn pages_max(&self) -> u64 {
        self.source
            .high_water()
            .0
            .saturating_add(self.nodes.len() as u64)
    }

    pub(crate) fn root_node(&self) -> Result<NodeRef<'a>> {
        match self.root {
            Root::Inline(elements) => Ok(NodeRef::Page(elements)),
            Root::Child(child) => self.node(child),
        }
    }

    pub(crate) fn node(&self, child: Child) -> Result<NodeRef<'a>> {
        match child {
            Child::Page(id) => Ok(NodeRef::Page(Elements::of(self.source.page(id)?)?)),
            Child::Node(index) => self
                .nodes
                .get(index.0 as usize)
                .and_then(Option::as_deref)
                .map(NodeRef::Node)
                .ok_or_else(|| pager::Error::file("a node that is not in memory").into()),
        }
    }

    pub(crate) fn child_of(&self, node: NodeRef<'a>, place: usize) -> Result<Option<NodeRef<'a>>> {
        node.child(place)?.map(|child| self.node(child)).transpose()
    }

    /// The entry of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry<'a>>> {
        let leaf = self.leaf_of(key)?;
        match leaf
            .map(|leaf| leaf.search(key).map(|place| (leaf, place)))
            .transpose()?
        {
            Some((leaf, Ok(index))) => Entry::at(leaf, index).map(Some),
            _ => Ok(None),
        }
    }

    /// The page and the place on it where `key` is stored, if it is stored on a page.
    pub fn locate(&self, key: &[u8]) -> Result<Option<(Elements<'a>, usize)>> {
        match self.leaf_of(key)? {
            Some(NodeRef::Page(elements)) => {
                let place = NodeRef::Page(elements).search(key)?;
                Ok(place.ok().map(|index| (elements, index)))
            }
            _ => Ok(None),
        }
    }

    /// The leaf whose keys surround `key`.
    fn leaf_of(&self, key: &[u8]) -> Result<Option<NodeRef<'a>>> {
        let mut node = self.root_node()?;
        for _ in 0..DEPTH_MAX {
            if node.is_leaf() {
                return Ok(Some(node));
            }
            let place = node.child_index(key)?;
            let Some(child) = self.child_of(node, place)? else {
                return Ok(None);
            };
            node = child;
        }
        Err(too_deep().into())
    }
}
