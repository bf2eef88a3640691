//! One tree being changed: the nodes touched so far, over the pages that were not.
//!
//! Invariants:
//! * every node in the arena is reached from the root, and its children's keys lie between its
//!   own separators;
//! * a page that a node was read from is freed exactly once: by `origin` when the node is
//!   written, or by `orphans` when the node goes away.

use std::sync::Arc;

use pager::{PageId, PageKind, PageSource};

use crate::child::{Child, NodeIndex};
use crate::counts::TreeCounts;
use crate::depth::{DEPTH_MAX, too_deep};
use crate::error::Result;
use crate::heads;
use crate::layout::Elements;
use crate::node::Node;
use crate::split::{Fill, fits, pieces};

use crate::tree_ref::{Root, TreeRef};

/// One tree being changed.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: Child,
    nodes: Vec<Option<Arc<Node>>>,
    orphans: Vec<(PageId, u64)>,
    path: Vec<(NodeIndex, usize)>,
    /// Pages brought into memory. No sound tree has one twice.
    pages_read: u64,
    modified: bool,
    pub fill: Fill,
    pub counts: TreeCounts,
}

impl Tree {
    fn with_root(root: Child) -> Tree {
        Tree {
            root,
            nodes: Vec::new(),
            orphans: Vec::new(),
            path: Vec::new(),
            pages_read: 0,
            modified: false,
            fill: Fill::Adaptive,
            counts: TreeCounts::default(),
        }
    }

    /// A tree whose root is a page.
    pub fn at_page(root: PageId) -> Tree {
        Tree::with_root(Child::Page(root))
    }

    /// A tree that is one node without a page.
    pub fn at_node(root: Node) -> Tree {
        let mut tree = Tree::with_root(Child::Node(NodeIndex(0)));
        tree.nodes.push(Some(Arc::new(root)));
        tree
    }

    /// A tree of nodes without pages.
    pub fn of_nodes(root: Child, nodes: Vec<Option<Arc<Node>>>) -> Tree {
        let mut tree = Tree::with_root(root);
        tree.nodes = nodes;
        tree
    }

    /// Becomes what `made` holds, in place of nothing.
    pub fn take_over(&mut self, made: Tree) {
        (self.root, self.nodes) = (made.root, made.nodes);
        self.modified = true;
    }

    pub fn root(&self) -> Child {
        self.root
    }

    pub fn set_root(&mut self, root: Child) {
        self.root = root;
    }

    /// Whether anything was put or removed since the tree was opened.
    pub fn is_modified(&self) -> bool {
        self.modified
    }

    /// Nodes in memory.
    pub fn nodes_in_memory(&self) -> usize {
        self.nodes.len()
    }

    pub fn read<'a, S: PageSource>(&'a self, source: &'a S) -> TreeRef<'a, S> {
        TreeRef::new(source, Root::Child(self.root), &self.nodes)
    }

    pub fn node(&self, index: NodeIndex) -> Option<&Node> {
        self.nodes.get(index.0 as usize)?.as_deref()
    }

    pub fn node_mut(&mut self, index: NodeIndex) -> Option<&mut Node> {
        self.nodes
            .get_mut(index.0 as usize)?
            .as_mut()
            .map(Arc::make_mut)
    }

    pub fn add(&mut self, node: Node) -> Result<NodeIndex> {
        let index = u32::try_from(self.nodes.len())
            .map_err(|_| crate::Error::Invalid("a transaction that changes 2^32 nodes"))?;
        self.nodes.push(Some(Arc::new(node)));
        Ok(NodeIndex(index))
    }

    /// Takes a node out of the arena.
    pub fn take(&mut self, index: NodeIndex) -> Option<Node> {
        self.nodes
            .get_mut(index.0 as usize)?
            .take()
            .map(Arc::unwrap_or_clone)
    }

    /// Puts a node back where it was taken from.
    pub fn put_back(&mut self, index: NodeIndex, node: Node) {
        if let Some(place) = self.nodes.get_mut(index.0 as usize) {
            *place = Some(Arc::new(node));
        }
    }

    /// Drops a node; the page it came from is to be freed.
    pub fn retire(&mut self, index: NodeIndex) {
        if let Some(origin) = self.take(index).and_then(|node| node.origin) {
            self.orphans.push(origin);
        }
    }

    /// Runs that nothing refers to any more.
    pub fn orphan(&mut self, runs: impl IntoIterator<Item = (PageId, u64)>) {
        self.orphans.extend(runs);
    }

    pub fn take_orphans(&mut self) -> Vec<(PageId, u64)> {
        std::mem::take(&mut self.orphans)
    }

    /// Brings `child` into memory.
    pub fn materialize<S: PageSource>(&mut self, source: &S, child: Child) -> Result<NodeIndex> {
        match child {
            Child::Node(index) => Ok(index),
            Child::Page(id) => {
                let page = source.page(id)?;
                self.pages_read += page.run_pages();
                if self.pages_read > source.high_water().0 {
                    let what = "more pages in one tree than in the file: they overlap";
                    return Err(pager::Error::page(id, what).into());
                }
                let origin = Some((id, page.run_pages()));
                let elements = Elements::of(page)?;
                let written_here = heads::written_here(source, elements);
                let node = Node::read(elements, origin, written_here)?;
                self.counts.nodes += 1;
                self.add(node)
            }
        }
    }

    /// Brings the nodes on the way to `key` into memory. Leaves the branches and the child taken
    /// at each in `self.path`, and answers the leaf.
    fn descend<S: PageSource>(&mut self, source: &S, key: &[u8]) -> Result<NodeIndex> {
        let mut index = self.begin_descent(source)?;
        while let Some((place, child)) = self.next_child(index, key)? {
            index = self.step_down(source, index, place, child, key)?;
        }
        Ok(index)
    }

    /// The same, but a leaf that is one large pair stays on its page if `key` is not its own.
    fn descend_for_put<S: PageSource>(&mut self, source: &S, key: &[u8]) -> Result<Target> {
        let mut index = self.begin_descent(source)?;
        while let Some((place, child)) = self.next_child(index, key)? {
            if let Child::Page(id) = child
                && self.fill == Fill::Adaptive
                && let Some(lone) = lone_key(source, id)?
            {
                let below_all = self.node(index).is_some_and(|node| key < node.key(place));
                // Between its separator and itself there is no room beside it.
                if lone < key || below_all {
                    return Ok(Target::Beside(index, place + usize::from(!below_all)));
                }
            }
            index = self.step_down(source, index, place, child, key)?;
        }
        Ok(Target::Leaf(index))
    }

    fn begin_descent<S: PageSource>(&mut self, source: &S) -> Result<NodeIndex> {
        self.path.clear();
        let root = self.materialize(source, self.root)?;
        self.root = Child::Node(root);
        Ok(root)
    }

    /// The child of branch `index` that `key` belongs below, and its place; none at a leaf.
    fn next_child(&self, index: NodeIndex, key: &[u8]) -> Result<Option<(usize, Child)>> {
        let Some(node) = self.node(index).filter(|node| !node.is_leaf()) else {
            return Ok(None);
        };
        if self.path.len() >= DEPTH_MAX {
            return Err(too_deep().into());
        }
        let place = node.child_index(key);
        Ok(node.child(place).map(|child| (place, child)))
    }

    /// Brings `child` of branch `index` into memory and goes on there.
    fn step_down<S: PageSource>(
        &mut self,
        source: &S,
        index: NodeIndex,
        place: usize,
        child: Child,
        key: &[u8],
    ) -> Result<NodeIndex> {
        let lowers_bound = place == 0 && self.node(index).is_some_and(|node| key < node.key(0));
        let below = self.materialize(source, child)?;
        if (lowers_bound || child != Child::Node(below))
            && let Some(node) = self.node_mut(index)
        {
            node.set_child(place, Child::Node(below));
            if lowers_bound {
                // Otherwise a later split below could put a separator before this one.
                node.set_key(0, key);
            }
        }
        self.path.push((index, place));
        Ok(below)
    }

    /// Puts an entry, replacing one with an equal key.
    ///
    /// # Errors
    ///
    /// `Incompatible` if the entry that stands there has other flags: a bucket is never replaced
    /// by a pair, nor a pair by a bucket.
    pub fn put<S: PageSource>(
        &mut self,
        source: &S,
        key: &[u8],
        value: &[u8],
        flags: u32,
    ) -> Result<()> {
        let grown = match self.descend_for_put(source, key)? {
            Target::Leaf(leaf) => {
                if let Some(node) = self.node_mut(leaf) {
                    node.put(key, value, flags)?;
                }
                leaf
            }
            Target::Beside(parent, place) => {
                let mut node = Node::new(true);
                node.put(key, value, flags)?;
                let leaf = self.add(node)?;
                self.insert_children(parent, place, &[leaf]);
                parent
            }
        };
        self.modified = true;
        self.split_upwards(source.page_bytes(), grown)
    }

    /// Removes `key`; answers whether it was there. Its absence brings nothing into memory.
    pub fn delete<S: PageSource>(&mut self, source: &S, key: &[u8]) -> Result<bool> {
        if self.read(source).get(key)?.is_none() {
            return Ok(false);
        }
        self.remove(source, key)
    }

    /// Removes `key`, which is there.
    pub fn remove<S: PageSource>(&mut self, source: &S, key: &[u8]) -> Result<bool> {
        let leaf = self.descend(source, key)?;
        self.modified = true;
        if let Some(node) = self.node_mut(leaf)
            && let Ok(index) = node.search(key)
        {
            node.remove(index);
        }
        Ok(true)
    }

    /// Brings the leaf of `key` into memory, so that it goes to another page with this change.
    pub fn rewrite<S: PageSource>(&mut self, source: &S, key: &[u8]) -> Result<()> {
        self.descend(source, key).map(drop)
    }

    /// Overwrites the beginning of `key`'s value, whose node is in memory.
    ///
    /// # Errors
    ///
    /// `Corrupt` if it is not there: a damaged tree has led the put and this search to two leaves.
    pub fn patch_value<S: PageSource>(
        &mut self,
        source: &S,
        key: &[u8],
        prefix: &[u8],
    ) -> Result<()> {
        let leaf = self.descend(source, key)?;
        if let Some(node) = self.node_mut(leaf)
            && let Ok(index) = node.search(key)
        {
            node.patch_value(index, prefix);
            return Ok(());
        }
        Err(pager::Error::file("an entry that was put cannot be found again").into())
    }

    /// Splits the node just grown, then each parent that grew by it.
    fn split_upwards(&mut self, page_bytes: usize, grown: NodeIndex) -> Result<()> {
        let mut index = grown;
        let room = page_bytes + self.fill.room_until_settled_bytes();
        loop {
            if self.node(index).is_none_or(|node| fits(node, room)) {
                return Ok(());
            }
            let extra = self.split(page_bytes, index)?;
            if extra.is_empty() {
                return Ok(());
            }
            match self.path.pop() {
                Some((parent, place)) => {
                    self.insert_children(parent, place + 1, &extra);
                    index = parent;
                }
                None => index = self.grow_root(index, &extra)?,
            }
        }
    }

    /// Splits a node until every piece fits; answers the pieces behind the first.
    pub fn split(&mut self, page_bytes: usize, index: NodeIndex) -> Result<Vec<NodeIndex>> {
        if self.node(index).is_none_or(|node| fits(node, page_bytes)) {
            return Ok(Vec::new());
        }
        let Some(node) = self.take(index) else {
            return Ok(Vec::new());
        };
        let mut rest = pieces(node, page_bytes, self.fill).into_iter();
        if let Some(first) = rest.next() {
            self.put_back(index, first);
        }
        self.counts.splits += rest.len() as u64;
        rest.map(|piece| self.add(piece)).collect()
    }

    /// Hangs `children` into branch `parent` from slot `place` on.
    pub fn insert_children(&mut self, parent: NodeIndex, place: usize, children: &[NodeIndex]) {
        for (offset, child) in children.iter().enumerate() {
            let Some(key) = self.node(*child).map(|node| node.key(0).to_vec()) else {
                continue;
            };
            if let Some(parent) = self.node_mut(parent) {
                parent.insert_child(place + offset, &key, Child::Node(*child));
            }
        }
    }

    /// Puts a branch above a root that was split.
    pub fn grow_root(&mut self, first: NodeIndex, rest: &[NodeIndex]) -> Result<NodeIndex> {
        let root = self.add(Node::new(false))?;
        self.insert_children(root, 0, &[first]);
        self.insert_children(root, 1, rest);
        self.root = Child::Node(root);
        Ok(root)
    }
}

/// Where a put goes.
enum Target {
    Leaf(NodeIndex),
    /// Into a leaf of its own below this branch, at this place.
    Beside(NodeIndex, usize),
}

/// The key of page `id`, if it is a leaf with nothing but one pair too large to share it.
fn lone_key<S: PageSource>(source: &S, id: PageId) -> Result<Option<&[u8]>> {
    let page = source.page(id)?;
    if page.overflow == 0 || page.count != 1 || page.kind != PageKind::Leaf {
        return Ok(None);
    }
    let key = Elements::of(page)?.key(0)?;
    Ok(Some(key))
}
