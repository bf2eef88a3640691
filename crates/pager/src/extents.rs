//! A set of page numbers kept as runs, with the run lengths indexed.
//!
//! Invariants: runs neither touch nor overlap; `by_length` mirrors `by_start`; `pages` is the sum
//! of all lengths.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::PageId;

/// Free pages as maximal runs. Every operation costs O(log runs).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    by_start: BTreeMap<u64, u64>,
    by_length: BTreeSet<(u64, u64)>,
    pages: u64,
}

impl Extents {
    /// No pages.
    pub fn new() -> Extents {
        Extents::default()
    }

    /// Pages in the set.
    pub fn pages(&self) -> u64 {
        self.pages
    }

    /// Runs in the set.
    pub fn runs(&self) -> usize {
        self.by_start.len()
    }

    /// Whether page `id` is in the set.
    pub fn contains(&self, id: PageId) -> bool {
        self.overlaps(id, 1)
    }

    /// Whether any of `pages` pages from `start` is in the set.
    pub fn overlaps(&self, start: PageId, pages: u64) -> bool {
        let end = start.0.saturating_add(pages);
        let before = self.by_start.range(..end).next_back();
        before.is_some_and(|(run, len)| run + len > start.0)
    }

    /// Adds a run; answers `false`, changing nothing, if any of it is there already.
    pub fn insert(&mut self, start: PageId, pages: u64) -> bool {
        if pages == 0 || self.overlaps(start, pages) {
            return pages == 0;
        }
        let (mut first, mut len) = (start.0, pages);
        let before = self
            .by_start
            .range(..first)
            .next_back()
            .map(|(run, len)| (*run, *len));
        if let Some((run, run_len)) = before.filter(|(run, run_len)| run + run_len == first) {
            self.remove_run(run, run_len);
            (first, len) = (run, len + run_len);
        }
        let after = first.saturating_add(len);
        if let Some(run_len) = self.by_start.get(&after).copied() {
            self.remove_run(after, run_len);
            len += run_len;
        }
        self.add_run(first, len);
        true
    }

    /// Removes a run that is in the set; answers `false`, changing nothing, if part of it is not.
    pub fn remove(&mut self, start: PageId, pages: u64) -> bool {
        let end = start.0.saturating_add(pages);
        let around = self
            .by_start
            .range(..=start.0)
            .next_back()
            .map(|(run, len)| (*run, *len));
        let Some((run, len)) = around.filter(|(run, len)| run + len >= end) else {
            return false;
        };
        self.remove_run(run, len);
        for (rest, rest_len) in [(run, start.0 - run), (end, run + len - end)] {
            if rest_len > 0 {
                self.add_run(rest, rest_len);
            }
        }
        true
    }

    /// Takes `pages` adjacent pages: the lowest of the shortest runs that have as many.
    pub fn take(&mut self, pages: u64) -> Option<PageId> {
        let (_, start) = self.by_length.range((pages, 0)..).next().copied()?;
        self.remove(PageId(start), pages).then_some(PageId(start))
    }

    /// Takes `pages` adjacent pages from the lowest run that has as many. Costs O(runs).
    pub fn take_lowest(&mut self, pages: u64) -> Option<PageId> {
        let (start, _) = self.iter().find(|(_, len)| *len >= pages)?;
        self.remove(start, pages).then_some(start)
    }

    /// The longest run, lowest first among equals.
    pub fn longest(&self) -> Option<(PageId, u64)> {
        let (len, _) = self.by_length.last().copied()?;
        let (_, start) = self.by_length.range((len, 0)..).next().copied()?;
        Some((PageId(start), len))
    }

    /// Takes the lowest of the longest runs, or the first `pages_max` pages of it.
    pub fn take_longest(&mut self, pages_max: u64) -> Option<(PageId, u64)> {
        let (start, len) = self.longest()?;
        let pages = len.min(pages_max);
        self.remove(start, pages).then_some((start, pages))
    }

    /// The runs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        self.by_start
            .iter()
            .map(|(start, len)| (PageId(*start), *len))
    }

    fn add_run(&mut self, start: u64, len: u64) {
        self.by_start.insert(start, len);
        self.by_length.insert((len, start));
        self.pages += len;
    }

    fn remove_run(&mut self, start: u64, len: u64) {
        self.by_start.remove(&start);
        self.by_length.remove(&(len, start));
        self.pages -= len;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    quickcheck! {
        /// The oracle is a plain set of numbers.
        fn behaves_like_a_set(steps: Vec<(u8, u8, u8)>) -> bool {
            let (mut extents, mut model) = (Extents::new(), BTreeSet::new());
            steps.into_iter().all(|(action, start, pages)| {
                let (start, pages) = (u64::from(start), u64::from(pages % 9));
                if action % 3 == 0 {
                    let fresh = (start..start + pages).all(|id| !model.contains(&id));
                    if fresh {
                        model.extend(start..start + pages);
                    }
                    if extents.insert(PageId(start), pages) != fresh {
                        return false;
                    }
                } else if action % 3 == 1 {
                    let held = (start..start + pages).all(|id| model.contains(&id));
                    let removes = held && (pages > 0 || model.contains(&start));
                    model.retain(|id| !removes || !(start..start + pages).contains(id));
                    if pages > 0 && extents.remove(PageId(start), pages) != removes {
                        return false;
                    }
                } else if pages > 0 {
                    let taken = extents.take(pages);
                    let honest = match taken {
                        Some(id) => (id.0..id.0 + pages).all(|id| model.remove(&id)),
                        None => !has_run(&model, pages),
                    };
                    if !honest {
                        return false;
                    }
                }
                same(&extents, &model)
            })
        }
    }

    fn has_run(model: &BTreeSet<u64>, pages: u64) -> bool {
        model
            .iter()
            .any(|id| (*id..id + pages).all(|id| model.contains(&id)))
    }

    fn same(extents: &Extents, model: &BTreeSet<u64>) -> bool {
        let ids: Vec<u64> = extents
            .iter()
            .flat_map(|(id, len)| id.0..id.0 + len)
            .collect();
        let apart = extents
            .iter()
            .zip(extents.iter().skip(1))
            .all(|(a, b)| a.0.0 + a.1 < b.0.0);
        apart && extents.pages() == model.len() as u64 && ids.iter().eq(model.iter())
    }

    #[test]
    fn the_shortest_run_that_fits_is_taken_lowest_first() {
        let mut extents = Extents::new();
        for (start, len) in [(10, 5), (20, 2), (30, 2)] {
            assert!(extents.insert(PageId(start), len));
        }
        assert_eq!(extents.take(2), Some(PageId(20)));
        assert_eq!(extents.take(3), Some(PageId(10)));
        assert_eq!(extents.longest(), Some((PageId(13), 2)));
        assert_eq!(extents.take(3), None);
    }

    #[test]
    fn the_longest_run_is_taken_lowest_first_and_no_further_than_asked() {
        let mut extents = Extents::new();
        for (start, len) in [(10, 5), (20, 2), (30, 5)] {
            assert!(extents.insert(PageId(start), len));
        }
        assert_eq!(extents.take_longest(9), Some((PageId(10), 5)));
        assert_eq!(extents.take_longest(4), Some((PageId(30), 4)));
        assert_eq!(extents.take_longest(9), Some((PageId(20), 2)));
        assert_eq!(extents.take_longest(0), Some((PageId(34), 0)));
        assert_eq!(extents.take_longest(1), Some((PageId(34), 1)));
        assert_eq!(extents.take_longest(1), None);
    }
}
