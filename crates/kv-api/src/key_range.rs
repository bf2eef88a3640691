//! A range of keys, made from Rust's own range syntax without naming a type.

use std::ops::{
    Bound, Range, RangeBounds, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive,
};

/// A range of keys with owned ends.
///
/// ```
/// use kv_api::KeyRange;
/// let decade = KeyRange::from("1990".."2000");
/// assert!(decade.contains(b"1994-05-01"));
/// assert!(KeyRange::from(..).contains(b"anything"));
/// assert!(!KeyRange::prefix(b"user:").contains(b"users"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRange {
    start: Bound<Vec<u8>>,
    end: Bound<Vec<u8>>,
}

impl KeyRange {
    /// A range with these ends.
    pub fn new(start: Bound<Vec<u8>>, end: Bound<Vec<u8>>) -> KeyRange {
        KeyRange { start, end }
    }

    /// Every key that begins with `prefix`.
    pub fn prefix(prefix: &[u8]) -> KeyRange {
        let start = Bound::Included(prefix.to_vec());
        KeyRange {
            start,
            end: successor_of_prefix(prefix).map_or(Bound::Unbounded, Bound::Excluded),
        }
    }

    /// The lower end.
    pub fn start(&self) -> Bound<&[u8]> {
        self.start.as_ref().map(Vec::as_slice)
    }

    /// The upper end.
    pub fn end(&self) -> Bound<&[u8]> {
        self.end.as_ref().map(Vec::as_slice)
    }

    /// Whether `key` is at or above the lower end.
    pub fn is_at_or_after_start(&self, key: &[u8]) -> bool {
        match &self.start {
            Bound::Included(start) => key >= start.as_slice(),
            Bound::Excluded(start) => key > start.as_slice(),
            Bound::Unbounded => true,
        }
    }

    /// Whether `key` is at or below the upper end.
    pub fn is_at_or_before_end(&self, key: &[u8]) -> bool {
        match &self.end {
            Bound::Included(end) => key <= end.as_slice(),
            Bound::Excluded(end) => key < end.as_slice(),
            Bound::Unbounded => true,
        }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.is_at_or_after_start(key) && self.is_at_or_before_end(key)
    }
}

/// The smallest key above every key that begins with `prefix`; none if `prefix` is all `0xFF`.
fn successor_of_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

impl From<RangeFull> for KeyRange {
    fn from(_: RangeFull) -> KeyRange {
        KeyRange {
            start: Bound::Unbounded,
            end: Bound::Unbounded,
        }
    }
}

macro_rules! from_ranges {
    ($($range:ident),*) => {$(
        impl<K: AsRef<[u8]>> From<$range<K>> for KeyRange {
            fn from(range: $range<K>) -> KeyRange {
                let own = |bound: Bound<&K>| bound.map(|key| key.as_ref().to_vec());
                KeyRange { start: own(range.start_bound()), end: own(range.end_bound()) }
            }
        }
    )*};
}
from_ranges!(Range, RangeFrom, RangeInclusive, RangeTo, RangeToInclusive);

impl<K: AsRef<[u8]>> From<(Bound<K>, Bound<K>)> for KeyRange {
    fn from((start, end): (Bound<K>, Bound<K>)) -> KeyRange {
        let own = |bound: Bound<K>| bound.map(|key| key.as_ref().to_vec());
        KeyRange {
            start: own(start),
            end: own(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_of_all_ones_has_no_upper_end() {
        let range = KeyRange::prefix(&[0xFF, 0xFF]);
        assert_eq!(range.end(), Bound::Unbounded);
        assert!(range.contains(&[0xFF, 0xFF, 0xFF]));
        assert!(!range.contains(&[0xFF]));
    }

    #[test]
    fn a_prefix_carries_past_trailing_ones() {
        let range = KeyRange::prefix(&[0x01, 0xFF]);
        assert_eq!(range.end(), Bound::Excluded(&[0x02][..]));
    }

    #[test]
    fn excluded_and_included_ends_differ_by_their_key() {
        assert!(KeyRange::from("a"..="c").contains(b"c"));
        assert!(!KeyRange::from("a".."c").contains(b"c"));
        let open = KeyRange::from((Bound::Excluded("a"), Bound::Unbounded));
        assert!(!open.contains(b"a"));
        assert!(open.contains(b"a\0"));
    }
}
