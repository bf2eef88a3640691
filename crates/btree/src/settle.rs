//! Making a changed tree ready to be written: merge what became too small, split what is too
//! large, and let every separator be its child's first key.
//!
//! A node only merges if something was removed from it, so a commit never touches pages that the
//! transaction left alone, except one neighbour of each merged node.

use pager::PageSource;

use crate::child::{Child, NodeIndex};
use crate::error::Result;
use crate::node::Node;
use crate::split::{Fill, share_of};
use crate::tree::Tree;

/// Settles the whole tree.
pub(crate) fn settle<S: PageSource>(tree: &mut Tree, source: &S) -> Result<()> {
    let Child::Node(root) = tree.root() else {
        return Ok(());
    };
    settle_below(tree, source, root)?;
    settle_root(tree, source)
}

/// Settles everything below `index`, but not its own size. Recursion is as deep as the tree,
/// which descending has bounded.
fn settle_below<S: PageSource>(tree: &mut Tree, source: &S, index: NodeIndex) -> Result<()> {
    let Some(node) = tree.node(index).filter(|node| !node.is_leaf()) else {
        return Ok(());
    };
    let in_memory: Vec<NodeIndex> = node.children_in_memory().map(|(_, child)| child).collect();
    for child in in_memory {
        settle_below(tree, source, child)?;
    }
    let mut place = 0;
    while let Some((at, child)) = next_in_memory(tree, index, place) {
        place = settle_child(tree, source, index, at, child)?;
    }
    Ok(())
}

/// The first child of `parent` that is in memory, from `place` on.
fn next_in_memory(tree: &Tree, parent: NodeIndex, place: usize) -> Option<(usize, NodeIndex)> {
    let mut children = tree.node(parent)?.children_in_memory();
    children.find(|(at, _)| *at >= place)
}

/// Settles the child at `place` of `parent`; answers the place to go on at.
fn settle_child<S: PageSource>(
    tree: &mut Tree,
    source: &S,
    parent: NodeIndex,
    place: usize,
    child: NodeIndex,
) -> Result<usize> {
    let page_bytes = source.page_bytes();
    let Some(node) = tree.node(child) else {
        return Ok(place + 1);
    };
    if node.count() == 0 {
        tree.retire(child);
        remove_child(tree, parent, place);
        tree.counts.rebalances += 1;
        return Ok(place);
    }
    let siblings = tree.node(parent).map_or(0, Node::count);
    if is_too_small(node, page_bytes, tree.fill) && siblings > 1 {
        let left = place.saturating_sub(1);
        if merge(tree, source, parent, left)? {
            return Ok(left);
        }
    }
    let Some(node) = tree.node(child) else {
        return Ok(place + 1);
    };
    let key = node.key(0).to_vec();
    check_bounds(tree, parent, place, node)?;
    if let Some(parent) = tree.node_mut(parent) {
        parent.set_key(place, &key);
    }
    let extra = tree.split(page_bytes, child)?;
    tree.insert_children(parent, place + 1, &extra);
    Ok(place + 1 + extra.len())
}

/// Whether a child's keys lie between the separators around it. In a damaged tree they may not,
/// and then what is written could not be found again.
fn check_bounds(tree: &Tree, parent: NodeIndex, place: usize, child: &Node) -> Result<()> {
    let Some(parent) = tree.node(parent) else {
        return Ok(());
    };
    let below = child.key(0) < parent.key(place);
    let last = child.key(child.count().saturating_sub(1));
    if !below && (place + 1 >= parent.count() || last < parent.key(place + 1)) {
        return Ok(());
    }
    let what = "its keys leave the bounds that its parent sets";
    Err(damage(child, what).into())
}

/// Damage on the page that a node was read from.
fn damage(node: &Node, what: &str) -> pager::Error {
    match node.origin {
        Some((page, _)) => pager::Error::page(page, what),
        None => pager::Error::file(what),
    }
}

fn remove_child(tree: &mut Tree, parent: NodeIndex, place: usize) {
    if let Some(parent) = tree.node_mut(parent) {
        parent.remove(place);
    }
}

/// Merges the children at `left` and `left + 1` of `parent`; answers whether that was possible. A
/// leaf and a branch side by side, which the format allows, stay two.
fn merge<S: PageSource>(
    tree: &mut Tree,
    source: &S,
    parent: NodeIndex,
    left: usize,
) -> Result<bool> {
    let mut children = [None, None];
    for (offset, child) in children.iter_mut().enumerate() {
        let below = tree.node(parent).and_then(|node| node.child(left + offset));
        let Some(below) = below else {
            return Ok(false);
        };
        let index = tree.materialize(source, below)?;
        if let Some(parent) = tree.node_mut(parent) {
            parent.set_child(left + offset, Child::Node(index));
        }
        *child = Some(index);
    }
    let [Some(left_index), Some(right_index)] = children else {
        return Ok(false);
    };
    let kind = |index| tree.node(index).map(Node::is_leaf);
    if kind(left_index) != kind(right_index) {
        return Ok(false);
    }
    let Some(mut merged) = tree.take(left_index) else {
        return Ok(false);
    };
    if let Some(right) = tree.node(right_index) {
        merged.append(right);
    }
    // Whatever the sum is, it is weighed again: it may still be too small, or too large now.
    merged.unbalanced = true;
    tree.put_back(left_index, merged);
    tree.retire(right_index);
    remove_child(tree, parent, left + 1);
    tree.counts.rebalances += 1;
    Ok(true)
}

/// bbolt's rule: something was removed, and less than half of what a split would leave is left.
fn is_too_small(node: &Node, page_bytes: usize, fill: Fill) -> bool {
    let share = match fill {
        Fill::Adaptive | Fill::Packed => 0.5,
        Fill::Share(share) => share,
    };
    let few = share_of(page_bytes, share) / 2;
    node.unbalanced && (node.size_bytes() <= few || (!node.is_leaf() && node.count() < 2))
}

/// Splits or lowers the root until it is one node that fits.
fn settle_root<S: PageSource>(tree: &mut Tree, source: &S) -> Result<()> {
    while let Child::Node(root) = tree.root() {
        let Some(node) = tree.node(root) else {
            return Ok(());
        };
        if !node.is_leaf() && node.count() == 0 {
            let mut empty = Node::new(true);
            empty.origin = node.origin;
            tree.put_back(root, empty);
            return Ok(());
        }
        let has_one_child = !node.is_leaf() && node.count() == 1;
        if let Some(only) = has_one_child.then(|| node.child(0)).flatten() {
            tree.retire(root);
            tree.set_root(only);
            continue;
        }
        let extra = tree.split(source.page_bytes(), root)?;
        if extra.is_empty() {
            return Ok(());
        }
        tree.grow_root(root, &extra)?;
    }
    Ok(())
}
