//! A node to read from, be it a page or in memory.

use pager::PageId;

use crate::error::Result;
use crate::heads::Window;
use crate::layout::Elements;
use crate::node::Node;

/// A node to read from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NodeRef<'a> {
    Page(Elements<'a>),
    /// A branch page that was passed by what is kept beside it, without being read.
    Unread {
        id: PageId,
        count: usize,
    },
    Node(&'a Node),
}

impl<'a> NodeRef<'a> {
    pub fn is_leaf(self) -> bool {
        match self {
            NodeRef::Page(elements) => elements.is_leaf(),
            NodeRef::Unread { .. } => false,
            NodeRef::Node(node) => node.is_leaf(),
        }
    }

    pub fn count(self) -> usize {
        match self {
            NodeRef::Page(elements) => elements.count(),
            NodeRef::Unread { count, .. } => count,
            NodeRef::Node(node) => node.count(),
        }
    }

    /// Where `key` is on a leaf, or where it would be.
    pub fn search(self, key: &[u8]) -> Result<Place> {
        match self {
            NodeRef::Page(elements) => Ok(Window::all(elements.count()).search(elements, key)?),
            NodeRef::Node(node) => Ok(node.search(key)),
            NodeRef::Unread { .. } => Ok(Err(0)),
        }
    }
}

/// The place of a key, or where it would be.
pub(crate) type Place = std::result::Result<usize, usize>;

/// The child below which a key with this place belongs. Keys below the first separator belong to
/// the first child.
pub(crate) fn child_place(place: Place) -> usize {
    match place {
        Ok(index) => index,
        Err(index) => index.saturating_sub(1),
    }
}
