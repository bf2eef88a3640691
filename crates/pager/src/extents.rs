//! A set of page numbers with its runs indexed by length.
//!
//! Invariant: `by_length` holds the maximal runs of `set`, and nothing else.

use std::collections::BTreeSet;

use crate::id::PageId;
use crate::page_set::PageSet;

/// Free pages as maximal runs. Every operation costs O(log runs), and more only where it meets
/// runs of many thousands of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    set: PageSet,
    by_length: BTreeSet<(u64, u64)>,
}

impl Extents {
    /// No pages.
    pub fn new() -> Extents {
        Extents::default()
    }

    /// Pages in the set.
    pub fn pages(&self) -> u64 {
        self.set.len()
    }

    /// Runs in the set.
    pub fn runs(&self) -> usize {
        self.by_length.len()
    }

    /// Whether page `id` is in the set.
    pub fn contains(&self, id: PageId) -> bool {
        self.set.contains(id)
    }

    /// Whether any of `pages` pages from `start` is in the set.
    pub fn overlaps(&self, start: PageId, pages: u64) -> bool {
        self.set.overlaps(start, pages)
    }

    /// Adds a run; answers `false`, changing nothing, if any of it is there already.
    pub fn insert(&mut self, start: PageId, pages: u64) -> bool {
        if pages == 0 {
            return true;
        }
        if !self.set.insert(start, pages) {
            return false;
        }
        let end = PageId(start.0 + pages);
        let (first, last) = (self.set.start_of_run(start), self.set.end_of_run(end));
        if first < start {
            self.by_length.remove(&(start.0 - first.0, first.0));
        }
        if end < last {
            self.by_length.remove(&(last.0 - end.0, end.0));
        }
        self.by_length.insert((last.0 - first.0, first.0));
        true
    }

    /// Removes a run that is in the set; answers `false`, changing nothing, if part of it is not.
    pub fn remove(&mut self, start: PageId, pages: u64) -> bool {
        if pages == 0 || !self.set.contains_run(start, pages) {
            return pages == 0;
        }
        let first = self.set.start_of_run(start);
        let last = self.set.end_of_run(PageId(start.0 + pages));
        self.cut((last.0 - first.0, first.0), start, pages);
        true
    }

    /// Removes `pages` pages from `start` out of the run that stands as `run` in `by_length`.
    fn cut(&mut self, run: (u64, u64), start: PageId, pages: u64) {
        let (len, first) = run;
        let (end, last) = (start.0 + pages, first + len);
        self.set.remove(start, pages);
        self.by_length.remove(&run);
        for (rest, rest_len) in [(first, start.0 - first), (end, last - end)] {
            if rest_len > 0 {
                self.by_length.insert((rest_len, rest));
            }
        }
    }

    /// Takes `pages` adjacent pages: the lowest of the shortest runs that have as many.
    pub fn take(&mut self, pages: u64) -> Option<PageId> {
        let run = self.by_length.range((pages, 0)..).next().copied()?;
        let start = PageId(run.1);
        self.cut(run, start, pages);
        Some(start)
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
        self.cut((len, start.0), start, pages);
        Some((start, pages))
    }

    /// The runs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        self.set.runs()
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
        apart
            && extents.pages() == model.len() as u64
            && extents.runs() == extents.iter().count()
            && ids.iter().eq(model.iter())
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
