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

/// Where in a tree a run of pages will stand: that tells how soon it will be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// A leaf below a root.
    Leaf,
    /// A branch, a root, or what else most commits write anew.
    Upper,
}

impl Tier {
    /// That of a node which is a leaf below a root, or is not.
    pub fn of(is_leaf_below_root: bool) -> Tier {
        match is_leaf_below_root {
            true => Tier::Leaf,
            false => Tier::Upper,
        }
    }
}

/// How many pages something will take, by tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PagesNeeded {
    /// Of [`Tier::Leaf`].
    pub leaf: u64,
    /// Of [`Tier::Upper`].
    pub upper: u64,
}

impl PagesNeeded {
    /// Counts `pages` more of `tier`.
    pub fn add(&mut self, tier: Tier, pages: u64) {
        match tier {
            Tier::Leaf => self.leaf += pages,
            Tier::Upper => self.upper += pages,
        }
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.leaf + self.upper
    }
}

impl std::ops::AddAssign for PagesNeeded {
    fn add_assign(&mut self, other: PagesNeeded) {
        self.leaf += other.leaf;
        self.upper += other.upper;
    }
}

/// The power to make pages of the next version and to drop pages of this one.
pub trait PageSink {
    /// Announces all pages that are about to be allocated, so that those of one tier can be
    /// granted side by side.
    fn expect_pages(&mut self, needed: PagesNeeded);

    /// Grants a run.
    fn allocate(&mut self, tier: Tier, pages: u64) -> Result<PageId>;

    /// An image of the run granted at `id`: `beginning`, then zeros. To be completed in place.
    fn image(&mut self, id: PageId, pages: u64, beginning: &[u8]) -> Result<&mut [u8]>;

    /// Notes that the run granted at `id` has the keys of the run at `before`, each at its place, so
    /// that what readers worked out about one is true of the other, but for the children.
    fn succeed(&mut self, before: PageId, id: PageId);

    /// Takes back a run of the current version: nothing in the next version refers to it.
    fn free(&mut self, id: PageId, pages: u64) -> Result<()>;
}
