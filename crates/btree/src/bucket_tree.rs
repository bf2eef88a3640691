//! A bucket's tree being changed, which may still be no more than a heap of puts.
//!
//! Invariants:
//! * while puts wait, the tree is empty and in memory: they are all that the bucket holds;
//! * what is `seen` is made of all puts that wait, so a change takes it over before it is made;
//! * a plan is made of all puts that wait, and nothing but [`BucketTree::write`] comes after it.

use std::cell::OnceCell;

use pager::{PageId, PageSink, PageSource, PagesNeeded};

use crate::bucket::PAIR_FLAGS;
use crate::build::Plan;
use crate::counts::TreeCounts;
use crate::emit;
use crate::error::Result;
use crate::node::Node;
use crate::puts::Puts;
use crate::settle::settle;
use crate::tree::Tree;
use crate::tree_ref::TreeRef;

/// What a node takes, for a guess.
const NODE_BYTES_ABOUT: usize = 4 << 10;

/// A bucket's tree being changed.
#[derive(Clone, Debug)]
pub(crate) struct BucketTree {
    tree: Tree,
    /// Puts that the tree does not have yet; none where they must go into it at once.
    puts: Option<Puts>,
    /// The tree of those puts, once somebody has looked.
    seen: OnceCell<Box<Tree>>,
    /// How they will be written, once that has been settled.
    plan: Option<Plan>,
}

impl BucketTree {
    /// A tree that may hold anything.
    pub fn new(tree: Tree) -> BucketTree {
        BucketTree {
            tree,
            puts: None,
            seen: OnceCell::new(),
            plan: None,
        }
    }

    /// A tree that is one node in memory.
    pub fn at_node(root: Node) -> BucketTree {
        BucketTree {
            puts: (root.count() == 0).then(Puts::default),
            ..BucketTree::new(Tree::at_node(root))
        }
    }

    /// Puts that the tree does not have, if any wait.
    fn waiting(&self) -> Option<&Puts> {
        self.puts.as_ref().filter(|puts| !puts.is_empty())
    }

    pub fn is_modified(&self) -> bool {
        self.tree.is_modified() || self.waiting().is_some()
    }

    pub fn counts(&self) -> TreeCounts {
        self.tree.counts
    }

    /// Nodes in memory, or about as many as the puts will fill.
    pub fn nodes_in_memory(&self) -> usize {
        let waiting = self.waiting().map_or(0, Puts::bytes);
        self.tree.nodes_in_memory() + waiting / NODE_BYTES_ABOUT
    }

    /// Whether all of it is in memory, so that no page is to be found in it.
    pub fn has_no_pages(&self) -> bool {
        self.puts.is_some()
    }

    /// The tree, to read from.
    pub fn read<'a, S: PageSource>(&'a self, source: &'a S) -> TreeRef<'a, S> {
        match self.waiting() {
            Some(puts) => {
                let seen = || Box::new(Plan::new(puts, source.page_bytes()).tree(puts));
                self.seen.get_or_init(seen).read(source)
            }
            None => self.tree.read(source),
        }
    }

    /// The tree with all puts in it, to be changed.
    pub fn change(&mut self, page_bytes: usize) -> &mut Tree {
        if let Some(puts) = self.puts.take().filter(|puts| !puts.is_empty()) {
            let seen = self.seen.take();
            let made = seen.map_or_else(|| Plan::new(&puts, page_bytes).tree(&puts), |seen| *seen);
            self.tree.take_over(made);
        }
        &mut self.tree
    }

    /// Sets the pair of `key`.
    ///
    /// # Errors
    ///
    /// As [`Tree::put`].
    pub fn put_pair<S: PageSource>(&mut self, source: &S, key: &[u8], value: &[u8]) -> Result<()> {
        if let Some(puts) = self.puts.as_mut().filter(|_| self.seen.get().is_none())
            && puts.push(key, value)
        {
            return Ok(());
        }
        self.change(source.page_bytes())
            .put(source, key, value, PAIR_FLAGS)
    }

    /// Forgets what waits.
    pub fn forget_puts(&mut self) -> &mut Tree {
        self.puts = None;
        self.seen.take();
        &mut self.tree
    }

    /// Makes the tree ready to be written. What fits one node may go inside the bucket's entry, so
    /// it becomes one first.
    pub fn settle<S: PageSource>(&mut self, source: &S) -> Result<()> {
        let page_bytes = source.page_bytes();
        if let Some(puts) = self.waiting().filter(|_| self.seen.get().is_none()) {
            let plan = Plan::new(puts, page_bytes);
            if plan.nodes() > 1 {
                self.plan = Some(plan);
                return Ok(());
            }
        }
        settle(self.change(page_bytes), source)
    }

    /// Pages that [`BucketTree::write`] will allocate.
    pub fn pages_needed(&self, page_bytes: usize) -> PagesNeeded {
        match &self.plan {
            Some(plan) => plan.pages(page_bytes),
            None => emit::pages_needed(&self.tree, page_bytes),
        }
    }

    /// The settled tree, if it is in memory as one.
    pub fn settled(&mut self) -> Option<&mut Tree> {
        match self.plan {
            Some(_) => None,
            None => Some(&mut self.tree),
        }
    }

    /// Writes the settled tree and answers its root.
    pub fn write<K: PageSink>(&mut self, sink: &mut K, page_bytes: usize) -> Result<PageId> {
        if let Some((plan, puts)) = self.plan.take().zip(self.puts.take()) {
            let root = plan.write(&puts, sink, page_bytes)?;
            self.tree.take_over(Tree::at_page(root));
            self.tree.counts.spills += plan.nodes();
        }
        emit::write(&mut self.tree, sink, page_bytes)
    }
}
