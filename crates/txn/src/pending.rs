//! Pages that a commit freed and that some version may still need.
//!
//! The rule of reuse: a page born with version B and freed by version T is needed by exactly the
//! versions v with B <= v < T. It comes back when none of them is held. Whether one is depends
//! only on the youngest held version below T: if that one is older than B, so are all others.
//!
//! Invariants:
//! * every run is in exactly one of `fresh` and one list of `blocked`; `blocked_pages` is the union
//!   of the latter;
//! * `fresh` is empty from a transaction's beginning to its commit: [`Pending::release`] has
//!   looked at each run by then;
//! * a run stands under the version that blocks it, and is looked at again only when that version
//!   is gone, so a commit's cost does not grow with the pages that long readers pin.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use pager::{Extents, PageId, TxId};

#[derive(Clone, Copy, Debug)]
struct FreedRun {
    start: PageId,
    pages: u64,
    born: TxId,
    freed: TxId,
}

/// Pages freed and not yet free.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    fresh: Vec<FreedRun>,
    blocked: BTreeMap<TxId, Vec<FreedRun>>,
    blocked_pages: Extents,
    births: HashMap<PageId, TxId>,
    /// The same by version, ascending, so that those no longer of interest are found.
    births_in_order: VecDeque<(TxId, Vec<(PageId, u64)>)>,
}

impl Pending {
    /// The pages that some version was still seen to need.
    pub fn blocked(&self) -> &Extents {
        &self.blocked_pages
    }

    /// Notes that version `born`, newer than any before it, wrote these runs.
    pub fn note_births(&mut self, runs: Vec<(PageId, u64)>, born: TxId) {
        self.births
            .extend(runs.iter().map(|(start, _)| (*start, born)));
        self.births_in_order.push_back((born, runs));
    }

    /// Takes a run that version `freed` no longer refers to.
    pub fn add(&mut self, start: PageId, pages: u64, freed: TxId) {
        // A run whose birth is not known is older than every version that is held.
        let born = self.births.remove(&start).unwrap_or(TxId(0));
        self.fresh.push(FreedRun {
            start,
            pages,
            born,
            freed,
        });
    }

    /// Pages pinned by the version `held`.
    pub fn pages_blocked_by(&self, held: TxId) -> u64 {
        self.blocked
            .get(&held)
            .map_or(0, |runs| runs.iter().map(|run| run.pages).sum())
    }

    /// Moves what no version in `held` needs to `free`, telling `released` where each run begins;
    /// answers `false` if a page was free already, which only a damaged file can cause.
    pub fn release(
        &mut self,
        held: &BTreeSet<TxId>,
        free: &mut Extents,
        mut released: impl FnMut(PageId),
    ) -> bool {
        if let Some(oldest) = held.first() {
            self.forget_births_until(*oldest);
        }
        let mut again = std::mem::take(&mut self.fresh);
        let gone: Vec<TxId> = self
            .blocked
            .keys()
            .filter(|txid| !held.contains(txid))
            .copied()
            .collect();
        for txid in gone {
            let runs = self.blocked.remove(&txid).unwrap_or_default();
            for run in &runs {
                self.blocked_pages.remove(run.start, run.pages);
            }
            again.extend(runs);
        }
        let mut sound = true;
        for run in again {
            match held.range(..run.freed).next_back() {
                Some(youngest) if *youngest >= run.born => {
                    sound &= self.blocked_pages.insert(run.start, run.pages);
                    self.blocked.entry(*youngest).or_default().push(run);
                }
                _ => {
                    sound &= free.insert(run.start, run.pages);
                    released(run.start);
                }
            }
        }
        sound
    }

    /// A run born at or before the oldest held version is, for the rule, as old as any.
    fn forget_births_until(&mut self, oldest: TxId) {
        while let Some((born, runs)) = self
            .births_in_order
            .pop_front_if(|(born, _)| *born <= oldest)
        {
            for (start, _) in runs {
                if self.births.get(&start) == Some(&born) {
                    self.births.remove(&start);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quickcheck::quickcheck;

    use super::*;

    fn held(txids: &[u64]) -> BTreeSet<TxId> {
        txids.iter().map(|txid| TxId(*txid)).collect()
    }

    quickcheck! {
        /// The oracle is the rule of reuse itself, asked anew for every run.
        fn a_run_comes_back_exactly_when_no_held_version_can_see_it(
            runs: Vec<(u8, u8)>,
            dying: Vec<u8>
        ) -> bool {
            let mut pending = Pending::default();
            let mut free = Extents::new();
            let mut holding = held(&(0..=30).collect::<Vec<_>>());
            let mut model = Vec::new();
            for (index, (born, age)) in runs.into_iter().enumerate() {
                // Every other page number, so that runs never merge.
                let start = PageId(2 * index as u64 + 2);
                let born = TxId(u64::from(born % 20));
                let freed = TxId(born.0 + 1 + u64::from(age % 10));
                pending.births.insert(start, born);
                pending.add(start, 1, freed);
                model.push((start, born, freed));
            }
            dying.into_iter().all(|txid| {
                holding.remove(&TxId(u64::from(txid % 31)));
                pending.release(&holding, &mut free, |_| {})
                    && model.iter().all(|(start, born, freed)| {
                        let needed = holding.range(born..freed).next().is_some();
                        free.contains(*start) != needed
                    })
            })
        }
    }

    #[test]
    fn a_long_reader_does_not_hold_pages_born_after_it() {
        let (mut pending, mut free) = (Pending::default(), Extents::new());
        pending.note_births(vec![(PageId(10), 1)], TxId(6));
        pending.add(PageId(10), 1, TxId(7));
        pending.add(PageId(11), 1, TxId(7));
        let mut released = Vec::new();
        assert!(pending.release(&held(&[5, 7]), &mut free, |start| released.push(start)));
        assert_eq!(released, [PageId(10)]);
        assert!(free.contains(PageId(10)), "born after the reader at 5");
        assert!(!free.contains(PageId(11)), "older than the reader at 5");
        assert_eq!(pending.pages_blocked_by(TxId(5)), 1);
        assert!(pending.release(&held(&[7]), &mut free, |start| released.push(start)));
        assert_eq!(released, [PageId(10), PageId(11)]);
        assert!(free.contains(PageId(11)));
    }
}
