//! The free pages of a version: read where they are stored, or found by walking the tree.

use btree::{BucketHeader, EntryKind, Walk, entry_kind};
use kv_api::{Error, Result};
use pager::{Extents, Meta, NO_FREELIST, PageId, PageSet, PageSource, PageView, read_freelist};

use crate::error::{from_pager, from_tree};

/// The free pages of the version that `meta` describes.
pub(crate) fn load_freelist(pages: &PageView, meta: &Meta) -> Result<Extents> {
    if meta.freelist == NO_FREELIST {
        tracing::debug!(txid = meta.txid.0, "no stored freelist: walking the tree");
        return unreached_pages(pages, meta.root);
    }
    let page = pages.page(meta.freelist).map_err(from_pager)?;
    read_freelist(&page, meta.high_water).map_err(from_pager)
}

/// Every page from 2 up that the tree at `root` does not reach.
///
/// # Errors
///
/// `Corrupt` if any page cannot be read or is reached twice: free pages derived from a tree that
/// is not understood would be handed out while in use.
fn unreached_pages(pages: &PageView, root: PageId) -> Result<Extents> {
    let mut reached = PageSet::new();
    let mut roots = vec![root];
    while let Some(root) = roots.pop() {
        for step in Walk::new(pages, root) {
            let step = step.map_err(from_pager)?;
            if !reached.insert(step.id, step.pages) {
                return Err(Error::corrupt(
                    kv_api::Place::Page(step.id.0),
                    "reached twice, so the free pages cannot be told",
                ));
            }
            for index in 0..if step.elements.is_leaf() {
                step.elements.count()
            } else {
                0
            } {
                let flags = step.elements.flags(index).map_err(from_pager)?;
                if entry_kind(flags) == EntryKind::Bucket {
                    let value = step.elements.value(index).map_err(from_pager)?;
                    let header = BucketHeader::decode(value).map_err(from_tree)?;
                    roots.extend(Some(header.root).filter(|_| !header.is_inline()));
                }
            }
        }
    }
    Ok(complement(&reached, pages.high_water()))
}

/// The pages from 2 to `high_water` that are not in `used`.
fn complement(used: &PageSet, high_water: PageId) -> Extents {
    let mut free = Extents::new();
    let mut next = 2;
    let end = std::iter::once((high_water, 0));
    for (start, len) in used.runs().chain(end) {
        if start.0 > next {
            free.insert(PageId(next), start.0 - next);
        }
        next = start.0 + len;
    }
    free
}
