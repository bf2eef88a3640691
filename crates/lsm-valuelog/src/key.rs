//! Keys as they are stored: the space's number, then the caller's key.
//!
//! Invariants:
//! * the number's code is such that no code begins another and codes sort as the numbers do, so
//!   stored keys sort by space and then by key;
//! * the system's own records are space 0 and nobody's space has that number.

use std::ops::Bound;

use kv_api::KeyRange;

/// Where the system keeps the names of spaces.
pub(crate) const SYSTEM_SPACE: u64 = 0;

/// The space without a name.
pub(crate) const DEFAULT_SPACE: u64 = 1;

/// Where operands wait that no value was merged with yet.
pub(crate) const OPERAND_SPACE: u64 = u64::MAX - 2;

/// Where the engine keeps what it remembers about itself.
pub(crate) const MEMORY_SPACE: u64 = u64::MAX - 1;

/// The largest number whose code is one byte.
const ONE_BYTE_MAX: u64 = 0xEF;

/// Bytes of the longest code.
pub(crate) const SPACE_CODE_BYTES_MAX: usize = 9;

/// Appends the code of `space`.
pub(crate) fn put_space(to: &mut Vec<u8>, space: u64) {
    let bytes = space.to_be_bytes();
    if space <= ONE_BYTE_MAX {
        to.push(bytes[7]);
        return;
    }
    let zeros = usize::try_from(space.leading_zeros() / 8).unwrap_or(0);
    let significant = bytes.get(zeros..).unwrap_or_default();
    let [count, ..] = (significant.len() as u64).to_le_bytes();
    to.push(0xEF + count);
    to.extend_from_slice(significant);
}

/// Bytes of the code that `stored` begins with.
pub(crate) fn space_code_bytes(stored: &[u8]) -> usize {
    match stored.first() {
        Some(first) if u64::from(*first) > ONE_BYTE_MAX => usize::from(first - 0xEF) + 1,
        _ => 1,
    }
}

/// Whether `stored` is a record of the engine's own and nobody's key.
pub(crate) fn is_reserved(stored: &[u8]) -> bool {
    // A number of eight bytes that begins with ones is out of reach of those who count spaces.
    matches!(stored, [0, ..] | [0xF7, 0xFF, ..])
}

/// The number of the space that `stored` is of, and the caller's key.
pub(crate) fn split(stored: &[u8]) -> Option<(u64, &[u8])> {
    let (code, key) = stored.split_at_checked(space_code_bytes(stored))?;
    let (first, rest) = code.split_first()?;
    if rest.is_empty() {
        return Some((u64::from(*first), key));
    }
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    Some((rest.iter().fold(0, fold), key))
}

/// `key` of `space` as it is stored.
pub(crate) fn stored(space: u64, key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SPACE_CODE_BYTES_MAX + key.len());
    put_space(&mut bytes, space);
    bytes.extend_from_slice(key);
    bytes
}

/// The first eight bytes as a number that sorts as they do.
#[inline]
pub(crate) fn head(key: &[u8]) -> u64 {
    if let Some(first) = key.first_chunk() {
        return u64::from_be_bytes(*first);
    }
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(key) {
        *to = *from;
    }
    u64::from_be_bytes(bytes)
}

/// A space's keys, or some of them, as a range of stored keys: from the first included to the
/// second excluded, which a range always has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRange {
    pub start: Vec<u8>,
    pub end: Vec<u8>,
}

impl StoredRange {
    /// All of `space`.
    pub fn space(space: u64) -> StoredRange {
        StoredRange {
            start: stored(space, b""),
            end: stored(space + 1, b""),
        }
    }

    /// All keys of all spaces, the engine's own too.
    pub fn everything() -> StoredRange {
        StoredRange {
            start: Vec::new(),
            end: vec![0xFF; 10],
        }
    }

    /// The keys of `space` that are in `keys`.
    pub fn of(space: u64, keys: &KeyRange) -> StoredRange {
        let all = StoredRange::space(space);
        let start = match keys.start() {
            Bound::Included(key) => stored(space, key),
            Bound::Excluded(key) => after(stored(space, key)),
            Bound::Unbounded => all.start,
        };
        let end = match keys.end() {
            Bound::Included(key) => after(stored(space, key)),
            Bound::Excluded(key) => stored(space, key),
            Bound::Unbounded => all.end,
        };
        StoredRange { start, end }
    }

    /// The stored keys that begin with `prefix`, which is at least a space's code.
    pub fn prefix(prefix: &[u8]) -> StoredRange {
        let end = match KeyRange::prefix(prefix).end() {
            Bound::Excluded(end) => end.to_vec(),
            // A code is never all ones.
            _ => prefix.to_vec(),
        };
        StoredRange {
            start: prefix.to_vec(),
            end,
        }
    }

    pub fn contains(&self, key: &[u8]) -> bool {
        self.start.as_slice() <= key && key < self.end.as_slice()
    }

    /// Whether a key may be in both.
    pub fn meets(&self, other: &StoredRange) -> bool {
        self.start < other.end && other.start < self.end
    }

    /// Whether all of `first..=last` is in it.
    pub fn covers(&self, first: &[u8], last: &[u8]) -> bool {
        self.contains(first) && self.contains(last)
    }
}

/// The smallest key above `key`.
pub(crate) fn after(mut key: Vec<u8>) -> Vec<u8> {
    key.push(0);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_spaces_sort_as_their_numbers_and_come_back() {
        let numbers = [
            0,
            1,
            2,
            0xEF,
            0xF0,
            0xFF,
            0x100,
            0xFFFF,
            0x1_0000,
            1 << 24,
            1 << 40,
            1 << 56,
            u64::MAX - 1,
        ];
        let mut before = Vec::new();
        for number in numbers {
            let code = stored(number, b"key");
            assert_eq!(split(&code), Some((number, &b"key"[..])), "{number}");
            assert!(before < code, "{number}");
            assert!(StoredRange::space(number).end > code, "{number}");
            before = stored(number, &[0xFF; 20]);
        }
    }

    #[test]
    fn heads_sort_as_keys_do_as_far_as_they_reach() {
        assert!(head(b"a") < head(b"b"));
        assert!(head(b"") < head(b"a"));
        assert_eq!(head(b"abcdefgh"), head(b"abcdefghi"));
    }
}
