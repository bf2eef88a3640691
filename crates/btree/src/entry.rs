//! An entry of a leaf, as readers are given it.

use crate::error::Result;
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
        let (key, value) = node.pair(index)?;
        let flags = node.flags(index)?;
        Ok(Entry { key, value, flags })
    }
}
