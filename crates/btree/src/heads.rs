//! Heads of keys beside a page: a search reads a few words instead of a dozen scattered keys.
//!
//! The head of a key is its first eight bytes behind what all keys of the page have in common, as
//! a number. Heads order keys up to ties, so a search by heads answers a window of places, and
//! only a window wider than one place makes it look at keys.
//!
//! Invariants:
//! * words are kept only for a page whose elements are packed and whose keys ascend, so a reader
//!   that finds words need not look for that damage again;
//! * words are hints: whatever they hold, a search made from them reads inside the page only.

mod making;
mod shape;

use pager::{HEADER_BYTES, Page, PageId, PageKind, PageSource, SideTable, SideTables, Words};

use crate::entry::Entry;
use crate::layout::{ELEMENT_BYTES, Elements, NO_FLAGS, Spot};
use making::work_out;
use shape::Shape;

/// Words before the heads: the shape, and the first bytes of what the keys have in common.
const SHAPE: usize = 0;
const PREFIX: usize = 1;
const HEADS: usize = PREFIX + PREFIX_WORDS;
const PREFIX_WORDS: usize = 3;
const PREFIX_BYTES_MAX: usize = PREFIX_WORDS * 8;

/// Places per word: pages and runs with longer ones have none kept.
const PLACES_PER_WORD: usize = 4;

/// Where element `index` begins, or the last one ends.
fn place_of(words: Words<'_>, shape: Shape, index: usize) -> usize {
    let word = words.get(shape.places_at() + index / PLACES_PER_WORD);
    let shift = index % PLACES_PER_WORD * 16;
    usize::try_from((word >> shift) & 0xFFFF).unwrap_or(0)
}

/// Where a page's header has the count.
const COUNT_AT: usize = 10;
/// Where the key of a page's only element lies.
const ONLY_AT: usize = HEADER_BYTES + ELEMENT_BYTES;

/// Where a search by heads ends on a branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BelowBranch {
    /// The child to go on at, if heads alone can tell.
    pub child: Option<PageId>,
    /// Where they cannot, because one separator has the same head: the child behind it.
    pub tied_child: Option<PageId>,
    /// Places that a search among the keys must still tell apart.
    pub window: Window,
    /// Children there are.
    pub count: usize,
    /// The child is probably a leaf.
    pub above_leaves: bool,
    /// Pages that the child probably takes; 0 where nobody looked.
    pub child_pages: u64,
}

/// The place of a key among a page's elements lies in `low..=high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub low: usize,
    pub high: usize,
}

impl Window {
    /// Every place among `count` elements.
    pub fn all(count: usize) -> Window {
        Window {
            low: 0,
            high: count,
        }
    }

    /// The place of `key`, or where it would be.
    pub fn search(self, elements: Elements<'_>, key: &[u8]) -> pager::Result<Result<usize, usize>> {
        let Window { mut low, mut high } = self;
        while low < high {
            let middle = low + (high - low) / 2;
            match elements.key(middle)?.cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(Ok(middle)),
            }
        }
        Ok(Err(low))
    }
}

/// The eight bytes of `key` from `start` on as a number; zeros stand behind its end.
pub(crate) fn head(key: &[u8], start: usize) -> u64 {
    let rest = key.get(start..).unwrap_or_default();
    match rest.first_chunk::<8>() {
        Some(chunk) => u64::from_be_bytes(*chunk),
        None => {
            let mut padded = [0; 8];
            for (to, from) in padded.iter_mut().zip(rest) {
                *to = *from;
            }
            u64::from_be_bytes(padded)
        }
    }
}

/// Word `index` of the first `prefix_bytes` bytes of `key`.
fn prefix_word(key: &[u8], index: usize, prefix_bytes: usize) -> u64 {
    let used_bytes = prefix_bytes.saturating_sub(index * 8).min(8);
    let mask = match used_bytes {
        0 => 0,
        used => u64::MAX << (64 - 8 * used),
    };
    head(key, index * 8) & mask
}

/// The window of `key` by `words`.
#[inline(always)]
fn window(words: Words<'_>, shape: Shape, key: &[u8]) -> Window {
    let count = shape.count;
    for index in 0..shape.prefix_bytes.div_ceil(8) {
        let common = words.get(PREFIX + index);
        match prefix_word(key, index, shape.prefix_bytes).cmp(&common) {
            std::cmp::Ordering::Less => return Window { low: 0, high: 0 },
            std::cmp::Ordering::Greater => {
                return Window {
                    low: count,
                    high: count,
                };
            }
            std::cmp::Ordering::Equal => {}
        }
    }
    if key.len() < shape.prefix_bytes {
        // All keys go on where this one ends.
        return Window { low: 0, high: 0 };
    }
    let wanted = head(key, shape.prefix_bytes);
    let heads = shape.heads();
    let below = heads_below(words, heads, wanted);
    // Ties are rare and short.
    let mut not_above = below;
    while not_above < heads && words.get(HEADS + not_above) == wanted {
        not_above += 1;
    }
    let low = match below.checked_sub(1) {
        Some(last_below) => last_below * shape.stride + 1,
        None => 0,
    };
    let high = if not_above == heads {
        count
    } else {
        not_above * shape.stride
    };
    Window { low, high }
}

/// Heads that are looked at together: as many as lie in a cache line.
const GROUP_HEADS: usize = 8;

/// How many of the first `heads` heads are below `wanted`.
///
/// The last head of each group tells which groups are below, then the next group is counted. Two
/// rounds of loads that do not wait for each other beat a search whose every step waits for the
/// cache line of the step before.
#[inline]
fn heads_below(words: Words<'_>, heads: usize, wanted: u64) -> usize {
    let groups = words.count_groups_below::<GROUP_HEADS>(HEADS, heads / GROUP_HEADS, wanted);
    let base = groups * GROUP_HEADS;
    base + words.count_below(HEADS + base, GROUP_HEADS.min(heads - base), wanted)
}

/// The child of branch `id` that `key` belongs below, as far as words kept beside it tell.
#[inline]
pub(crate) fn look_below(tables: &SideTables, id: PageId, key: &[u8]) -> Option<BelowBranch> {
    tables.branches.read(id, |words| {
        let shape = Shape::decode(words.get(SHAPE));
        let window = window(words, shape, key);
        let kept_child = |place| {
            let child = words.get(HEADS + shape.heads() + place);
            (shape.has_children && child != 0).then_some(PageId(child))
        };
        let (child, tied_child) = match window.high - window.low {
            0 => (kept_child(window.low.saturating_sub(1)), None),
            1 => (None, kept_child(window.low)),
            _ => (None, None),
        };
        Some(BelowBranch {
            child,
            tied_child,
            window,
            count: shape.count,
            above_leaves: shape.above_leaves,
            child_pages: shape.child_pages,
        })
    })
}

/// Separator `place` of branch `id`, beside which words are kept.
#[inline]
pub(crate) fn separator<S: PageSource>(
    source: &S,
    id: PageId,
    place: usize,
    count: usize,
) -> Option<&[u8]> {
    let first = source.run(id, 1).ok()?;
    Elements::validated(id, first, count, false).key(place).ok()
}

/// Child `place` of branch `id`, if it is kept.
pub(crate) fn child<S: PageSource>(source: &S, id: PageId, place: usize) -> Option<PageId> {
    source.side_tables()?.branches.read(id, |words| {
        let shape = Shape::decode(words.get(SHAPE));
        let child = words.get(HEADS + shape.heads() + place);
        let kept = shape.has_children && place < shape.count && child != 0;
        kept.then_some(PageId(child))
    })
}

/// The entry of `key` on leaf `id`, if words kept beside it leave no more than one to look at.
#[inline]
pub(crate) fn entry_on_leaf<'a, S: PageSource>(
    source: &'a S,
    tables: &SideTables,
    id: PageId,
    key: &[u8],
) -> Option<Option<Entry<'a>>> {
    let first = source.run(id, 1).ok()?;
    // Looking at the page before its words lets the processor fetch both at once.
    if pager::u64_at(first, 0) != Some(id.0) {
        return None;
    }
    if pager::u16_at(first, COUNT_AT) == Some(1) {
        let page = Page::parse(id, first).ok()?;
        let bytes = match page.overflow {
            0 => first,
            _ => source.run(id, page.run_pages()).ok()?,
        };
        return only_entry(Page { bytes, ..page }, key);
    }
    let (shape, window, pair) = tables.leaves.read(id, |words| {
        let shape = Shape::decode(words.get(SHAPE));
        let window = window(words, shape, key);
        Some((shape, window, pair_in(words, shape, window)))
    })?;
    if window.low == window.high {
        return Some(None);
    }
    if window.low + 1 != window.high {
        return None;
    }
    let run = match shape.run_pages {
        1 => first,
        pages => source.run(id, pages).ok()?,
    };
    let elements = Elements::validated(id, run, shape.count, true);
    let entry = match pair {
        Some(spot) => Entry::at_spot(elements, spot, NO_FLAGS),
        None => elements
            .spot_and_flags(window.low)
            .map_err(Into::into)
            .and_then(|(spot, flags)| Entry::at_spot(elements, spot, flags)),
    };
    // An error is for the way that can tell it.
    let entry = entry.ok()?;
    Some((entry.key == key).then_some(entry))
}

/// The entry of `key` on leaf `id`, if that is a run of `pages` pages with nothing but this entry.
///
/// The processor is asked for the run's beginning first. So little stands between that and the
/// value that a processor that goes ahead is among its bytes before the first of them have come:
/// what is looked at here is compared with what every writer puts there, and nothing is worked out.
#[inline(always)]
pub(crate) fn entry_of_run<'a, S: PageSource>(
    source: &'a S,
    id: PageId,
    pages: u64,
    key: &[u8],
) -> Option<Entry<'a>> {
    let first = source.run(id, 1).ok()?;
    pager::prefetch(first.first_chunk::<RUN_BEGINNING_BYTES>()?);
    let leaf_of_one = u64::from(PageKind::Leaf.flags()) | 1 << 16 | (pages - 1) << 32;
    if pager::u64_at(first, 0)? != id.0 || pager::u64_at(first, 8)? != leaf_of_one {
        return None;
    }
    // Only now is it known that the pages behind are this run's, and not being written.
    let run = source.run(id, pages).ok()?;
    if pages <= SHORT_RUN_PAGES {
        pager::prefetch(run.get(source.page_bytes()..)?.first_chunk::<1>()?);
    }
    let is_expected = pager::u64_at(run, HEADER_BYTES)?
        == u64::from(NO_FLAGS) | (ELEMENT_BYTES as u64) << 32
        && pager::u32_at(run, HEADER_BYTES + 8)? as usize == key.len();
    if !is_expected {
        return None;
    }
    let value_bytes = pager::u32_at(run, HEADER_BYTES + 12)? as usize;
    let (own_key, rest) = run.get(ONLY_AT..)?.split_at_checked(key.len())?;
    let entry = Entry {
        key: own_key,
        value: rest.get(..value_bytes)?,
        flags: NO_FLAGS,
    };
    (own_key == key).then_some(entry)
}

/// As many lines as keep the processor busy until it sees a stream.
const RUN_BEGINNING_BYTES: usize = 256;

/// In a run as short as this the beginning of the second page is asked for too: no stream that the
/// processor sees runs on to it. In a longer one that was seen to cost more than it gives.
const SHORT_RUN_PAGES: u64 = 4;

/// The entry of `key` on `page`, a leaf whose only one it would be. Nothing is kept beside such a
/// page.
///
/// Its key stands where every writer puts it, and is as long as the one looked for: these are
/// guesses that branches check, not sums of what was read, so that a processor that goes ahead
/// fetches the value while it waits for the page's first line.
#[inline]
fn only_entry<'a>(page: Page<'a>, key: &[u8]) -> Option<Option<Entry<'a>>> {
    let elements = Elements::of(page).ok()?;
    let (spot, flags) = elements.spot_and_flags(0).ok()?;
    if spot.at != ONLY_AT || !elements.is_leaf() {
        return None;
    }
    if spot.key_bytes != key.len() {
        return Some(None);
    }
    let (own_key, rest) = page.bytes.get(ONLY_AT..)?.split_at_checked(key.len())?;
    let value = rest.get(..spot.value_bytes)?;
    let entry = Entry {
        key: own_key,
        value,
        flags,
    };
    Some((own_key == key).then_some(entry))
}

/// The one pair in `window`, if its place is kept.
#[inline]
fn pair_in(words: Words<'_>, shape: Shape, window: Window) -> Option<Spot> {
    let key_bytes = shape.key_bytes.filter(|_| window.low + 1 == window.high)?;
    let at = place_of(words, shape, window.low);
    let end = place_of(words, shape, window.high);
    let value_bytes = end.checked_sub(at + key_bytes)?;
    Some(Spot {
        at,
        key_bytes,
        value_bytes,
    })
}

/// What words kept beside a leaf tell of a key.
pub(crate) struct OnLeaf<'a> {
    pub elements: Elements<'a>,
    pub window: Window,
    /// The one pair in the window, if its place is kept: with it the table of elements need not be
    /// touched. Its key has still to be compared.
    pub pair: Option<Spot>,
}

/// What is kept beside leaf `id` about `key`.
#[inline]
pub(crate) fn look_on_leaf<'a, S: PageSource>(
    source: &'a S,
    id: PageId,
    key: &[u8],
) -> Option<pager::Result<OnLeaf<'a>>> {
    let table = &source.side_tables()?.leaves;
    let first = match source.run(id, 1) {
        Ok(bytes) => bytes,
        Err(error) => return Some(Err(error)),
    };
    // Looking at the page before its words lets the processor fetch both at once.
    if pager::u64_at(first, 0) != Some(id.0) {
        return None;
    }
    let (shape, window, pair) = table.read(id, |words| {
        let shape = Shape::decode(words.get(SHAPE));
        let window = window(words, shape, key);
        Some((shape, window, pair_in(words, shape, window)))
    })?;
    let run = match shape.run_pages {
        1 => Ok(first),
        pages => source.run(id, pages),
    };
    Some(run.map(|bytes| OnLeaf {
        elements: Elements::validated(id, bytes, shape.count, true),
        window,
        pair,
    }))
}

/// Notes that `elements` were searched; the third time, words are kept for the next one.
pub(crate) fn note_search<S: PageSource>(source: &S, elements: Elements<'_>) {
    let Some(tables) = source.side_tables() else {
        return;
    };
    let table = if elements.is_leaf() {
        &tables.leaves
    } else {
        &tables.branches
    };
    let one = elements.is_leaf() && elements.count() == 1;
    if !one && elements.id() != PageId(0) && table.visit(elements.id()) {
        keep(source, table, elements);
    }
}

#[cold]
fn keep<S: PageSource>(source: &S, table: &SideTable, elements: Elements<'_>) {
    // Damage is not for this to report: a page that has any is searched key by key, as before.
    if let Some(words) = work_out(source, table.words_max(), elements) {
        table.keep(elements.id(), &words);
    }
}

/// Keeps beside page `id`, just written as `image`, what is kept beside page `before`, whose keys it
/// has, each at its place.
pub fn carry(tables: &SideTables, before: PageId, id: PageId, image: &[u8]) {
    let page = Page::parse(id, image).and_then(Elements::of);
    let Ok(elements) = page else { return };
    if elements.is_leaf() {
        return tables.leaves.carry(before, id, |_| {});
    }
    tables.branches.carry(before, id, |words| {
        let shape = Shape::decode(words.first().copied().unwrap_or(0));
        let children = words.get_mut(HEADS + shape.heads()..).unwrap_or_default();
        let kept = if shape.has_children { shape.count } else { 0 };
        for (index, child) in children.iter_mut().enumerate().take(kept) {
            // 0 stands for a child that is not kept.
            *child = elements.child(index).map_or(0, |child| child.0);
        }
    });
}

/// Whether `elements` are known to be a page that this process laid out.
pub(crate) fn written_here<S: PageSource>(source: &S, elements: Elements<'_>) -> bool {
    source.side_tables().is_some_and(|tables| {
        let table = match elements.is_leaf() {
            true => &tables.leaves,
            false => &tables.branches,
        };
        table.was_written(elements.id())
    })
}

#[cfg(test)]
mod tests;
