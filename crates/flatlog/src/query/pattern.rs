//! Patterns with wildcards, and the matching of whole byte strings with them.
//!
//! `*` is any run of bytes, `?` is one character (see [`crate::search::Character`]): it begins
//! where a character of the matched string begins, and ends where that ends.
//!
//! A pattern is cut at its stars into segments. The first and the last are fixed at the ends of
//! the string; each other one is taken at the first place where it fits. That loses nothing: if a
//! segment fits at two places, it ends earlier where it begins earlier, since literal bytes move
//! both places alike and `?` moves each to the next beginning of a character, which keeps their
//! order. So there is no going back: O(n + m) without `?`, O(n m) at worst.

use std::fmt;

use memchr::memmem;

use crate::query::error::QueryError;
use crate::query::limits::Clock;
use crate::search::{Character, is_character_start};

/// A pattern with wildcards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// At least one. Between every two stands a `*`.
    segments: Vec<Vec<Part>>,
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Literal(Vec<u8>),
    AnyCharacter,
}

impl Pattern {
    /// The pattern written as `bytes`, of which those at `wildcards` (ascending) are not literal.
    pub fn new(bytes: &[u8], wildcards: &[usize]) -> Pattern {
        let mut segments = Vec::new();
        let mut segment = Vec::new();
        let mut literal = Vec::new();
        let mut wildcards = wildcards.iter().peekable();
        for (place, &byte) in bytes.iter().enumerate() {
            if wildcards.next_if(|&&wildcard| wildcard == place).is_none() {
                literal.push(byte);
                continue;
            }
            if !literal.is_empty() {
                segment.push(Part::Literal(std::mem::take(&mut literal)));
            }
            if byte == b'?' {
                segment.push(Part::AnyCharacter);
                continue;
            }
            // Two stars are one.
            if segments.is_empty() || !segment.is_empty() {
                segments.push(std::mem::take(&mut segment));
            }
        }
        if !literal.is_empty() {
            segment.push(Part::Literal(literal));
        }
        segments.push(segment);
        Pattern { segments }
    }

    /// Whether the whole of `bytes` has this shape.
    ///
    /// ```
    /// use flatlog::query::Pattern;
    /// let pattern = Pattern::new(b"*.lo?", &[0, 4]);
    /// assert!(pattern.matches(b"disk.log"));
    /// assert!(!pattern.matches(b"disk.logs"));
    /// ```
    pub fn matches(&self, bytes: &[u8]) -> bool {
        self.matches_in_time(bytes, &mut Clock::start(None))
            .unwrap_or(false)
    }

    /// The same, within the time of a query.
    pub(super) fn matches_in_time(
        &self,
        bytes: &[u8],
        clock: &mut Clock,
    ) -> Result<bool, QueryError> {
        clock.spend(1 + bytes.len() / 64)?;
        let Some((first, rest)) = self.segments.split_first() else {
            return Ok(bytes.is_empty());
        };
        let Some(mut at) = fit_at(first, bytes, 0) else {
            return Ok(false);
        };
        let Some((last, middle)) = rest.split_last() else {
            return Ok(at == bytes.len());
        };
        for segment in middle {
            match find_from(segment, bytes, at, clock)? {
                Some(end) => at = end,
                None => return Ok(false),
            }
        }
        Ok(fit_before(last, bytes, bytes.len()).is_some_and(|start| start >= at))
    }

    /// The only string with this shape, if it has no wildcards.
    pub fn as_literal(&self) -> Option<&[u8]> {
        match self.segments.as_slice() {
            [segment] => match segment.as_slice() {
                [] => Some(&[]),
                [Part::Literal(literal)] => Some(literal),
                _ => None,
            },
            _ => None,
        }
    }

    /// What every string of this shape begins with.
    pub fn prefix(&self) -> &[u8] {
        match self.segments.first().and_then(|segment| segment.first()) {
            Some(Part::Literal(literal)) => literal,
            _ => &[],
        }
    }

    /// Whether every string with the prefix has this shape: `prefix*`.
    pub fn is_prefix_only(&self) -> bool {
        match self.segments.as_slice() {
            [first, last] => last.is_empty() && matches!(first.as_slice(), [] | [Part::Literal(_)]),
            _ => false,
        }
    }

    /// The segments, between every two of which stands a `*`.
    pub(super) fn segments(&self) -> &[Vec<Part>] {
        &self.segments
    }
}

impl fmt::Display for Pattern {
    /// As it would be written in a query.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"")?;
        for (number, segment) in self.segments.iter().enumerate() {
            if number > 0 {
                write!(f, "*")?;
            }
            for part in segment {
                let Part::Literal(literal) = part else {
                    write!(f, "?")?;
                    continue;
                };
                for byte in literal {
                    match byte {
                        b'*' | b'?' => write!(f, "\\{}", char::from(*byte))?,
                        _ => write!(f, "{}", byte.escape_ascii())?,
                    }
                }
            }
        }
        write!(f, "\"")
    }
}

/// Where `segment` ends if it begins at `at`.
fn fit_at(segment: &[Part], bytes: &[u8], mut at: usize) -> Option<usize> {
    for part in segment {
        match part {
            Part::Literal(literal) => {
                if !bytes.get(at..)?.starts_with(literal) {
                    return None;
                }
                at += literal.len();
            }
            Part::AnyCharacter => {
                if !is_character_start(bytes, at) {
                    return None;
                }
                at += Character::first(bytes.get(at..)?)?.len_utf8();
            }
        }
    }
    Some(at)
}

/// Where `segment` begins if it ends at `at`.
fn fit_before(segment: &[Part], bytes: &[u8], mut at: usize) -> Option<usize> {
    for part in segment.iter().rev() {
        match part {
            Part::Literal(literal) => {
                if !bytes.get(..at)?.ends_with(literal) {
                    return None;
                }
                at -= literal.len();
            }
            Part::AnyCharacter => {
                if !is_character_start(bytes, at) {
                    return None;
                }
                at = (1..=4.min(at))
                    .map(|back| at - back)
                    .find(|&start| is_character_start(bytes, start))?;
            }
        }
    }
    Some(at)
}

/// The earliest end of `segment` when it begins at `from` or later.
fn find_from(
    segment: &[Part],
    bytes: &[u8],
    from: usize,
    clock: &mut Clock,
) -> Result<Option<usize>, QueryError> {
    let (skip, rest) = match segment.split_first() {
        Some((Part::Literal(literal), rest)) => (Some(memmem::Finder::new(literal)), rest),
        _ => (None, segment),
    };
    let mut start = from;
    loop {
        clock.spend(1 + segment.len())?;
        let behind = match &skip {
            Some(finder) => {
                let place = bytes.get(start..).and_then(|rest| finder.find(rest));
                let Some(place) = place else {
                    return Ok(None);
                };
                start += place;
                start + finder.needle().len()
            }
            None => start,
        };
        if let Some(end) = fit_at(rest, bytes, behind) {
            return Ok(Some(end));
        }
        start += 1;
        if start > bytes.len() {
            return Ok(None);
        }
    }
}
