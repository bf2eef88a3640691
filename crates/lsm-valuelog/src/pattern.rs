//! Patterns of keys: a prefix, of which some bytes may be anything.

use std::ops::Range;

use kv_api::{Error, Result};

/// A prefix, of which some bytes may be anything.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// use lsm_valuelog::Pattern;
///
/// let names = Pattern::new(b"user ??: name").ignoring("5-6")?;
/// assert!(names.matches(b"user 17: name"));
/// assert!(!names.matches(b"user 17: mail"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pattern {
    /// None where any byte will do.
    bytes: Vec<Option<u8>>,
}

impl Pattern {
    /// Every key that begins with `prefix`.
    pub fn new(prefix: &[u8]) -> Pattern {
        Pattern {
            bytes: prefix.iter().copied().map(Some).collect(),
        }
    }

    /// The same with any bytes at these places. Places behind the prefix are let be.
    pub fn ignore(mut self, places: Range<usize>) -> Pattern {
        let end = places.end.min(self.bytes.len());
        let ignored = self.bytes.get_mut(places.start..end);
        ignored.into_iter().flatten().for_each(|byte| *byte = None);
        self
    }

    /// The same with places as text, counted from 0: `"1, 3-5"`, both ends included.
    ///
    /// # Errors
    ///
    /// `Invalid` for a text that is no list of places.
    pub fn ignoring(mut self, places: &str) -> Result<Pattern> {
        let wrong = || Error::Invalid {
            what: "a list of places that is not like \"1, 3-5\"",
        };
        for part in places.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let place = |text: &str| text.trim().parse::<usize>().map_err(|_| wrong());
            let (first, last) = (place(first)?, place(last)?);
            let end = last.checked_add(1).filter(|end| first < *end);
            self = self.ignore(first..end.ok_or_else(wrong)?);
        }
        Ok(self)
    }

    /// Whether `key` begins like this.
    pub fn matches(&self, key: &[u8]) -> bool {
        key.len() >= self.bytes.len() && self.agrees(key)
    }

    /// What every key that matches begins with.
    pub(crate) fn literal(&self) -> Vec<u8> {
        self.bytes.iter().map_while(|byte| *byte).collect()
    }

    /// Whether a key that matches may begin with `prefix`.
    pub(crate) fn may_begin_with(&self, prefix: &[u8]) -> bool {
        self.agrees(prefix)
    }

    fn agrees(&self, key: &[u8]) -> bool {
        let mut pairs = self.bytes.iter().zip(key);
        pairs.all(|(wanted, byte)| wanted.is_none_or(|wanted| wanted == *byte))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_keys_that_begin_like_it_but_for_the_bytes_it_ignores() {
        let pattern = Pattern::new(b"abcdef")
            .ignoring("1, 3-4")
            .unwrap_or_default();
        assert!(pattern.matches(b"aXcYZf"));
        assert!(pattern.matches(b"abcdefg"));
        assert!(!pattern.matches(b"aXXYZf"));
        assert!(!pattern.matches(b"aXcYZg"));
        assert!(!pattern.matches(b"aXcYZ"));
        assert!(Pattern::default().matches(b""));
    }

    #[test]
    fn a_list_of_places_that_is_none_is_refused() {
        for wrong in ["", "a", "3-1", "1-", "-", "1,,2", "18446744073709551615"] {
            assert!(Pattern::new(b"abc").ignoring(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            Pattern::new(b"abc").ignoring("7, 2-9").ok(),
            Some(Pattern::new(b"abc").ignore(2..3))
        );
    }

    #[test]
    fn a_dropped_prefix_concerns_patterns_above_and_below_it() {
        let pattern = Pattern::new(b"abc").ignore(1..2);
        assert!(pattern.may_begin_with(b"a"));
        assert!(pattern.may_begin_with(b""));
        assert!(pattern.may_begin_with(b"aXcd"));
        assert!(!pattern.may_begin_with(b"b"));
    }
}
