//! What stands below an element of a branch: a page, or a node in memory.

use pager::PageId;

/// A node's place in its tree's arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeIndex(pub u32);

/// What stands below a branch element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Child {
    /// A page nobody has changed.
    Page(PageId),
    /// A node in the arena.
    Node(NodeIndex),
}

/// Set in a child's number that is a place in the arena. No page has a number this high: the
/// largest mapping has 2^38 pages of the smallest size.
pub(crate) const IN_ARENA: u64 = 1 << 63;

impl Child {
    pub fn encode(self) -> u64 {
        match self {
            Child::Page(id) => id.0,
            Child::Node(index) => IN_ARENA | u64::from(index.0),
        }
    }

    pub fn decode(number: u64) -> Child {
        match u32::try_from(number ^ IN_ARENA) {
            Ok(index) => Child::Node(NodeIndex(index)),
            Err(_) => Child::Page(PageId(number)),
        }
    }
}
