//! A tree to read from: pages, and over them the nodes a transaction has changed.

use std::sync::Arc;

use pager::{PageId, PageSource};

use crate::child::Child;
use crate::depth::{DEPTH_MAX, too_deep};
use crate::entry::Entry;
use crate::error::Result;
use crate::heads::{self, OnLeaf, Window};
use crate::layout::{Elements, NO_FLAGS, Spot};
use crate::node::Node;
use crate::node_ref::{NodeRef, Place, child_place};

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
        let child = match node {
            NodeRef::Page(elements) => Some(Child::Page(elements.child(place)?)),
            NodeRef::Unread { id, .. } => match heads::child(self.source, id, place) {
                Some(child) => Some(Child::Page(child)),
                None => {
                    let elements = Elements::of(self.source.page(id)?)?;
                    Some(Child::Page(elements.child(place)?))
                }
            },
            NodeRef::Node(node) => node.child(place),
        };
        child.map(|child| self.node(child)).transpose()
    }

    /// The entry of `key`.
    pub fn get(&self, key: &[u8]) -> Result<Option<Entry<'a>>> {
        match self.get_by_heads(key) {
            Some(found) => Ok(found),
            None => self.get_step_by_step(key),
        }
    }

    /// The entry of `key`, if what is kept beside the pages on the way tells all of it. Most gets
    /// end here, and this way of few and small values takes half the time of the general one.
    #[inline(always)]
    fn get_by_heads(&self, key: &[u8]) -> Option<Option<Entry<'a>>> {
        let Root::Child(Child::Page(mut id)) = self.root else {
            return None;
        };
        let tables = self.source.side_tables()?;
        let mut above_leaves = false;
        for _ in 0..DEPTH_MAX {
            let below = match above_leaves {
                true => None,
                false => heads::look_below(tables, id, key),
            };
            match below {
                Some(look) => match look.child {
                    Some(child) => (id, above_leaves) = (child, look.above_leaves),
                    None => {
                        // A key that a leaf begins with ties with its separator. If the leaf has
                        // it, nothing is left to compare; the branch's page, which is seldom in a
                        // cache where values are large, is not touched.
                        let leaf = look.tied_child?;
                        if !look.above_leaves {
                            // At a higher branch nothing is asked of the child's own keys.
                            let (place, count) = (look.window.low, look.count);
                            if heads::separator(self.source, id, place, count)? > key {
                                return None;
                            }
                            (id, above_leaves) = (leaf, false);
                            continue;
                        }
                        if look.child_pages > 1 {
                            let pages = look.child_pages;
                            let found = heads::entry_of_run(self.source, leaf, pages, key);
                            if found.is_some() {
                                return Some(found);
                            }
                        }
                        let found = heads::entry_on_leaf(self.source, tables, leaf, key)?;
                        if found.is_some() {
                            return Some(found);
                        }
                        let (place, count) = (look.window.low, look.count);
                        let separator = heads::separator(self.source, id, place, count)?;
                        return (separator <= key).then_some(found);
                    }
                },
                None => return heads::entry_on_leaf(self.source, tables, id, key),
            }
        }
        None
    }

    #[inline(never)]
    fn get_step_by_step(&self, key: &[u8]) -> Result<Option<Entry<'a>>> {
        let Some(leaf) = self.leaf_of(key)? else {
            return Ok(None);
        };
        if let Some((elements, _, spot)) = leaf.lone_pair() {
            let entry = Entry::at_spot(elements, spot, NO_FLAGS)?;
            return Ok((entry.key == key).then_some(entry));
        }
        match leaf.search(key)? {
            (leaf, Ok(index)) => Entry::at(leaf, index).map(Some),
            _ => Ok(None),
        }
    }

    /// The page and the place on it where `key` is stored, if it is stored on a page.
    pub fn locate(&self, key: &[u8]) -> Result<Option<(Elements<'a>, usize)>> {
        let leaf = self.leaf_of(key)?;
        match leaf.map(|leaf| leaf.search(key)).transpose()? {
            Some((NodeRef::Page(elements), Ok(index))) => Ok(Some((elements, index))),
            _ => Ok(None),
        }
    }

    /// The leaf whose keys surround `key`.
    fn leaf_of(&self, key: &[u8]) -> Result<Option<Leaf<'a>>> {
        let mut descent = self.descend();
        for _ in 0..DEPTH_MAX {
            if descent.pass_branch(self.source, key) {
                continue;
            }
            match descent.step(self, key)? {
                Step::Below { child: Some(_), .. } => {}
                Step::Below { child: None, .. } => return Ok(None),
                Step::Leaf(leaf) => return Ok(Some(leaf)),
            }
        }
        Err(too_deep().into())
    }

    /// A way down that begins at the root.
    pub(crate) fn descend(&self) -> Descent<'a> {
        Descent {
            at: self.root,
            above_leaves: false,
        }
    }
}

/// A way down, one node at a time, by what is kept beside pages or by their keys.
pub(crate) struct Descent<'a> {
    at: Root<'a>,
    /// The node above said that this is a leaf. Only a guess.
    above_leaves: bool,
}

/// Where a way down has come to.
pub(crate) enum Step<'a> {
    /// At a branch: the child taken, at which place.
    Below {
        branch: NodeRef<'a>,
        place: usize,
        child: Option<Child>,
    },
    /// At a leaf.
    Leaf(Leaf<'a>),
}

impl<'a> Descent<'a> {
    /// Goes on towards `key` past a branch that need not be read; answers whether it did.
    #[inline]
    fn pass_branch<S: PageSource>(&mut self, source: &S, key: &[u8]) -> bool {
        let Root::Child(Child::Page(id)) = self.at else {
            return false;
        };
        if self.above_leaves {
            return false;
        }
        let tables = source.side_tables();
        let Some(look) = tables.and_then(|tables| heads::look_below(tables, id, key)) else {
            return false;
        };
        let Some(child) = look.child else {
            return false;
        };
        self.at = Root::Child(Child::Page(child));
        self.above_leaves = look.above_leaves;
        true
    }

    /// Goes on towards `key`.
    #[inline]
    pub fn step<S: PageSource>(&mut self, tree: &TreeRef<'a, S>, key: &[u8]) -> Result<Step<'a>> {
        let step = match self.at {
            Root::Inline(elements) => Step::Leaf(Leaf::Whole(NodeRef::Page(elements))),
            Root::Child(Child::Page(id)) => self.step_on_page(tree.source, id, key)?,
            Root::Child(child) => match tree.node(child)? {
                node @ NodeRef::Node(branch) if !node.is_leaf() => {
                    let place = child_place(branch.search(key));
                    let child = branch.child(place);
                    Step::Below {
                        branch: node,
                        place,
                        child,
                    }
                }
                node => Step::Leaf(Leaf::Whole(node)),
            },
        };
        if let Step::Below {
            child: Some(child), ..
        } = step
        {
            self.at = Root::Child(child);
        }
        Ok(step)
    }

    #[inline]
    fn step_on_page<S: PageSource>(
        &mut self,
        source: &'a S,
        id: PageId,
        key: &[u8],
    ) -> Result<Step<'a>> {
        let expects_leaf = std::mem::replace(&mut self.above_leaves, false);
        if let Some(tables) = source.side_tables() {
            if !expects_leaf && let Some(look) = heads::look_below(tables, id, key) {
                self.above_leaves = look.above_leaves;
                if let Some(below) = look.child {
                    let count = look.count;
                    return Ok(Step::Below {
                        branch: NodeRef::Unread { id, count },
                        place: look.window.low.saturating_sub(1),
                        child: Some(Child::Page(below)),
                    });
                }
                let elements = Elements::of(source.page(id)?)?;
                return below_page(elements, look.window, key);
            }
            if let Some(look) = heads::look_on_leaf(source, id, key) {
                return Ok(Step::Leaf(Leaf::Looked(look?)));
            }
        }
        let elements = Elements::of(source.page(id)?)?;
        heads::note_search(source, elements);
        if elements.is_leaf() {
            return Ok(Step::Leaf(Leaf::Whole(NodeRef::Page(elements))));
        }
        below_page(elements, Window::all(elements.count()), key)
    }
}

/// The child of a branch page that `key` belongs below.
fn below_page<'a>(elements: Elements<'a>, window: Window, key: &[u8]) -> Result<Step<'a>> {
    let place = child_place(window.search(elements, key)?);
    Ok(Step::Below {
        branch: NodeRef::Page(elements),
        place,
        child: Some(Child::Page(elements.child(place)?)),
    })
}

/// The leaf a search has come to.
pub(crate) enum Leaf<'a> {
    /// Not searched yet.
    Whole(NodeRef<'a>),
    /// Searched by what is kept beside it.
    Looked(OnLeaf<'a>),
}

impl<'a> Leaf<'a> {
    /// The only pair that can have the key looked for and its place, if that much is known.
    pub fn lone_pair(&self) -> Option<(Elements<'a>, usize, Spot)> {
        match self {
            Leaf::Looked(look) => {
                let pair = look.pair?;
                Some((look.elements, look.window.low, pair))
            }
            Leaf::Whole(_) => None,
        }
    }

    /// The leaf, and the place of `key` on it.
    pub fn search(self, key: &[u8]) -> Result<(NodeRef<'a>, Place)> {
        match self {
            Leaf::Whole(node) => Ok((node, node.search(key)?)),
            Leaf::Looked(look) => {
                let place = look.window.search(look.elements, key)?;
                Ok((NodeRef::Page(look.elements), place))
            }
        }
    }
}
