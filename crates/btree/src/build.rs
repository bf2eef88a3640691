//! Building a tree from the bottom, out of pairs in order: as pages, or as nodes in memory.
//!
//! Pages are filled as far as they go, as those of a tree are that is filled in order, in whatever
//! order the pairs came. A pair larger than a page stands alone.

use std::convert::Infallible;
use std::sync::Arc;

use pager::{HEADER_BYTES, PageId, PageKind, PageSink, PagesNeeded, Tier, write_header};

use crate::child::{Child, NodeIndex};
use crate::error::Result;
use crate::layout::{ELEMENT_BYTES, ELEMENTS_MAX, Element, NO_FLAGS, lay_out};
use crate::node::Node;
use crate::puts::{Puts, RecordPlace};
use crate::tree::Tree;

/// What one node of the tree to be built will hold.
#[derive(Clone, Copy, Debug)]
struct Share {
    elements: usize,
    bytes: usize,
}

impl Share {
    fn add(&mut self, bytes: usize) {
        self.elements += 1;
        self.bytes += bytes;
    }

    fn pages(self, page_bytes: usize) -> u64 {
        self.bytes.div_ceil(page_bytes) as u64
    }
}

/// A tree to be built: its pairs in order, and how each level is shared out among nodes.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    places: Vec<RecordPlace>,
    leaves: Vec<Share>,
    /// The levels of branches, those above the leaves first.
    branches: Vec<Vec<Share>>,
}

impl Plan {
    /// Sorts `puts` and shares them out.
    pub fn new(puts: &Puts, page_bytes: usize) -> Plan {
        let places = puts.in_order();
        let pairs = places.iter().map(|place| puts.pair(*place));
        let pair_bytes = pairs.map(|(key, value)| key.len() + value.len());
        let leaves = share_out(pair_bytes, page_bytes, 1);
        let mut firsts = firsts(&leaves, &places);
        let mut branches = Vec::new();
        while firsts.len() > 1 {
            let key_bytes = firsts.iter().map(|place| puts.key(*place).len());
            let level = share_out(key_bytes, page_bytes, 2);
            firsts = self::firsts(&level, &firsts);
            branches.push(level);
        }
        Plan {
            places,
            leaves,
            branches,
        }
    }

    /// Pages that [`Plan::write`] will allocate.
    pub fn pages(&self, page_bytes: usize) -> PagesNeeded {
        let pages = |share: &Share| share.pages(page_bytes);
        PagesNeeded {
            leaf: self.leaves.iter().map(pages).sum(),
            upper: self.branches.iter().flatten().map(pages).sum(),
        }
    }

    /// Nodes of the tree.
    pub fn nodes(&self) -> u64 {
        let branches = self.branches.iter().map(Vec::len);
        (self.leaves.len() + branches.sum::<usize>()) as u64
    }

    /// Writes the tree, leaves first and in order, and answers its root.
    pub fn write<K: PageSink>(
        &self,
        puts: &Puts,
        sink: &mut K,
        page_bytes: usize,
    ) -> Result<PageId> {
        let root = self.build(puts, |leaf, elements, share| -> Result<Child> {
            let pages = share.pages(page_bytes);
            // Only trees of several nodes are built, so no leaf is a root.
            let id = sink.allocate(Tier::of(leaf), pages)?;
            let overflow = u32::try_from(pages - 1)
                .map_err(|_| pager::Error::page(id, "a node longer than 2^32 pages"))?;
            let count = u16::try_from(share.elements)
                .map_err(|_| pager::Error::page(id, "more elements than a page can count"))?;
            let kind = match leaf {
                true => PageKind::Leaf,
                false => PageKind::Branch,
            };
            let image = sink.image(id, pages, &[])?;
            write_header(image, id, kind, count, overflow);
            lay_out(image, leaf, elements);
            Ok(Child::Page(id))
        })?;
        match root {
            Some(Child::Page(root)) => Ok(root),
            _ => Err(pager::Error::file("a tree without pages").into()),
        }
    }

    /// The tree as nodes in memory.
    pub fn tree(&self, puts: &Puts) -> Tree {
        let mut nodes = Vec::new();
        let root = self.build(puts, |leaf, elements, share| {
            let node = Node::of_elements(leaf, elements, share.bytes);
            let index = NodeIndex(u32::try_from(nodes.len()).unwrap_or(u32::MAX));
            nodes.push(Some(Arc::new(node)));
            Ok::<_, Infallible>(Child::Node(index))
        });
        match root {
            Ok(Some(root)) => Tree::of_nodes(root, nodes),
            Ok(None) => Tree::at_node(Node::new(true)),
        }
    }

    /// Has every node made, children first, and answers what was made of the root.
    fn build<E>(
        &self,
        puts: &Puts,
        mut make: impl FnMut(bool, &[Element<'_>], Share) -> std::result::Result<Child, E>,
    ) -> std::result::Result<Option<Child>, E> {
        let mut elements = Vec::new();
        let mut level = Vec::with_capacity(self.leaves.len());
        let mut places = self.places.iter();
        for share in &self.leaves {
            let own = places.as_slice();
            elements.clear();
            elements.extend(places.by_ref().take(share.elements).map(|place| {
                let (key, value) = puts.pair(*place);
                Element::pair(key, value, NO_FLAGS)
            }));
            let first = own.first().copied().unwrap_or_default();
            level.push((first, make(true, &elements, *share)?));
        }
        for branches in &self.branches {
            let below = std::mem::replace(&mut level, Vec::with_capacity(branches.len()));
            let mut children = below.iter();
            for share in branches {
                let own = children.as_slice();
                elements.clear();
                let own_children = children.by_ref().take(share.elements);
                elements.extend(
                    own_children
                        .map(|(first, child)| Element::child(puts.key(*first), child.encode())),
                );
                let first = own.first().map(|(first, _)| *first).unwrap_or_default();
                level.push((first, make(false, &elements, *share)?));
            }
        }
        Ok(level.pop().map(|(_, root)| root))
    }
}

/// Fills node after node, each with at least `least` elements. The last one may be left with
/// fewer: then it goes to the one before.
fn share_out(payloads: impl Iterator<Item = usize>, page_bytes: usize, least: usize) -> Vec<Share> {
    let mut shares: Vec<Share> = Vec::new();
    for payload_bytes in payloads {
        let bytes = ELEMENT_BYTES + payload_bytes;
        let fits = |share: &&mut Share| {
            let room = share.bytes + bytes <= page_bytes && share.elements < ELEMENTS_MAX;
            room || share.elements < least
        };
        match shares.last_mut().filter(fits) {
            Some(share) => share.add(bytes),
            None => {
                let mut share = Share {
                    elements: 0,
                    bytes: HEADER_BYTES,
                };
                share.add(bytes);
                shares.push(share);
            }
        }
    }
    if let [.., before, last] = shares.as_mut_slice()
        && last.elements < least
    {
        before.elements += last.elements;
        before.bytes += last.bytes - HEADER_BYTES;
        shares.pop();
    }
    shares
}

/// The first place of each share.
fn firsts(shares: &[Share], places: &[RecordPlace]) -> Vec<RecordPlace> {
    let mut rest = places;
    let mut firsts = Vec::with_capacity(shares.len());
    for share in shares {
        firsts.extend(rest.first());
        rest = rest.get(share.elements..).unwrap_or_default();
    }
    firsts
}
