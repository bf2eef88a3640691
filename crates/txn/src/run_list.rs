//! Runs of pages that one commit takes or gives up, each once.
//!
//! Most commits have a handful, and looking through those costs less than keeping a tree of
//! them; from [`LISTED_MAX`] on they are a set, too.
//!
//! Invariant: `set` is empty, or holds exactly the pages of `runs`.

use pager::{Extents, PageId};

/// So many runs are looked through one by one.
const LISTED_MAX: usize = 16;

/// Runs of pages, each once.
#[derive(Debug, Default)]
pub(crate) struct RunList {
    runs: Vec<(PageId, u64)>,
    set: Extents,
    pages: u64,
}

impl RunList {
    /// Takes a run; answers `false`, changing nothing, if any of it is there already.
    pub fn insert(&mut self, start: PageId, pages: u64) -> bool {
        if self.overlaps(start, pages) {
            return false;
        }
        self.runs.push((start, pages));
        self.pages += pages;
        match self.runs.len() {
            ..=LISTED_MAX => {}
            len if len == LISTED_MAX + 1 => {
                for (start, pages) in &self.runs {
                    self.set.insert(*start, *pages);
                }
            }
            _ => drop(self.set.insert(start, pages)),
        }
        true
    }

    /// Whether any of `pages` pages from `start` is in a run.
    pub fn overlaps(&self, start: PageId, pages: u64) -> bool {
        if self.runs.len() > LISTED_MAX {
            return self.set.overlaps(start, pages);
        }
        let end = start.0.saturating_add(pages);
        let overlaps = |run: &(PageId, u64)| run.0.0 < end && start.0 < run.0.0 + run.1;
        self.runs.iter().any(overlaps)
    }

    /// Pages of all runs.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// The runs, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        self.runs.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        /// The oracle is a plain set of numbers.
        fn a_run_is_taken_if_no_page_of_it_was_before(runs: Vec<(u8, u8)>) -> bool {
            let (mut freed, mut model) = (RunList::default(), BTreeSet::new());
            let taken = runs.into_iter().all(|(start, pages)| {
                let (start, pages) = (u64::from(start), u64::from(pages % 3 + 1));
                let fresh = (start..start + pages).all(|id| !model.contains(&id));
                if fresh {
                    model.extend(start..start + pages);
                }
                freed.insert(PageId(start), pages) == fresh
            });
            let kept: BTreeSet<u64> = freed
                .iter()
                .flat_map(|(start, pages)| start.0..start.0 + pages)
                .collect();
            taken && kept == model && freed.pages() == model.len() as u64
        }
    }
}
