//! A place in a tree's key order, over pages and nodes in memory alike.
//!
//! Invariants:
//! * `stack` leads from the root to a leaf, or is empty where the cursor is nowhere;
//! * at `Edge::On` the leaf's index names an entry; at `Edge::Behind` the cursor stands after the
//!   last entry and the leaf's index is its count; at `Edge::Before` it stands before the first;
//! * on the way from one turn to the next, `pages_left` pays for each leaf entered, so a damaged file
//!   cannot make a cursor go on for longer than the file is.

use crate::depth::{DEPTH_MAX, too_deep};
use crate::entry::Entry;
use crate::error::Result;
use crate::layout::{Elements, NO_FLAGS, Spot};
use crate::node_ref::NodeRef;
use crate::tree_ref::{Step, TreeRef};

use pager::{PageId, PageSource};

/// Longer runs hold values that their reader streams through anyway.
const LEAF_FETCH_BYTES: usize = 4096;
/// What is fetched on the first step away from where a search ended: about ten small pairs.
const WALK_FETCH_BYTES: usize = 1536;

/// Trees deeper than this hold more than a billion small pairs.
const DEPTH_USUAL: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Before,
    On,
    Behind,
}

/// Which way a cursor moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Forward,
    Back,
}

/// What a move answers.
type Moved<'a> = Result<Option<Entry<'a>>>;

/// A place in a tree's key order.
#[derive(Debug)]
pub struct Cursor<'a, S> {
    tree: TreeRef<'a, S>,
    stack: Vec<(NodeRef<'a>, usize)>,
    edge: Edge,
    way: Way,
    pages_left: u64,
    /// Leaves come to since the last turn.
    leaves_crossed: u64,
    /// Where the bytes of the entry last stepped to lie: its page, its place, and they.
    spot: Option<((PageId, usize), Spot)>,
}

impl<'a, S: PageSource> Cursor<'a, S> {
    /// The tree it moves over.
    pub fn tree(&self) -> &TreeRef<'a, S> {
        &self.tree
    }

    /// Moves to the first entry.
    pub fn first(&mut self) -> Moved<'a> {
        self.end(Way::Forward)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Moved<'a> {
        self.end(Way::Back)
    }

    /// Moves to the outermost entry on the side that `way` comes from.
    fn end(&mut self, way: Way) -> Moved<'a> {
        self.edge = Edge::On;
        self.stack.clear();
        self.turn(way);
        let root = self.tree.root_node()?;
        self.push(root, way)?;
        self.dive(way)?;
        self.pay_for_leaf()?;
        if self.leaf_is_empty() && !self.step_over_empty(way)? {
            self.stack.clear();
            return Ok(None);
        }
        self.current()
    }

    /// Moves to the first entry at or after `key`.
    pub fn seek(&mut self, key: &[u8]) -> Moved<'a> {
        self.edge = Edge::On;
        self.stack.clear();
        self.turn(Way::Forward);
        let mut descent = self.tree.descend();
        let leaf = loop {
            match descent.step(&self.tree, key)? {
                Step::Below {
                    branch,
                    place,
                    child,
                } => {
                    self.bound_depth()?;
                    self.stack.push((branch, place));
                    if child.is_none() {
                        return Ok(None);
                    }
                }
                Step::Leaf(leaf) => break leaf,
            }
        };
        if let Some((elements, index, spot)) = leaf.lone_pair() {
            let entry = Entry::at_spot(elements, spot, NO_FLAGS)?;
            if entry.key == key {
                self.stack.push((NodeRef::Page(elements), index));
                self.spot = Some(((elements.id(), index), spot));
                return Ok(Some(entry));
            }
        }
        let (node, Ok(index) | Err(index)) = leaf.search(key)?;
        self.stack.push((node, index));
        if index >= node.count() {
            let leaf_place = self.stack.clone();
            if !self.step_over_empty(Way::Forward)? {
                self.stack = leaf_place;
                self.edge = Edge::Behind;
                return Ok(None);
            }
        }
        self.current()
    }

    /// Moves to the last entry at or before `key`.
    pub fn seek_for_prev(&mut self, key: &[u8]) -> Moved<'a> {
        let found = self.seek(key)?;
        if let Some(entry) = found.filter(|entry| entry.key == key) {
            return Ok(Some(entry));
        }
        let before = self.prev()?;
        if before.is_none() {
            self.edge = Edge::Before;
        }
        Ok(before)
    }

    /// Moves to the following entry; at the last one stays there and answers `None`.
    pub fn next(&mut self) -> Moved<'a> {
        match self.edge {
            Edge::Before => self.first(),
            Edge::Behind => Ok(None),
            Edge::On => self.step(Way::Forward),
        }
    }

    /// Moves to the preceding entry; at the first one stays there and answers `None`.
    pub fn prev(&mut self) -> Moved<'a> {
        match self.edge {
            Edge::Before => Ok(None),
            Edge::Behind => {
                let behind = self.stack.clone();
                let moved = self.step(Way::Back)?;
                if moved.is_none() {
                    (self.stack, self.edge) = (behind, Edge::Behind);
                }
                Ok(moved)
            }
            Edge::On => self.step(Way::Back),
        }
    }

    /// The entry the cursor is on.
    pub fn current(&self) -> Moved<'a> {
        match (self.edge, self.stack.last()) {
            (Edge::On, Some((leaf, index))) if *index < leaf.count() => {
                Entry::at(*leaf, *index).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn step(&mut self, way: Way) -> Moved<'a> {
        let Some((leaf, index)) = self.stack.last_mut() else {
            return Ok(None);
        };
        let inside = match way {
            Way::Forward => (*index + 1 < leaf.count()).then(|| *index + 1),
            Way::Back => index.checked_sub(1),
        };
        if let Some(inside) = inside {
            let from = std::mem::replace(index, inside);
            let was_on = std::mem::replace(&mut self.edge, Edge::On) == Edge::On;
            let NodeRef::Page(elements) = *leaf else {
                return Entry::at(*leaf, inside).map(Some);
            };
            return self.step_on_page(way, elements, was_on.then_some(from), inside);
        }
        let was_on = self.edge == Edge::On;
        let left = self.stack.last().copied().filter(|_| was_on);
        self.edge = Edge::On;
        if self.way != way {
            self.turn(way);
        }
        if self.step_over_empty(way)? {
            let entry = self.current()?;
            self.refuse_disorder(way, left, entry)?;
            return Ok(entry);
        }
        if was_on {
            // No entry that way: stay on the outermost one, which is where the cursor was.
            match way {
                Way::Forward => self.last()?,
                Way::Back => self.first()?,
            };
        }
        Ok(None)
    }

    /// Moves to element `inside`; if it comes from a neighbour, the two must not share bytes, or
    /// a damaged page could be made to yield more than it holds.
    #[inline]
    fn step_on_page(
        &mut self,
        way: Way,
        elements: Elements<'a>,
        from: Option<usize>,
        inside: usize,
    ) -> Moved<'a> {
        let (spot, flags) = elements.spot_and_flags(inside)?;
        if let Some(from) = from {
            let old = match self.spot {
                Some((at, old)) if at == (elements.id(), from) => old,
                _ => {
                    touch(elements, spot.at, way);
                    elements.spot(from)?
                }
            };
            let apart = match way {
                Way::Forward => old.is_before(spot),
                Way::Back => spot.is_before(old),
            };
            if !apart {
                let what = "its bytes are also its neighbour's";
                return Err(elements.damage(inside, what).into());
            }
        }
        self.spot = Some(((elements.id(), inside), spot));
        Entry::at_spot(elements, spot, flags).map(Some)
    }

    fn turn(&mut self, way: Way) {
        self.way = way;
        self.leaves_crossed = 0;
        self.pages_left = self.tree.pages_max();
    }

    /// Takes what the leaf on top of the stack costs. A sound tree has each of its pages once.
    fn pay_for_leaf(&mut self) -> Result<()> {
        let page_bytes = self.tree.source().page_bytes();
        let (id, pages) = match self.stack.last() {
            Some((NodeRef::Page(elements), _)) => (elements.id(), elements.run_pages(page_bytes)),
            _ => (PageId(0), 1),
        };
        let left = self.pages_left.checked_sub(pages.max(1));
        self.pages_left = left.ok_or_else(|| {
            pager::Error::page(
                id,
                "more pages in one tree than in the file: they overlap or form a cycle",
            )
        })?;
        Ok(())
    }

    /// From leaf to leaf keys must go on in order.
    fn refuse_disorder(
        &self,
        way: Way,
        left: Option<(NodeRef<'a>, usize)>,
        entry: Option<Entry<'a>>,
    ) -> Result<()> {
        let (Some((leaf, index)), Some(entry)) = (left, entry) else {
            return Ok(());
        };
        let old = Entry::at(leaf, index)?.key;
        let in_order = match way {
            Way::Forward => entry.key > old,
            Way::Back => entry.key < old,
        };
        if in_order {
            return Ok(());
        }
        let what = "its keys do not go on where the leaf beside it ends";
        Err(match self.stack.last() {
            Some((NodeRef::Page(elements), _)) => pager::Error::page(elements.id(), what),
            _ => pager::Error::file(what),
        }
        .into())
    }

    /// Moves to the next leaf that way which holds anything; answers whether there is one. If
    /// not, the stack has moved to the outermost leaf.
    fn step_over_empty(&mut self, way: Way) -> Result<bool> {
        loop {
            let turn = self.stack.iter().rposition(|(node, index)| {
                !node.is_leaf()
                    && match way {
                        Way::Forward => index + 1 < node.count(),
                        Way::Back => *index > 0,
                    }
            });
            let Some(turn) = turn else { return Ok(false) };
            self.stack.truncate(turn + 1);
            if let Some((_, index)) = self.stack.last_mut() {
                match way {
                    Way::Forward => *index += 1,
                    Way::Back => *index -= 1,
                }
            }
            self.dive(way)?;
            self.pay_for_leaf()?;
            if !self.leaf_is_empty() {
                self.fetch_leaf();
                self.leaves_crossed += 1;
                return Ok(true);
            }
        }
    }

    /// Touches every cache line of a leaf that a walk has come to. The loads do not wait for each
    /// other, as those of one entry after the other do: a full scan of small pairs back to front
    /// went from 0.75 to 1.36 of LMDB's rate by this.
    fn fetch_leaf(&self) {
        // A short range ends on the first leaf it comes to.
        if self.leaves_crossed > 0
            && let Some((NodeRef::Page(elements), _)) = self.stack.last()
        {
            touch_lines(elements.bytes().iter().take(LEAF_FETCH_BYTES));
        }
    }

    /// Descends from the branch on top of the stack along the near side.
    fn dive(&mut self, way: Way) -> Result<()> {
        while let Some((node, index)) = self.stack.last().copied().filter(|top| !top.0.is_leaf()) {
            match self.tree.child_of(node, index)? {
                Some(child) => self.push(child, way)?,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    fn push(&mut self, node: NodeRef<'a>, way: Way) -> Result<()> {
        self.bound_depth()?;
        let index = match way {
            Way::Forward => 0,
            Way::Back => node.count().saturating_sub(1),
        };
        self.stack.push((node, index));
        Ok(())
    }

    fn bound_depth(&self) -> Result<()> {
        if self.stack.len() >= DEPTH_MAX {
            Err(too_deep().into())
        } else {
            Ok(())
        }
    }

    fn leaf_is_empty(&self) -> bool {
        self.stack.last().is_none_or(|(node, _)| node.count() == 0)
    }
}

/// Touches the cache lines that a walk from `at` is likely to read next.
fn touch(elements: Elements<'_>, at: usize, way: Way) {
    let (start, end) = match way {
        Way::Forward => (at, at.saturating_add(WALK_FETCH_BYTES)),
        Way::Back => (at.saturating_sub(WALK_FETCH_BYTES), at),
    };
    let bytes = elements.bytes();
    let ahead = bytes.get(start..end.min(bytes.len()));
    touch_lines(ahead.unwrap_or_default().iter());
}

/// Reads a byte of every cache line, and keeps the compiler from leaving that out.
fn touch_lines<'a>(bytes: impl Iterator<Item = &'a u8>) {
    let lines = bytes.step_by(64);
    std::hint::black_box(lines.fold(0_u8, |sum, byte| sum.wrapping_add(*byte)));
}

impl<'a, S: PageSource> TreeRef<'a, S> {
    /// A cursor over the tree, placed nowhere.
    pub fn cursor(&self) -> Cursor<'a, S> {
        Cursor {
            tree: *self,
            // As deep as nearly all trees are: seeks on a fresh cursor allocate once.
            stack: Vec::with_capacity(DEPTH_USUAL),
            edge: Edge::On,
            way: Way::Forward,
            pages_left: 0,
            leaves_crossed: 0,
            spot: None,
        }
    }
}
