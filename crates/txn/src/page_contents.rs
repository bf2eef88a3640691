//! What stands on a single page, for tools that show it.

use btree::{BucketHeader, Elements, EntryKind, entry_kind};
use kv_api::Result;
use pager::{HEADER_BYTES, Meta, NO_FREELIST, PageId, PageKind, PageSource, read_freelist};

use crate::error::{from_pager, from_tree};
use crate::snapshot::Snapshot;

/// What stands on a page of the tree or of the freelist.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageContents<'a> {
    /// Page numbers listed as free.
    Freelist(Vec<u64>),
    /// Keys and the pages below them.
    Branch(Vec<(&'a [u8], u64)>),
    /// Keys and what they name.
    Leaf(Vec<(&'a [u8], LeafValue<'a>)>),
}

/// What a key on a leaf names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafValue<'a> {
    /// A value.
    Value(&'a [u8]),
    /// A bucket.
    Bucket {
        /// Its root page; 0 for a bucket that lives inside this very leaf.
        root_page: u64,
        /// Its sequence number.
        sequence: u64,
    },
}

/// The record on a meta page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetaRecord {
    /// Bytes per page.
    pub page_bytes: u32,
    /// Flags that nothing reads.
    pub flags: u32,
    /// Root page of the top bucket.
    pub root_page: u64,
    /// First page of the stored freelist, if one is stored.
    pub freelist_page: Option<u64>,
    /// The first page never used.
    pub high_water: u64,
    /// The transaction that wrote it.
    pub txid: u64,
    /// Its checksum.
    pub checksum: u64,
}

impl Snapshot {
    /// The records of the two metas as they stand in the file now, each an error if it does not
    /// validate. A writer may have moved on since this snapshot was taken.
    pub fn metas(&self) -> [Result<MetaRecord>; 2] {
        [0, 1].map(|page| {
            let image = self.page_image(page)?;
            let record = image.get(HEADER_BYTES..).unwrap_or_default();
            let meta = Meta::decode(record).map_err(from_pager)?;
            Ok(MetaRecord {
                page_bytes: meta.page_bytes,
                flags: meta.flags,
                root_page: meta.root.0,
                freelist_page: Some(meta.freelist.0).filter(|_| meta.freelist != NO_FREELIST),
                high_water: meta.high_water.0,
                txid: meta.txid.0,
                checksum: meta.checksum(),
            })
        })
    }

    /// What stands on the run that begins at page `id`, which must not be a meta. A free page
    /// answers what was left on it.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a page without a sensible header, such as one in the middle of a run.
    pub fn page_contents(&self, id: u64) -> Result<PageContents<'_>> {
        let page = self.pages().page(PageId(id)).map_err(from_pager)?;
        match page.kind {
            PageKind::Freelist => {
                let free = read_freelist(&page, self.pages().high_water()).map_err(from_pager)?;
                let ids = free
                    .iter()
                    .flat_map(|(first, count)| first.0..first.0 + count);
                Ok(PageContents::Freelist(ids.collect()))
            }
            PageKind::Branch => {
                let elements = Elements::of(page).map_err(from_pager)?;
                let children = (0..elements.count())
                    .map(|index| Ok((elements.key(index)?, elements.child(index)?.0)))
                    .collect::<pager::Result<Vec<_>>>();
                children.map(PageContents::Branch).map_err(from_pager)
            }
            // A meta here has the header of one and is refused as an element page.
            PageKind::Leaf | PageKind::Meta => {
                let elements = Elements::of(page).map_err(from_pager)?;
                let entries = (0..elements.count()).map(|index| {
                    let key = elements.key(index).map_err(from_pager)?;
                    Ok((key, leaf_value(elements, index)?))
                });
                Ok(PageContents::Leaf(entries.collect::<Result<_>>()?))
            }
        }
    }
}

fn leaf_value(elements: Elements<'_>, index: usize) -> Result<LeafValue<'_>> {
    let value = elements.value(index).map_err(from_pager)?;
    if entry_kind(elements.flags(index).map_err(from_pager)?) == EntryKind::Pair {
        return Ok(LeafValue::Value(value));
    }
    let header = BucketHeader::decode(value).map_err(from_tree)?;
    Ok(LeafValue::Bucket {
        root_page: header.root.0,
        sequence: header.sequence,
    })
}
