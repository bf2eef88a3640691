//! A set of page numbers, a bit for each, in chunks where there are any.
//!
//! Invariants: a chunk has at least one bit; `len` counts the bits of all chunks.
//!
//! Trees of runs were tried first: with 60,000 runs, the two dozen lookups of a small commit took
//! a sixth of its time.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::id::PageId;

const WORD_BITS: u64 = u64::BITS as u64;
const CHUNK_WORDS: usize = 64;
const CHUNK_PAGES: u64 = CHUNK_WORDS as u64 * WORD_BITS;

/// The bits of [`CHUNK_PAGES`] neighbouring pages.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Chunk {
    words: [u64; CHUNK_WORDS],
    len: u64,
}

impl Chunk {
    const EMPTY: Chunk = Chunk {
        words: [0; CHUNK_WORDS],
        len: 0,
    };

    /// The words that `pages` (numbers inside the chunk) touch, each with the bits they mean.
    fn masks(pages: &Range<u64>) -> impl Iterator<Item = (usize, u64)> + use<> {
        let Range { start, end } = *pages;
        (start / WORD_BITS..end.div_ceil(WORD_BITS)).filter_map(move |word| {
            let low = start.saturating_sub(word * WORD_BITS);
            let high = (end - word * WORD_BITS).min(WORD_BITS);
            let mask = (u64::MAX >> (WORD_BITS - (high - low))) << low;
            Some((usize::try_from(word).ok()?, mask))
        })
    }

    fn overlaps(&self, pages: &Range<u64>) -> bool {
        Chunk::masks(pages).any(|(word, mask)| self.word(word) & mask != 0)
    }

    fn contains(&self, pages: &Range<u64>) -> bool {
        Chunk::masks(pages).all(|(word, mask)| self.word(word) & mask == mask)
    }

    fn word(&self, index: usize) -> u64 {
        self.words.get(index).copied().unwrap_or(0)
    }

    fn set(&mut self, pages: &Range<u64>) {
        for (word, mask) in Chunk::masks(pages) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= mask;
            }
        }
        self.len += pages.end - pages.start;
    }

    fn clear(&mut self, pages: &Range<u64>) {
        for (word, mask) in Chunk::masks(pages) {
            if let Some(word) = self.words.get_mut(word) {
                *word &= !mask;
            }
        }
        self.len -= pages.end - pages.start;
    }

    /// The first page from `from` on that is in the chunk, or is not, as `member` says.
    fn first(&self, from: u64, member: bool) -> Option<u64> {
        Chunk::masks(&(from..CHUNK_PAGES)).find_map(|(index, mask)| {
            let word = self.word(index) ^ if member { 0 } else { u64::MAX };
            let found = word & mask;
            let at = index as u64 * WORD_BITS + u64::from(found.trailing_zeros());
            (found != 0).then_some(at)
        })
    }

    /// The last page below `end` that is not in the chunk.
    fn last_absent(&self, end: u64) -> Option<u64> {
        let words = end.div_ceil(WORD_BITS);
        (0..words).rev().find_map(|index| {
            let high = (end - index * WORD_BITS).min(WORD_BITS);
            let mask = u64::MAX >> (WORD_BITS - high);
            let absent = !self.word(usize::try_from(index).ok()?) & mask;
            let last = u64::from(absent.checked_ilog2()?);
            Some(index * WORD_BITS + last)
        })
    }
}

/// A set of page numbers. What concerns one run costs O(log chunks), and a look for the ends of a
/// run as much for each chunk it covers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSet {
    chunks: BTreeMap<u64, Box<Chunk>>,
    len: u64,
}

/// The parts of a run in each chunk it touches, as numbers inside that chunk.
fn parts(start: PageId, pages: u64) -> impl Iterator<Item = (u64, Range<u64>)> {
    let (start, end) = (start.0, start.0.saturating_add(pages));
    let parts = (start / CHUNK_PAGES..end.div_ceil(CHUNK_PAGES)).map(move |chunk| {
        let first = chunk * CHUNK_PAGES;
        (
            chunk,
            start.max(first) - first..(end - first).min(CHUNK_PAGES),
        )
    });
    // A run of no pages may touch a chunk all the same.
    parts.filter(|(_, part)| !part.is_empty())
}

impl PageSet {
    /// No pages.
    pub fn new() -> PageSet {
        PageSet::default()
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether page `id` is in the set.
    pub fn contains(&self, id: PageId) -> bool {
        self.overlaps(id, 1)
    }

    /// Whether any of `pages` pages from `start` is.
    pub fn overlaps(&self, start: PageId, pages: u64) -> bool {
        parts(start, pages).any(|(chunk, part)| {
            let chunk = self.chunks.get(&chunk);
            chunk.is_some_and(|chunk| chunk.overlaps(&part))
        })
    }

    /// Whether all of `pages` pages from `start` are.
    pub fn contains_run(&self, start: PageId, pages: u64) -> bool {
        parts(start, pages).all(|(chunk, part)| {
            let chunk = self.chunks.get(&chunk);
            chunk.is_some_and(|chunk| chunk.contains(&part))
        })
    }

    /// Adds a run; answers `false`, changing nothing, if any of it is there already.
    pub fn insert(&mut self, start: PageId, pages: u64) -> bool {
        if self.overlaps(start, pages) {
            return false;
        }
        for (chunk, part) in parts(start, pages) {
            let empty = || Box::new(Chunk::EMPTY);
            self.chunks.entry(chunk).or_insert_with(empty).set(&part);
        }
        self.len += pages;
        true
    }

    /// Removes a run; answers `false`, changing nothing, if part of it is not there.
    pub fn remove(&mut self, start: PageId, pages: u64) -> bool {
        if !self.contains_run(start, pages) {
            return false;
        }
        for (number, part) in parts(start, pages) {
            if let Some(chunk) = self.chunks.get_mut(&number) {
                chunk.clear(&part);
                if chunk.len == 0 {
                    self.chunks.remove(&number);
                }
            }
        }
        self.len -= pages;
        true
    }

    /// The first page from `from` on that is in the set.
    pub fn first_from(&self, from: PageId) -> Option<PageId> {
        let first = from.0 / CHUNK_PAGES;
        self.chunks.range(first..).find_map(|(number, chunk)| {
            let inside = from.0.saturating_sub(number * CHUNK_PAGES);
            let at = chunk.first(inside, true)?;
            Some(PageId(number * CHUNK_PAGES + at))
        })
    }

    /// Where the pages that follow one another from `from` on end: the first that is not there.
    pub fn end_of_run(&self, from: PageId) -> PageId {
        let (mut number, mut inside) = (from.0 / CHUNK_PAGES, from.0 % CHUNK_PAGES);
        while let Some(chunk) = self.chunks.get(&number) {
            let absent = match chunk.len {
                CHUNK_PAGES => None,
                _ => chunk.first(inside, false),
            };
            if let Some(at) = absent {
                inside = at;
                break;
            }
            (number, inside) = (number + 1, 0);
        }
        PageId(number * CHUNK_PAGES + inside)
    }

    /// Where the pages that follow one another up to `end` begin; `end` if there is none before it.
    pub fn start_of_run(&self, end: PageId) -> PageId {
        let Some(last) = end.0.checked_sub(1) else {
            return end;
        };
        let (mut number, mut inside) = (last / CHUNK_PAGES, last % CHUNK_PAGES + 1);
        while let Some(chunk) = self.chunks.get(&number) {
            let absent = match chunk.len {
                CHUNK_PAGES => None,
                _ => chunk.last_absent(inside),
            };
            if let Some(at) = absent {
                inside = at + 1;
                break;
            }
            let Some(before) = number.checked_sub(1) else {
                return PageId(0);
            };
            (number, inside) = (before, CHUNK_PAGES);
        }
        PageId(number * CHUNK_PAGES + inside)
    }

    /// The maximal runs, ascending.
    pub fn runs(&self) -> impl Iterator<Item = (PageId, u64)> + '_ {
        let mut from = PageId(0);
        std::iter::from_fn(move || {
            let start = self.first_from(from)?;
            from = self.end_of_run(start);
            Some((start, from.0 - start.0))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use quickcheck::quickcheck;

    use super::*;

    /// Runs of lengths and places that meet the borders of words and chunks.
    fn run((start, pages): (u16, u8)) -> (u64, u64) {
        let near_border = u64::from(start % 8) * (CHUNK_PAGES / 2) + u64::from(start / 8 % 96);
        let pages = match pages {
            200.. => CHUNK_PAGES + u64::from(pages),
            _ => u64::from(pages),
        };
        (near_border, pages)
    }

    quickcheck! {
        /// The oracle is a plain set of numbers.
        fn a_page_set_is_a_set(steps: Vec<(bool, (u16, u8))>) -> bool {
            let (mut set, mut model) = (PageSet::new(), BTreeSet::new());
            steps.into_iter().all(|(insert, place)| {
                let (start, pages) = run(place);
                let ids = || start..start + pages;
                let done = if insert {
                    let fresh = ids().all(|id| !model.contains(&id));
                    model.extend(ids().filter(|_| fresh));
                    set.insert(PageId(start), pages) == fresh
                } else {
                    let held = ids().all(|id| model.contains(&id));
                    model.retain(|id| !held || !ids().contains(id));
                    set.remove(PageId(start), pages) == held
                };
                let all = set.runs().flat_map(|(id, len)| id.0..id.0 + len);
                done && set.len() == model.len() as u64 && all.eq(model.iter().copied())
            })
        }

        fn the_ends_of_a_run_are_found(runs: Vec<(u16, u8)>, from: (u16, u8)) -> bool {
            let (mut set, mut model) = (PageSet::new(), BTreeSet::new());
            for (start, pages) in runs.into_iter().map(run) {
                if set.insert(PageId(start), pages) {
                    model.extend(start..start + pages);
                }
            }
            let (from, _) = run(from);
            let end = (from..).find(|id| !model.contains(id));
            let start = (0..from).rev().take_while(|id| model.contains(id)).last();
            Some(set.end_of_run(PageId(from)).0) == end
                && set.start_of_run(PageId(from)).0 == start.unwrap_or(from)
                && set.first_from(PageId(from)).map(|id| id.0) == model.range(from..).next().copied()
        }
    }

    #[test]
    fn the_last_page_numbers_there_are_do_no_harm() {
        let mut set = PageSet::new();
        assert!(!set.contains(PageId(u64::MAX)));
        assert!(set.insert(PageId(u64::MAX - 2), 2));
        assert!(set.contains(PageId(u64::MAX - 1)) && !set.contains(PageId(u64::MAX)));
        assert_eq!(set.end_of_run(PageId(u64::MAX - 2)), PageId(u64::MAX));
        assert_eq!(set.runs().collect::<Vec<_>>(), [(PageId(u64::MAX - 2), 2)]);
    }

    #[test]
    fn an_emptied_set_is_like_a_new_one() {
        let mut set = PageSet::new();
        assert!(set.insert(PageId(CHUNK_PAGES - 1), CHUNK_PAGES));
        assert!(set.remove(PageId(CHUNK_PAGES - 1), CHUNK_PAGES));
        assert_eq!(set, PageSet::new());
    }
}
