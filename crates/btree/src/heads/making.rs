//! Working out what is kept beside a page.

use pager::{PageKind, PageSource};

use super::shape::Shape;
use super::{HEADS, PLACES_PER_WORD, PREFIX_BYTES_MAX, PREFIX_WORDS, head, prefix_word};
use crate::layout::{Elements, NO_FLAGS};

/// The words for a page; none if it is damaged or too large to describe.
///
/// Heads come first. Behind them stand a branch's children, or the places of a leaf's pairs: 16
/// bits each for where a pair begins, and one for where the last ends. Places are kept where all
/// keys are of one length, no entry has flags and the pairs lie without a gap, so that a place and
/// the next one tell key and value apart.
pub(super) fn work_out<S: PageSource>(
    source: &S,
    words_max: usize,
    elements: Elements<'_>,
) -> Option<Vec<u64>> {
    elements.check_packed().ok()?;
    let count = elements.count();
    let run_pages = elements.run_pages(source.page_bytes());
    if run_pages > RUN_PAGES_MAX || count > usize::from(u16::MAX) {
        return None;
    }
    let common = common_bytes(elements)?;
    let room = words_max.checked_sub(HEADS)?;
    let with_children = !elements.is_leaf() && 2 * count <= room;
    let stride = match with_children {
        true => 1,
        false => count.div_ceil(room).max(1),
    };
    let with_places = stride == 1 && count + count / PLACES_PER_WORD < room;
    let places = if with_places { places(elements) } else { None };
    let first_child = match with_children {
        true => source.page(elements.child(0).ok()?).ok(),
        false => None,
    };
    let shape = Shape {
        count,
        stride,
        has_children: with_children,
        prefix_bytes: common.min(PREFIX_BYTES_MAX),
        key_bytes: places.as_ref().map(|(key_bytes, _)| *key_bytes),
        above_leaves: first_child.is_some_and(|page| page.kind == PageKind::Leaf),
        child_pages: first_child.map_or(0, |page| page.run_pages()),
        run_pages,
    };
    let mut words = vec![shape.encode()];
    let first = elements.key(0).unwrap_or_default();
    words.extend((0..PREFIX_WORDS).map(|index| prefix_word(first, index, shape.prefix_bytes)));
    for index in (0..count).step_by(shape.stride) {
        words.push(head(elements.key(index).ok()?, shape.prefix_bytes));
    }
    for index in 0..if with_children { count } else { 0 } {
        words.push(elements.child(index).ok()?.0);
    }
    let places = places.map_or(Vec::new(), |(_, places)| places);
    words.extend(places.chunks(PLACES_PER_WORD).map(|places| {
        let placed = places.iter().zip((0..).step_by(16));
        placed.fold(0, |word, (place, shift)| word | u64::from(*place) << shift)
    }));
    Some(words)
}

/// Longer runs are searched key by key: one comparison is nothing beside such values.
const RUN_PAGES_MAX: u64 = 1023;

/// The bytes that all keys of a page begin with; none if they do not ascend.
fn common_bytes(elements: Elements<'_>) -> Option<usize> {
    let (mut first, mut previous) = (None, None);
    for index in 0..elements.count() {
        let key = elements.key(index).ok()?;
        if previous.is_some_and(|previous| previous >= key) {
            return None;
        }
        first.get_or_insert(key);
        previous = Some(key);
    }
    let (first, last) = (first.unwrap_or_default(), previous.unwrap_or_default());
    Some(first.iter().zip(last).take_while(|(a, b)| a == b).count())
}

/// The length of every key and the places of all pairs, if this is a leaf that has them.
fn places(elements: Elements<'_>) -> Option<(usize, Vec<u16>)> {
    let mut key_bytes = None;
    let mut places = Vec::new();
    let mut end = None;
    for index in 0..elements.count() {
        let spot = elements.spot(index).ok()?;
        let plain = elements.is_leaf() && elements.flags(index).ok()? == NO_FLAGS;
        let like_others = *key_bytes.get_or_insert(spot.key_bytes) == spot.key_bytes;
        if !plain || !like_others || end.is_some_and(|end| end != spot.at) {
            return None;
        }
        places.push(u16::try_from(spot.at).ok()?);
        end = Some(spot.at + spot.key_bytes + spot.value_bytes);
    }
    places.push(u16::try_from(end?).ok()?);
    let key_bytes = key_bytes.filter(|bytes| *bytes > 0 && *bytes <= usize::from(u16::MAX))?;
    Some((key_bytes, places))
}
