//! An entry of a leaf, as readers are given it.

use crate::error::Result;
use crate::layout::{Elements, Spot};
use crate::node_ref::NodeRef;

/// An entry of a leaf. What its flags mean is for `bucket.rs` to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value, or a bucket's header and inline page.
    pub value: &'a [u8],
    /// The element's flags.
    pub flags: u32,
}

impl<'a> Entry<'a> {
    pub(crate) fn at(node: NodeRef<'a>, index: usize) -> Result<Entry<'a>> {
        match node {
            NodeRef::Page(elements) => {
                let (spot, flags) = elements.spot_and_flags(index)?;
                Entry::at_spot(elements, spot, flags)
            }
            NodeRef::Unread { id, .. } => {
                Err(pager::Error::page(id, "a branch where a leaf must be").into())
            }
            NodeRef::Node(node) => Ok(Entry {
                key: node.key(index),
                value: node.value(index),
                flags: node.flags(index),
            }),
        }
    }

    #[inline]
    pub(crate) fn at_spot(elements: Elements<'a>, spot: Spot, flags: u32) -> Result<Entry<'a>> {
        let (key, value) = elements.pair_at(spot)?;
        Ok(Entry { key, value, flags })
    }
}
