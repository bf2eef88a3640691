//! What an entry that names a bucket looks like: the only file that reads the bucket flag.
//!
//! The value of such an entry is a 16-byte header, root page and sequence. A root of 0 says that
//! the bucket is small enough to live inside the value: a whole leaf page follows the header.

use pager::{Page, PageId, PageSource, u64_at};

use crate::entry::Entry;
use crate::error::Result;
use crate::layout::{Elements, NO_FLAGS};
use crate::node::Node;
use crate::tree_ref::TreeRef;

/// Bytes of a bucket's header.
pub const BUCKET_HEADER_BYTES: usize = 16;

const BUCKET_FLAG: u32 = 1;
pub(crate) const PAIR_FLAGS: u32 = NO_FLAGS;
pub(crate) const BUCKET_FLAGS: u32 = BUCKET_FLAG;

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A key and its value.
    Pair,
    /// A name and its bucket.
    Bucket,
}

/// What an entry with these flags is.
pub fn entry_kind(flags: u32) -> EntryKind {
    if flags & BUCKET_FLAG == 0 {
        EntryKind::Pair
    } else {
        EntryKind::Bucket
    }
}

/// The header of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketHeader {
    /// The root page; 0 for a bucket inside its own entry.
    pub root: PageId,
    /// The bucket's sequence number.
    pub sequence: u64,
}

impl BucketHeader {
    /// Reads the header at the beginning of a bucket entry's value.
    pub fn decode(value: &[u8]) -> Result<BucketHeader> {
        let short = || pager::Error::file("a bucket entry shorter than a bucket's header");
        Ok(BucketHeader {
            root: PageId(u64_at(value, 0).ok_or_else(short)?),
            sequence: u64_at(value, 8).ok_or_else(short)?,
        })
    }

    /// The header's bytes.
    pub fn encode(self) -> [u8; BUCKET_HEADER_BYTES] {
        let mut bytes = [0; BUCKET_HEADER_BYTES];
        let (root, sequence) = bytes.split_at_mut(8);
        root.copy_from_slice(&self.root.0.to_le_bytes());
        sequence.copy_from_slice(&self.sequence.to_le_bytes());
        bytes
    }

    /// Whether the bucket lives inside its entry.
    pub fn is_inline(self) -> bool {
        self.root.0 == 0
    }
}

/// The page that a small bucket keeps inside its entry's value.
pub(crate) fn inline_elements(value: &[u8]) -> Result<Elements<'_>> {
    let inside = value.get(BUCKET_HEADER_BYTES..).unwrap_or_default();
    let elements = Elements::of(Page::parse(PageId(0), inside)?)?;
    if !elements.is_leaf() {
        return Err(pager::Error::file("an inline bucket that is not a leaf").into());
    }
    Ok(elements)
}

impl<'a, S: PageSource> TreeRef<'a, S> {
    /// The bucket that `entry` names, with its header.
    ///
    /// # Errors
    ///
    /// [`Error::Incompatible`](crate::Error::Incompatible) if the entry is a pair; `Corrupt` for a
    /// bucket inside an inline one, which no writer makes and nothing that accounts for pages
    /// would find.
    pub fn open_bucket(&self, entry: Entry<'a>) -> Result<(BucketHeader, TreeRef<'a, S>)> {
        if entry_kind(entry.flags) == EntryKind::Pair {
            return Err(crate::Error::Incompatible("the name is a key's"));
        }
        if self.is_inline() {
            return Err(bucket_in_inline_bucket().into());
        }
        TreeRef::of_bucket(self.source(), entry.value)
    }

    /// The bucket whose entry has this value.
    pub fn of_bucket(source: &'a S, value: &'a [u8]) -> Result<(BucketHeader, TreeRef<'a, S>)> {
        let header = BucketHeader::decode(value)?;
        let tree = if header.is_inline() {
            TreeRef::inline(source, inline_elements(value)?)
        } else {
            TreeRef::at_page(source, header.root)
        };
        Ok((header, tree))
    }
}

/// What is wrong with a page that lives inside a value and names a bucket.
pub(crate) fn bucket_in_inline_bucket() -> pager::Error {
    pager::Error::file("a bucket inside an inline bucket")
}

/// Whether a root node may live inside its bucket's entry: a leaf without buckets that takes at
/// most a quarter of a page.
pub(crate) fn fits_inline(node: &Node, page_bytes: usize) -> bool {
    node.is_leaf()
        && node.size_bytes() <= page_bytes / 4
        && (0..node.count()).all(|index| entry_kind(node.flags(index)) == EntryKind::Pair)
}

/// The value of a bucket's entry with the bucket inside.
pub(crate) fn inline_value(node: &Node, sequence: u64) -> Result<Vec<u8>> {
    let mut value = BucketHeader {
        root: PageId(0),
        sequence,
    }
    .encode()
    .to_vec();
    value.extend_from_slice(node.image());
    let page = value.get_mut(BUCKET_HEADER_BYTES..).unwrap_or_default();
    node.stamp(page, PageId(0), 0)?;
    Ok(value)
}
