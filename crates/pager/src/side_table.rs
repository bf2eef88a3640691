//! Words kept beside pages: what one reader worked out about a page, for the next one.
//!
//! Invariants:
//! * the words of a slot were worked out from the page that its tag names, and no byte of that
//!   page has changed since: [`SideTable::forget`] comes before a page is written anew, and a page
//!   is written anew only when no version that someone reads still has it;
//! * words read between two equal tags belong together (a sequence lock): whoever fills a slot
//!   marks it busy first, and every filling gets another number;
//! * a slot once filled stays so until its page is forgotten. A file larger than the table has
//!   pages without a slot, never two pages that push each other out;
//! * a page has the choice of a few slots, and may be in several of them if two readers came at
//!   once: forgetting it looks at all.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use crate::id::PageId;
use crate::page::PageKind;
use crate::wire::u16_at;

/// Words per cache line, the unit that slots are made of.
const LINE_WORDS: usize = 8;

/// So many visits go unnoted: who opens a file for one look pays nothing.
const WARM_UP_VISITS: u64 = 32;

/// Slots side by side, the first at the beginning of a cache line.
#[derive(Debug)]
struct Chunk {
    words: Box<[AtomicU64]>,
    start: usize,
}

impl Chunk {
    fn new(len: usize) -> Chunk {
        let zeros = std::iter::repeat_with(AtomicU64::default);
        let words: Box<[AtomicU64]> = zeros.take(len + LINE_WORDS).collect();
        let start = words
            .as_ptr()
            .align_offset(LINE_WORDS * size_of::<AtomicU64>());
        Chunk {
            // Where alignment cannot be had, slots only touch one line more.
            start: if start < LINE_WORDS { start } else { 0 },
            words,
        }
    }
}

/// A slot's first word: what the others are about.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Tag(u64);

impl Tag {
    const PAGE_BITS: u32 = 40;
    const PAGE_MASK: u64 = (1 << Tag::PAGE_BITS) - 1;
    const VISIT: u64 = 1 << Tag::PAGE_BITS;
    const VISITS_MASK: u64 = 15 << Tag::PAGE_BITS;
    const FULL: u64 = 1 << (Tag::PAGE_BITS + 4);
    const BUSY: u64 = 1 << (Tag::PAGE_BITS + 5);
    const WRITTEN: u64 = 1 << (Tag::PAGE_BITS + 6);
    const FILLING: u64 = 1 << (Tag::PAGE_BITS + 7);
    const FILLINGS_MASK: u64 = !(Tag::FILLING - 1);

    fn is_full_of(self, id: PageId) -> bool {
        self.0 & (Tag::FULL | Tag::BUSY) == Tag::FULL && self.0 & Tag::PAGE_MASK == id.0
    }

    fn is_of(self, id: PageId) -> bool {
        self.0 & Tag::BUSY == 0 && self.0 & Tag::PAGE_MASK == id.0
    }

    fn is_taken(self) -> bool {
        self.0 & (Tag::FULL | Tag::BUSY) != 0
    }

    /// Nobody's, keeping the number of fillings.
    fn emptied(self) -> Tag {
        Tag(self.0 & Tag::FILLINGS_MASK)
    }
}

/// Words beside pages, by page number. Shared by all readers; none of them ever waits.
#[derive(Debug)]
pub struct SideTable {
    chunks: OnceLock<Box<[OnceLock<Chunk>]>>,
    chunks_max: usize,
    /// Visits that were not noted, because a table for a few searches is not worth its memory.
    warm_up: AtomicU64,
    /// Slots that are allocated together, on the first visit to any of them.
    chunk_slots: usize,
    chunk_shift: u32,
    slot_words: usize,
    /// Slots a page has the choice of, and how many chunks they lie apart.
    ways: usize,
    way_chunks: usize,
    /// Working a page out costs a few searches, so it is worth it from this visit on.
    visits_worth_it: u64,
}

impl SideTable {
    /// A table of slots of `words` words (rounded up to whole cache lines, the tag among them)
    /// that takes up to `bytes_max` bytes, by `chunk_slots` slots (rounded up to a power of two)
    /// as pages come to need them. A page has the choice of `ways` slots.
    pub fn new(words: usize, chunk_slots: usize, ways: usize, bytes_max: usize) -> SideTable {
        let slot_words = words.next_multiple_of(LINE_WORDS).max(LINE_WORDS);
        let chunk_slots = chunk_slots.max(1).next_power_of_two();
        let chunk_bytes = slot_words * size_of::<AtomicU64>() * chunk_slots;
        let chunks_max = bytes_max / chunk_bytes;
        SideTable {
            chunks: OnceLock::new(),
            chunks_max,
            warm_up: AtomicU64::new(0),
            chunk_slots,
            chunk_shift: chunk_slots.trailing_zeros(),
            slot_words,
            ways: ways.min(chunks_max),
            way_chunks: chunks_max / ways.max(1),
            visits_worth_it: 2,
        }
    }

    /// The same, but words are worth working out from this visit to a page on; 16 at most.
    fn worth_it_from(self, visits: u64) -> SideTable {
        SideTable {
            visits_worth_it: visits.min(Tag::VISITS_MASK / Tag::VISIT + 1),
            ..self
        }
    }

    /// Words a slot holds beside its tag.
    pub fn words_max(&self) -> usize {
        self.slot_words - 1
    }

    /// Number of the chunk that has page `id`'s slot of this way, and the slot's first word in it.
    #[inline]
    fn place_of(&self, id: PageId, way: usize) -> Option<(usize, usize)> {
        let number = usize::try_from(id.0).ok()?;
        let mut chunk = (number >> self.chunk_shift).wrapping_add(way * self.way_chunks);
        // Dividing costs more than the rest of this, and few files are larger than their table.
        if chunk >= self.chunks_max {
            chunk = chunk.checked_rem(self.chunks_max)?;
        }
        let inside = number & ((1 << self.chunk_shift) - 1);
        Some((chunk, inside * self.slot_words))
    }

    #[inline]
    fn slot(&self, id: PageId, way: usize) -> Option<Slot<'_>> {
        let (chunk, first) = self.place_of(id, way)?;
        let chunk = self.chunks.get()?.get(chunk)?.get()?;
        self.slot_in(chunk, first)
    }

    /// The slot that page `id` has, and its tag.
    #[inline]
    fn slot_of(&self, id: PageId) -> Option<(Slot<'_>, &AtomicU64)> {
        (0..self.ways).find_map(|way| {
            let slot = self.slot(id, way)?;
            let tag = slot.tag()?;
            let is_of = Tag(tag.load(Ordering::Relaxed)).is_of(id);
            is_of.then_some((slot, tag))
        })
    }

    #[inline]
    fn slot_in<'a>(&self, chunk: &'a Chunk, first: usize) -> Option<Slot<'a>> {
        let first = chunk.start + first;
        let words = chunk.words.get(first..first + self.slot_words)?;
        Some(Slot { words })
    }

    fn is_warm(&self) -> bool {
        self.warm_up.load(Ordering::Relaxed) >= WARM_UP_VISITS
            || self.warm_up.fetch_add(1, Ordering::Relaxed) + 1 >= WARM_UP_VISITS
    }

    /// The tag of page `id`'s slot, or of the first that nobody has taken.
    fn tag_or_free(&self, id: PageId) -> Option<&AtomicU64> {
        let free = || (0..self.ways).find_map(|way| self.free_tag(id, way));
        self.slot_of(id).map(|(_, tag)| tag).or_else(free)
    }

    /// The tag of page `id`'s slot of this way, made if it is not there yet, unless it is taken.
    fn free_tag(&self, id: PageId, way: usize) -> Option<&AtomicU64> {
        let tag = self.slot_or_new(id, way)?.tag()?;
        let taken = Tag(tag.load(Ordering::Relaxed)).is_taken();
        (!taken).then_some(tag)
    }

    fn slot_or_new(&self, id: PageId, way: usize) -> Option<Slot<'_>> {
        let (chunk, first) = self.place_of(id, way)?;
        let chunks = self.chunks.get_or_init(|| {
            let empty = std::iter::repeat_with(OnceLock::new);
            empty.take(self.chunks_max).collect()
        });
        let len = self.slot_words * self.chunk_slots;
        let chunk = chunks.get(chunk)?.get_or_init(|| Chunk::new(len));
        self.slot_in(chunk, first)
    }

    /// What `read` makes of the words kept for page `id`; none if there are none. It may be shown
    /// words that do not belong together, and what it makes of those is dropped.
    #[inline(always)]
    pub fn read<'a, T>(
        &'a self,
        id: PageId,
        read: impl FnOnce(Words<'a>) -> Option<T>,
    ) -> Option<T> {
        let (slot, tag) = self.slot_of(id)?;
        let before = Tag(tag.load(Ordering::Acquire));
        if !before.is_full_of(id) {
            return None;
        }
        let made = read(Words { slot });
        // The words were loaded before the tag is looked at again.
        fence(Ordering::Acquire);
        (tag.load(Ordering::Relaxed) == before.0).then_some(made)?
    }

    /// Notes a visit to page `id`, for which nothing is kept; answers whether it is time to work
    /// something out and [`keep`](SideTable::keep) it.
    pub fn visit(&self, id: PageId) -> bool {
        if id.0 > Tag::PAGE_MASK || !self.is_warm() {
            return false;
        }
        let Some(tag) = self.tag_or_free(id) else {
            return false;
        };
        let before = Tag(tag.load(Ordering::Relaxed));
        if before.is_taken() {
            return false;
        }
        let seen = if before.0 & Tag::PAGE_MASK == id.0 {
            before.0
        } else {
            before.emptied().0 | id.0
        };
        if (seen & Tag::VISITS_MASK) / Tag::VISIT + 1 >= self.visits_worth_it {
            return true;
        }
        // Losing the race against another visitor loses one count.
        let after = seen + Tag::VISIT;
        let _ = tag.compare_exchange(before.0, after, Ordering::Relaxed, Ordering::Relaxed);
        false
    }

    /// Keeps `words`, worked out from page `id`, unless the slot is another page's.
    pub fn keep(&self, id: PageId, words: &[u64]) {
        // The visit that asked for the words has left its mark on the slot they go to, unless it
        // was the only one it took.
        let free = || {
            let slots = (0..self.ways).filter_map(|way| self.slot(id, way));
            let mut tagged = slots.filter_map(|slot| Some((slot, slot.tag()?)));
            tagged.find(|(_, tag)| !Tag(tag.load(Ordering::Relaxed)).is_taken())
        };
        let slot = self.slot_of(id).or_else(free);
        let Some((slot, tag)) = slot.filter(|_| words.len() <= self.words_max()) else {
            return;
        };
        let before = Tag(tag.load(Ordering::Relaxed));
        let number = (before.0 & Tag::FILLINGS_MASK).wrapping_add(Tag::FILLING);
        let busy = number | Tag::BUSY;
        if before.is_taken()
            || tag
                .compare_exchange(before.0, busy, Ordering::Relaxed, Ordering::Relaxed)
                .is_err()
        {
            return;
        }
        // Nobody may see a new word under the old tag.
        fence(Ordering::Release);
        for (index, word) in words.iter().enumerate() {
            if let Some(place) = slot.word(index + 1) {
                place.store(*word, Ordering::Relaxed);
            }
        }
        let written = before.0 & Tag::WRITTEN;
        tag.store(number | written | Tag::FULL | id.0, Ordering::Release);
    }

    /// Keeps for page `to`, which takes the place of page `from`, what is kept for that one, as
    /// `change` alters it; or goes on counting its visits.
    pub fn carry(&self, from: PageId, to: PageId, change: impl FnOnce(&mut [u64])) {
        let Some((slot, tag)) = self.slot_of(from) else {
            return;
        };
        let before = Tag(tag.load(Ordering::Acquire));
        let visits = before.0 & Tag::VISITS_MASK;
        if to.0 > Tag::PAGE_MASK || !before.is_full_of(from) && visits == 0 {
            return;
        }
        let Some(target) = self.tag_or_free(to) else {
            return;
        };
        if before.is_full_of(from) {
            let kept = slot.words.iter().skip(1);
            let mut words: Vec<u64> = kept.map(|word| word.load(Ordering::Relaxed)).collect();
            // The words were loaded before the tag is looked at again.
            fence(Ordering::Acquire);
            if tag.load(Ordering::Relaxed) == before.0 {
                change(&mut words);
                self.keep(to, &words);
            }
            return;
        }
        let free = Tag(target.load(Ordering::Relaxed));
        let written = if free.is_of(to) {
            free.0 & Tag::WRITTEN
        } else {
            0
        };
        let after = free.emptied().0 | written | visits | to.0;
        if !free.is_taken() {
            let _ = target.compare_exchange(free.0, after, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Notes that page `id` has just been written, unless its slot is another page's.
    fn note_written(&self, id: PageId, make_slot: bool) {
        let tag = match make_slot && self.is_warm() {
            true => self.tag_or_free(id),
            false => self.slot(id, 0).and_then(Slot::tag),
        };
        let Some(tag) = tag.filter(|_| id.0 <= Tag::PAGE_MASK) else {
            return;
        };
        let before = Tag(tag.load(Ordering::Relaxed));
        if !before.is_taken() {
            let after = before.emptied().0 | Tag::WRITTEN | id.0;
            let _ = tag.compare_exchange(before.0, after, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Whether page `id` is known to have been written through this table's file. Who asks must
    /// hold a version that has the page.
    pub fn was_written(&self, id: PageId) -> bool {
        self.slot_of(id)
            .is_some_and(|(_, tag)| tag.load(Ordering::Relaxed) & Tag::WRITTEN != 0)
    }

    /// Drops what is kept for page `id`, which is about to be written anew.
    pub fn forget(&self, id: PageId) {
        let tags = (0..self.ways).filter_map(|way| self.slot(id, way)?.tag());
        for tag in tags {
            let before = Tag(tag.load(Ordering::Relaxed));
            if before.is_of(id) {
                let after = before.emptied().0;
                let _ = tag.compare_exchange(before.0, after, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Slot<'a> {
    words: &'a [AtomicU64],
}

impl<'a> Slot<'a> {
    fn word(self, index: usize) -> Option<&'a AtomicU64> {
        self.words.get(index)
    }

    #[inline]
    fn tag(self) -> Option<&'a AtomicU64> {
        self.words.first()
    }
}

/// The words of a slot, while it is read.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    slot: Slot<'a>,
}

impl Words<'_> {
    /// Word `index`; 0 past the end.
    #[inline]
    pub fn get(self, index: usize) -> u64 {
        let word = self.slot.words.get(index + 1);
        word.map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// How many of the `len` words from `start` on are below `bound`.
    #[inline]
    pub fn count_below(self, start: usize, len: usize, bound: u64) -> usize {
        let words = self.slot.words.get(start + 1..start + 1 + len);
        let below = |word: &&AtomicU64| word.load(Ordering::Relaxed) < bound;
        words.unwrap_or_default().iter().filter(below).count()
    }

    /// How many of the `groups` groups of `N` words from `start` on have a last word below `bound`.
    #[inline]
    pub fn count_groups_below<const N: usize>(
        self,
        start: usize,
        groups: usize,
        bound: u64,
    ) -> usize {
        let words = self.slot.words.get(start + 1..start + 1 + groups * N);
        let (words, _) = words.unwrap_or_default().as_chunks::<N>();
        let is_below = |group: &&[AtomicU64; N]| {
            let last = group.last();
            last.is_some_and(|word| word.load(Ordering::Relaxed) < bound)
        };
        words.iter().filter(is_below).count()
    }
}

/// The tables of one file: branches are few and wide, leaves many.
#[derive(Debug)]
pub struct SideTables {
    /// Beside branch pages.
    pub branches: SideTable,
    /// Beside leaf pages.
    pub leaves: SideTable,
}

/// A commit of more pages than this does not allocate slots for them: it is a load, and whether
/// its pages will be searched or changed soon nobody knows.
const NEWS_WORTH_SLOTS: usize = 64;

impl SideTables {
    /// Words of a branch's slot: heads and children of more than a hundred keys.
    const BRANCH_WORDS: usize = 256;
    /// Words of a leaf's slot.
    const LEAF_WORDS: usize = 32;
    /// Leaves are neighbours more often than not, branches hardly ever.
    const LEAF_CHUNK_SLOTS: usize = 64;
    /// A hundred keys take as long as some dozen searches, and while commits follow each other most
    /// branches are written anew before that many: worked out at once, they made the slowest
    /// hundredth of reads beside a writer twice as slow.
    const BRANCH_VISITS: u64 = 12;
    /// There are far fewer branches than slots, but their numbers lie anywhere: with one slot to
    /// choose from, one branch in five of a file of half a gibibyte had none.
    const BRANCH_WAYS: usize = 4;
    /// Of the budget, one part in so many goes to branches.
    const BRANCH_SHARE: usize = 8;

    /// Tables that take up to `bytes_max` bytes together.
    pub fn new(bytes_max: usize) -> SideTables {
        let branch_bytes = bytes_max / SideTables::BRANCH_SHARE;
        SideTables {
            branches: SideTable::new(
                SideTables::BRANCH_WORDS,
                1,
                SideTables::BRANCH_WAYS,
                branch_bytes,
            )
            .worth_it_from(SideTables::BRANCH_VISITS),
            leaves: SideTable::new(
                SideTables::LEAF_WORDS,
                SideTables::LEAF_CHUNK_SLOTS,
                1,
                bytes_max - branch_bytes,
            ),
        }
    }

    /// Notes that these runs have just been written here, so that nobody need look for damage on
    /// them before changing them again.
    pub(crate) fn note_written(&self, runs: &[(PageId, &[u8])]) {
        let make_slot = runs.len() <= NEWS_WORTH_SLOTS;
        for (id, bytes) in runs {
            match u16_at(bytes, 8).and_then(PageKind::from_flags) {
                Some(PageKind::Branch) => self.branches.note_written(*id, make_slot),
                Some(PageKind::Leaf) => self.leaves.note_written(*id, make_slot),
                _ => {}
            }
        }
    }

    /// Drops what is kept for page `id`, which is about to be written anew.
    pub fn forget(&self, id: PageId) {
        self.branches.forget(id);
        self.leaves.forget(id);
    }
}

#[cfg(test)]
mod tests;
