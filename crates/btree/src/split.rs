//! Where a node that is too large is cut.

use crate::layout::ELEMENTS_MAX;
use crate::node::Node;

/// Up to so many pairs may share a run of pages instead of being split: values of about a page
/// would otherwise waste half of their last page each.
const SHARED_RUN_PAIRS_MAX: usize = 4;
/// A pair above so many pages stands alone: rewriting it because a neighbour changed would cost
/// more than the share of a page that sharing saves.
const LONE_PAIR_PAGES: usize = 4;

/// Packed leaves may be runs of so many pages.
const PACKED_PAGES_MAX: usize = 4;
/// A longer run must save more than one byte in so many.
const PACKED_SAVING: usize = 100;

/// By how much a node may outgrow its page before it is cut ahead of the commit, under bbolt's
/// rule: bbolt cuts at the commit only, so where it cuts depends on all that a transaction put.
/// The bound keeps a bulk load linear.
const SHARE_ROOM_BYTES: usize = 64 << 10;

/// How full a split leaves the left node.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fill {
    /// Nearly full behind appended keys, balanced elsewhere.
    Adaptive,
    /// This share of a page, by bbolt's own rule.
    Share(f64),
    /// As full as it goes: leaves filled in order become runs of a few pages, where these waste
    /// clearly less than single pages.
    Packed,
}

impl Fill {
    /// By how much a node may outgrow its page until the tree is settled.
    pub fn room_until_settled_bytes(self) -> usize {
        match self {
            Fill::Adaptive => 0,
            Fill::Share(_) | Fill::Packed => SHARE_ROOM_BYTES,
        }
    }
}

/// Whether a node certainly needs no cut, by its size and by what a page's count can say.
pub(crate) fn fits(node: &Node, room_bytes: usize) -> bool {
    node.size_bytes() < room_bytes && node.count() <= ELEMENTS_MAX
}

/// Cuts a node until every piece fits.
pub(crate) fn pieces(node: Node, page_bytes: usize, fill: Fill) -> Vec<Node> {
    let mut done = Vec::new();
    let mut rest = node;
    while let Some(place) = split_place(&rest, page_bytes, fill) {
        let right = rest.split_off(place);
        done.push(std::mem::replace(&mut rest, right));
    }
    done.push(rest);
    done
}

/// Where to cut a node that is too large; `None` if it may stay whole.
fn split_place(node: &Node, page_bytes: usize, fill: Fill) -> Option<usize> {
    let count = node.count();
    let size = node.size_bytes();
    if count > ELEMENTS_MAX {
        return Some(ELEMENTS_MAX / 2);
    }
    match fill {
        Fill::Share(share) => {
            // A node of exactly one page is split too: that is bbolt's rule, to the byte.
            let whole = count <= SHARED_RUN_PAIRS_MAX || size < page_bytes;
            let room = share_of(page_bytes, share.clamp(0.1, 1.0));
            (!whole).then(|| fill_left(node, room, 2, 3))
        }
        Fill::Adaptive | Fill::Packed if size <= page_bytes || count < 2 => None,
        Fill::Adaptive | Fill::Packed => {
            if let Some(place) = lone_pair(node, page_bytes) {
                return Some(place);
            }
            if count <= SHARED_RUN_PAIRS_MAX {
                return None;
            }
            if fill == Fill::Packed && node.is_leaf() && node.appended_only {
                // The last leaf stays open for what comes behind it.
                let whole = size < PACKED_PAGES_MAX * page_bytes;
                return packed_place(node, page_bytes).filter(|_| !whole);
            }
            let keep = if node.is_leaf() { 1 } else { 2 };
            if node.appended_only {
                return Some(fill_left(node, page_bytes, keep, keep));
            }
            let parts = size.div_ceil(page_bytes);
            Some(fill_left(node, size / parts, keep, keep))
        }
    }
}

/// The cut behind the run of pages that wastes least, the shortest among those that are about
/// equal; `None` if the node is as good a run as any.
fn packed_place(node: &Node, page_bytes: usize) -> Option<usize> {
    // Bytes wasted per PACKED_PAGES_MAX pages, and where to cut.
    let mut best: Option<(usize, usize)> = None;
    let (mut size, mut place) = (pager::HEADER_BYTES, 0);
    for pages in 1..=PACKED_PAGES_MAX {
        while place < node.count() && size + node.element_bytes(place) <= pages * page_bytes {
            size += node.element_bytes(place);
            place += 1;
        }
        let wasted = (pages * page_bytes - size) * PACKED_PAGES_MAX / pages;
        let saving = PACKED_PAGES_MAX * page_bytes / PACKED_SAVING;
        if place > 0 && best.is_none_or(|(least, _)| wasted + saving < least) {
            best = Some((wasted, place));
        }
    }
    let (_, place) = best?;
    (place < node.count()).then_some(place)
}

/// The cut that sets the first oversized pair of a leaf apart.
fn lone_pair(node: &Node, page_bytes: usize) -> Option<usize> {
    if !node.is_leaf() {
        return None;
    }
    let large = |index: &usize| node.element_bytes(*index) > LONE_PAIR_PAGES * page_bytes;
    (0..node.count()).find(large).map(|index| index.max(1))
}

/// Slots that fit `room`, at least `left_min`, leaving at least `right_min`.
fn fill_left(node: &Node, room: usize, left_min: usize, right_min: usize) -> usize {
    let last = node.count().saturating_sub(right_min).max(1);
    let mut size = pager::HEADER_BYTES;
    for index in 0..last {
        size += node.element_bytes(index);
        if index >= left_min && size > room {
            return index;
        }
    }
    last
}

/// So many bytes of a page.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of at most one page of at most 16 MiB is exact enough in f64"
)]
pub(crate) fn share_of(page_bytes: usize, share: f64) -> usize {
    (page_bytes as f64 * share) as usize
}
