//! The pages of one version, holding alive the view they are read through.

use std::io;
use std::sync::Arc;

use disk::View;

use crate::id::PageId;
use crate::page::Page;
use crate::side_table::SideTables;
use crate::{Error, PageSource, Result};

/// Pages below one high-water mark, read through one view. Cheap to clone.
#[derive(Clone, Debug)]
pub struct PageView {
    view: Arc<dyn View>,
    page_bytes: usize,
    high_water: PageId,
    side_tables: Option<Arc<SideTables>>,
}

impl PageView {
    /// The pages below `high_water`. Every one of them must lie inside the file: this is what
    /// keeps a mapped read from falling off its end.
    pub fn new(view: Arc<dyn View>, page_bytes: usize, high_water: PageId) -> PageView {
        PageView {
            view,
            page_bytes,
            high_water,
            side_tables: None,
        }
    }

    /// The same pages, with what readers work out about them kept in `tables`.
    pub fn with_side_tables(self, tables: Option<Arc<SideTables>>) -> PageView {
        PageView {
            side_tables: tables,
            ..self
        }
    }

    /// Raw bytes of `pages` pages from `id`, whatever they hold.
    #[inline]
    pub fn raw(&self, id: PageId, pages: u64) -> Result<&[u8]> {
        let end = id.0.checked_add(pages);
        if end.is_none_or(|end| end > self.high_water.0) {
            return Err(self.past_the_last_page(id, pages));
        }
        // Both products are bounded by high_water * page_bytes, which was checked against the
        // file's length when the version was made.
        let offset = id.0.saturating_mul(self.page_bytes as u64);
        let len = usize::try_from(pages.saturating_mul(self.page_bytes as u64))
            .map_err(|_| Error::page(id, "a run too long for this machine"))?;
        let bytes = self.view.bytes(offset, len);
        bytes.map_err(|source| unreadable(id, source))
    }

    #[cold]
    fn past_the_last_page(&self, id: PageId, pages: u64) -> Error {
        let last = self.high_water.0;
        let reason = format!("a run of {pages} ends past the last page {last}");
        Error::page(id, reason)
    }
}

#[cold]
fn unreadable(id: PageId, source: io::Error) -> Error {
    match source.kind() {
        io::ErrorKind::InvalidData => Error::page(id, source.to_string()),
        _ => Error::Io {
            doing: "reading a page",
            source,
        },
    }
}

impl PageSource for PageView {
    fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    fn high_water(&self) -> PageId {
        self.high_water
    }

    fn page(&self, id: PageId) -> Result<Page<'_>> {
        if id.0 < 2 {
            return Err(Error::page(
                id,
                "a meta page where a page of the tree must be",
            ));
        }
        let page = Page::parse(id, self.raw(id, 1)?)?;
        if page.overflow == 0 {
            return Ok(page);
        }
        let bytes = self.raw(id, page.run_pages())?;
        Ok(Page { bytes, ..page })
    }

    #[inline]
    fn run(&self, id: PageId, pages: u64) -> Result<&[u8]> {
        self.raw(id, pages)
    }

    fn side_tables(&self) -> Option<&SideTables> {
        self.side_tables.as_deref()
    }
}
