//! The two powers over pages: to read them, and to make and drop them.

use crate::Result;
use crate::id::PageId;
use crate::page::Page;
use crate::side_table::SideTables;

/// The power to read the pages of one version.
pub trait PageSource {
    /// Bytes per page.
    fn page_bytes(&self) -> usize;

    /// The first page number never used in this version.
    fn high_water(&self) -> PageId;

    /// The page `id` with the whole of its run, which lies inside the file.
    fn page(&self, id: PageId) -> Result<Page<'_>>;

    /// The bytes of a run of `pages` pages whose header has been read before.
    fn run(&self, id: PageId, pages: u64) -> Result<&[u8]>;

    /// What readers have worked out about pages, if that is kept.
    fn side_tables(&self) -> Option<&SideTables> {
        None
    }
}

/// The power to make pages of the next version and to drop pages of this one.
pub trait PageSink {
    /// Announces that `pages` pages in all are about to be allocated, so that they can be granted
    /// side by side.
    fn expect_pages(&mut self, pages: u64);

    /// Grants a run.
    fn allocate(&mut self, pages: u64) -> Result<PageId>;

    /// An image of the run granted at `id`: `beginning`, then zeros. To be completed in place.
    fn image(&mut self, id: PageId, pages: u64, beginning: &[u8]) -> Result<&mut [u8]>;

    /// Notes that the run granted at `id` has the keys of the run at `before`, each at its place, so
    /// that what readers worked out about one is true of the other, but for the children.
    fn succeed(&mut self, before: PageId, id: PageId);

    /// Takes back a run of the current version: nothing in the next version refers to it.
    fn free(&mut self, id: PageId, pages: u64) -> Result<()>;
}
