//! Where the pages of one commit go, decided before the first is asked for.
//!
//! A disk writes one run of pages many times faster than as many scattered ones, so a commit gets
//! one run for its leaves and one for the pages above them, where there are such runs. Leaves and
//! the pages above lie apart because they live for different times: nearly all that a small commit
//! frees above the leaves was written by commits just before it, and comes back as runs.
//!
//! A large commit that finds no run takes the longest ones there are, or goes past the end of the
//! file while that stays within [`USED_OVER_LIVE_MAX`] times what is live. A small one takes what
//! fits most closely, so that it does not break up long runs; for the pages above its leaf it
//! lengthens the file by [`AHEAD_BYTES`] if there is no run, which a file with five hundred
//! lowest branches needs five times in all; else it takes the longest runs shorter than itself.
//!
//! Invariants: no run is empty; a page is granted once.

use std::collections::VecDeque;

use pager::PageId;

/// Commits of fewer pages do not grow the file to be written in one run.
pub(crate) const LARGE_COMMIT_PAGES: u64 = 8;
/// A run this long is written nearly as fast as a longer one.
pub(crate) const LONG_RUN_PAGES: u64 = 64;
/// Pages below the high-water mark, over those in use, that a commit may bring about only to be
/// written in one run.
const USED_OVER_LIVE_MAX: u64 = 2;

/// Bytes by which a small commit lengthens the file at once.
pub(crate) const AHEAD_BYTES: u64 = 1 << 20;
/// The share of what is in use by which small commits may lengthen the file.
const AHEAD_SHARE: u64 = 8;

/// Runs granted ahead to one commit.
#[derive(Debug, Default)]
pub(crate) struct Grant {
    runs: VecDeque<(PageId, u64)>,
}

impl Grant {
    /// These runs, in any order.
    pub fn new(mut runs: Vec<(PageId, u64)>) -> Grant {
        runs.sort_unstable();
        Grant { runs: runs.into() }
    }

    /// These runs for a small commit, the shortest first: it writes the pages that every commit
    /// writes anew last, so those stay neighbours from commit to commit.
    pub fn of_small(mut runs: Vec<(PageId, u64)>) -> Grant {
        runs.sort_unstable_by_key(|(start, pages)| (*pages, *start));
        Grant { runs: runs.into() }
    }

    /// Gives up a run of pages from `from` on that ends at `end`; answers where it began.
    pub fn give_up_end(&mut self, from: PageId, end: PageId) -> Option<PageId> {
        let ends = |run: &(PageId, u64)| run.0 >= from && run.0.0.saturating_add(run.1) == end.0;
        let index = self.runs.iter().position(ends)?;
        self.runs.remove(index).map(|(start, _)| start)
    }

    /// Runs left.
    pub fn runs(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        self.runs.iter().copied()
    }

    /// Takes `pages` neighbouring pages from the first run that has as many.
    pub fn take(&mut self, pages: u64) -> Option<PageId> {
        let index = self.runs.iter().position(|(_, left)| *left >= pages)?;
        let run = self.runs.get_mut(index)?;
        let id = run.0;
        *run = (PageId(id.0 + pages), run.1 - pages);
        if run.1 == 0 {
            self.runs.remove(index);
        }
        Some(id)
    }
}

/// Whether the high-water mark may go up by `pages` while `live` pages are in use.
pub(crate) fn may_extend(high_water: PageId, pages: u64, live: u64) -> bool {
    high_water.0.saturating_add(pages) <= live.saturating_mul(USED_OVER_LIVE_MAX)
}

/// Whether the high-water mark may go up by `pages` for a small commit while `live` pages are in use.
pub(crate) fn may_extend_ahead(high_water: PageId, pages: u64, live: u64) -> bool {
    let end = high_water.0.saturating_add(pages);
    end <= live.saturating_add(live / AHEAD_SHARE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_used_up_from_below() {
        let mut grant = Grant::new(vec![(PageId(20), 3), (PageId(10), 2)]);
        assert_eq!(grant.take(1), Some(PageId(10)));
        assert_eq!(grant.take(2), Some(PageId(20)), "neighbours only");
        assert_eq!(grant.runs().map(|(_, pages)| pages).sum::<u64>(), 2);
        assert_eq!(grant.take(1), Some(PageId(11)));
        assert_eq!(grant.runs().collect::<Vec<_>>(), [(PageId(22), 1)]);
        assert_eq!(grant.take(1), Some(PageId(22)));
        assert_eq!(grant.take(1), None);
    }
}
