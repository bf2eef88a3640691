//! What a single page is.

use disk::read_exact_at;
use kv_api::{Error, Place, Result};
use pager::{Page, PageId, PageKind, PageSource};

use crate::error::from_pager;
use crate::snapshot::Snapshot;

/// What a page is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageUse {
    /// One of the two metas.
    Meta,
    /// Stored list of free pages.
    Freelist,
    /// Keys and the pages below them.
    Branch,
    /// Keys and values.
    Leaf,
    /// Nothing.
    Free,
    /// Its header makes no sense.
    Unknown,
}

/// What a single page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageInfo {
    /// Its number.
    pub id: u64,
    /// What it is used for.
    pub usage: PageUse,
    /// Elements on it.
    pub count: u64,
    /// Pages of its run beyond the first.
    pub overflow: u64,
}

impl Snapshot {
    /// What page `id` is; none above the high-water mark. For a page in the middle of a run the
    /// answer is meaningless, because such pages have no header.
    ///
    /// The first call finds all free pages, which reads the freelist or the whole tree.
    pub fn page(&self, id: u64) -> Result<Option<PageInfo>> {
        let inside = (2..self.pages().high_water().0).contains(&id);
        if inside && self.version().free_pages()?.contains(PageId(id)) {
            return Ok(Some(PageInfo {
                id,
                usage: PageUse::Free,
                count: 0,
                overflow: 0,
            }));
        }
        self.page_by_header(id)
    }

    /// What page `id` is by its header alone, so that a free page is what it was last: for files
    /// whose damage keeps [`Snapshot::page`] from finding the free pages.
    pub fn page_by_header(&self, id: u64) -> Result<Option<PageInfo>> {
        if id >= self.pages().high_water().0 {
            return Ok(None);
        }
        if id < 2 {
            return Ok(Some(PageInfo {
                id,
                usage: PageUse::Meta,
                count: 0,
                overflow: 0,
            }));
        }
        let bytes = self.pages().raw(PageId(id), 1).map_err(from_pager)?;
        let Ok(page) = Page::parse(PageId(id), bytes) else {
            return Ok(Some(PageInfo {
                id,
                usage: PageUse::Unknown,
                count: 0,
                overflow: 0,
            }));
        };
        let usage = match page.kind {
            PageKind::Branch => PageUse::Branch,
            PageKind::Leaf => PageUse::Leaf,
            PageKind::Meta => PageUse::Meta,
            PageKind::Freelist => PageUse::Freelist,
        };
        let (count, overflow) = (u64::from(page.count), u64::from(page.overflow));
        Ok(Some(PageInfo {
            id,
            usage,
            count,
            overflow,
        }))
    }

    /// The bytes of page `id` as they stand in the file, whatever they are.
    ///
    /// # Errors
    ///
    /// `Invalid` for a page above the high-water mark.
    pub fn page_image(&self, id: u64) -> Result<Vec<u8>> {
        let pages = self.pages();
        if id >= pages.high_water().0 {
            return Err(Error::Invalid {
                what: "a page number outside the file",
            });
        }
        // Read, not mapped: metas may change at any time.
        let mut image = vec![0; pages.page_bytes()];
        let offset = id.saturating_mul(image.len() as u64);
        read_exact_at(&*self.version().lease.file, &mut image, offset)
            .map_err(|error| Error::io("reading a page", error))?;
        Ok(image)
    }

    /// The bytes of the run that begins at page `id`, which must be a page of the tree or of the
    /// freelist.
    pub fn run_image(&self, id: u64) -> Result<&[u8]> {
        if id < 2 {
            return Err(Error::corrupt(Place::Page(id), "a meta is not a run"));
        }
        Ok(self.pages().page(PageId(id)).map_err(from_pager)?.bytes)
    }
}
