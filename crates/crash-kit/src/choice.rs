//! What a crash does to one change that was on its way to the disk, and how that is written down.

use std::fmt;
use std::ops::Range;

use crate::rng::Rng;

/// What a disk writes whole or not at all.
pub(crate) const SECTOR_BYTES: usize = 512;

/// The sectors that `len` bytes at `offset` touch, as ranges of those bytes.
pub(crate) fn sectors(offset: u64, len: usize) -> impl Iterator<Item = Range<usize>> {
    let first = SECTOR_BYTES - usize::try_from(offset % SECTOR_BYTES as u64).unwrap_or(0);
    let mut start = 0;
    let mut end = first;
    std::iter::from_fn(move || {
        (start < len).then(|| {
            let range = start..end.min(len);
            start = end;
            end += SECTOR_BYTES;
            range
        })
    })
}

/// The fate of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    Lost,
    Kept,
    /// The first so many sectors.
    First(usize),
    /// The last so many sectors.
    Last(usize),
    Even,
    Odd,
    /// About half of the sectors, by a seed.
    Some(u64),
    /// The file's length, with zeros in place of the bytes.
    SizeOnly,
    /// The file's length, with a stranger's bytes in place of these.
    Garbage,
    /// The sectors before this one, and noise in this one.
    Scrambled(usize),
}

impl Choice {
    /// Whether sector `number` of `count` reaches the disk.
    pub(crate) fn keeps(self, number: usize, count: usize) -> bool {
        match self {
            Choice::Kept => true,
            Choice::Lost | Choice::SizeOnly | Choice::Garbage => false,
            Choice::First(kept) => number < kept,
            Choice::Last(kept) => number + kept >= count,
            Choice::Even => number.is_multiple_of(2),
            Choice::Odd => !number.is_multiple_of(2),
            Choice::Some(seed) => Rng::new(seed ^ number as u64).percent(50),
            Choice::Scrambled(at) => number < at,
        }
    }

    /// Whether sector `number` becomes noise.
    pub(crate) fn scrambles(self, number: usize) -> bool {
        self == Choice::Scrambled(number)
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Lost => write!(f, "-"),
            Choice::Kept => write!(f, "+"),
            Choice::First(kept) => write!(f, "f{kept}"),
            Choice::Last(kept) => write!(f, "l{kept}"),
            Choice::Even => write!(f, "e"),
            Choice::Odd => write!(f, "o"),
            Choice::Some(seed) => write!(f, "s{seed}"),
            Choice::SizeOnly => write!(f, "z"),
            Choice::Garbage => write!(f, "g"),
            Choice::Scrambled(at) => write!(f, "x{at}"),
        }
    }
}

/// Writes choices down, one behind the other.
pub(crate) fn encode(choices: &[Choice]) -> String {
    choices.iter().map(Choice::to_string).collect()
}

/// Reads what [`encode`] wrote; `None` if it did not.
pub(crate) fn decode(mut text: &str) -> Option<Vec<Choice>> {
    let mut choices = Vec::new();
    while let Some(kind) = text.chars().next() {
        text = text.get(kind.len_utf8()..)?;
        let digits = text.find(|c: char| !c.is_ascii_digit());
        let (number, rest) = text.split_at_checked(digits.unwrap_or(text.len()))?;
        text = rest;
        choices.push(match kind {
            '-' => Choice::Lost,
            '+' => Choice::Kept,
            'f' => Choice::First(number.parse().ok()?),
            'l' => Choice::Last(number.parse().ok()?),
            'e' => Choice::Even,
            'o' => Choice::Odd,
            's' => Choice::Some(number.parse().ok()?),
            'z' => Choice::SizeOnly,
            'g' => Choice::Garbage,
            'x' => Choice::Scrambled(number.parse().ok()?),
            _ => return None,
        });
    }
    Some(choices)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_written_down_is_read_back() {
        let all = [
            Choice::Lost,
            Choice::First(3),
            Choice::Kept,
            Choice::Last(12),
            Choice::Even,
            Choice::Some(77),
            Choice::Odd,
            Choice::SizeOnly,
            Choice::Garbage,
            Choice::Scrambled(0),
        ];
        assert_eq!(decode(&encode(&all)).unwrap(), all);
        assert_eq!(decode("+?"), None);
    }

    #[test]
    fn sectors_are_those_of_the_file_not_of_the_write() {
        let cut: Vec<_> = sectors(500, 600).collect();
        assert_eq!(cut, [0..12, 12..524, 524..600]);
        assert_eq!(sectors(512, 512).count(), 1);
    }
}
