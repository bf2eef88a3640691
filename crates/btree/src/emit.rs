//! Writing a settled tree: children before parents, in key order, so that each parent knows its
//! children's pages and neighbours get neighbouring pages.

use pager::{PageId, PageSink, PagesNeeded, Tier};

use crate::child::{Child, NodeIndex};
use crate::error::Result;
use crate::node::Node;
use crate::tree::Tree;

fn run_pages(node: &Node, page_bytes: usize) -> u64 {
    node.size_bytes().div_ceil(page_bytes) as u64
}

/// Pages that [`write`] will allocate.
pub(crate) fn pages_needed(tree: &Tree, page_bytes: usize) -> PagesNeeded {
    let mut needed = PagesNeeded::default();
    let mut open = vec![tree.root()];
    while let Some(child) = open.pop() {
        let Child::Node(index) = child else { continue };
        let Some(node) = tree.node(index) else {
            continue;
        };
        let is_root = child == tree.root();
        needed.add(tier(node, is_root), run_pages(node, page_bytes));
        open.extend(
            node.children_in_memory()
                .map(|(_, child)| Child::Node(child)),
        );
    }
    needed
}

fn tier(node: &Node, is_root: bool) -> Tier {
    Tier::of(node.is_leaf() && !is_root)
}

/// Writes every node in memory and answers the root's page.
pub(crate) fn write<K: PageSink>(
    tree: &mut Tree,
    sink: &mut K,
    page_bytes: usize,
) -> Result<PageId> {
    let root = match tree.root() {
        Child::Page(id) => id,
        Child::Node(index) => write_node(tree, sink, page_bytes, index, true)?,
    };
    for (id, pages) in tree.take_orphans() {
        sink.free(id, pages)?;
    }
    tree.set_root(Child::Page(root));
    Ok(root)
}

fn write_node<K: PageSink>(
    tree: &mut Tree,
    sink: &mut K,
    page_bytes: usize,
    index: NodeIndex,
    is_root: bool,
) -> Result<PageId> {
    let Some(mut node) = tree.take(index) else {
        return Err(pager::Error::file("a node that is its own descendant").into());
    };
    let children: Vec<(usize, NodeIndex)> = node.children_in_memory().collect();
    for (place, child) in children {
        let id = write_node(tree, sink, page_bytes, child, false)?;
        node.set_child(place, Child::Page(id));
    }
    if let Some((id, pages)) = node.origin {
        sink.free(id, pages)?;
    }
    let pages = run_pages(&node, page_bytes);
    let id = sink.allocate(tier(&node, is_root), pages)?;
    let overflow = u32::try_from(pages - 1)
        .map_err(|_| pager::Error::page(id, "a node longer than 2^32 pages"))?;
    node.stamp(sink.image(id, pages, node.image())?, id, overflow)?;
    if let Some((before, run)) = node.origin
        && run == pages
        && !node.reshaped
    {
        sink.succeed(before, id);
    }
    tree.counts.spills += 1;
    Ok(id)
}
