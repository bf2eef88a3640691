//! Keys under which operands wait that no value was merged with yet.
//!
//! Invariants:
//! * an operand's key is that of the value it is for, then a number that no other operand has;
//! * operands of keys that begin alike begin alike, so what drops a prefix of keys can drop their
//!   operands.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, OPERAND_SPACE, StoredRange, put_space, stored};

/// Behind a key: nothing that a key holds looks like it.
const END: [u8; 2] = [0, 0];

fn escaped(key: &[u8], to: &mut Vec<u8>) {
    for byte in key {
        to.push(*byte);
        if *byte == 0 {
            to.push(0xFF);
        }
    }
}

fn begin(space: u64) -> Vec<u8> {
    let mut prefix = stored(OPERAND_SPACE, b"");
    put_space(&mut prefix, space);
    prefix
}

/// What the operands of `key` of `space` begin with.
pub(crate) fn prefix_of(space: u64, key: &[u8]) -> Vec<u8> {
    let mut prefix = begin(space);
    escaped(key, &mut prefix);
    prefix.extend(END);
    prefix
}

/// All operands of `space`.
pub(crate) fn of_space(space: u64) -> StoredRange {
    StoredRange::prefix(&begin(space))
}

/// The operands of all keys of `space` that begin with `prefix`.
pub(crate) fn of_prefix(space: u64, prefix: &[u8]) -> StoredRange {
    let mut start = begin(space);
    escaped(prefix, &mut start);
    StoredRange::prefix(&start)
}

/// Bytes of the number behind an operand's prefix.
const NUMBER_BYTES: usize = 32;

/// What an operand of the default space shares with all of its key, and that key; none for what is
/// no such operand.
pub(crate) fn user_key(operand: &[u8]) -> Option<(&[u8], Vec<u8>)> {
    let begin = begin(DEFAULT_SPACE);
    let prefix = operand.get(..operand.len().checked_sub(NUMBER_BYTES)?)?;
    let mut escaped = prefix.strip_prefix(&*begin)?.strip_suffix(&END)?.iter();
    let mut key = Vec::with_capacity(escaped.len());
    while let Some(byte) = escaped.next() {
        key.push(*byte);
        if *byte == 0 && escaped.next() != Some(&0xFF) {
            return None;
        }
    }
    Some((prefix, key))
}

/// A number that no other operand has. Of two that one process makes, the counts differ; one that
/// a later process makes, read a later version; the time tells apart what came from another store.
pub(crate) fn fresh_number(read_at: Sequence) -> [u8; NUMBER_BYTES] {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let time = time.map_or(0, |time| time.as_nanos());
    let mut number = [0; NUMBER_BYTES];
    let parts = read_at.0.to_be_bytes().into_iter();
    let parts = parts.chain(time.to_be_bytes()).chain(count.to_be_bytes());
    number
        .iter_mut()
        .zip(parts)
        .for_each(|(to, from)| *to = from);
    number
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_of_one_key_are_not_those_of_another() {
        let keys: [&[u8]; 7] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0\xFF", b"ab"];
        for key in keys {
            let of_key = StoredRange::prefix(&prefix_of(1, key));
            for other in keys {
                let operand = [&prefix_of(1, other)[..], &fresh_number(Sequence(5))].concat();
                assert_eq!(of_key.contains(&operand), key == other, "{key:?} {other:?}");
                assert!(!StoredRange::prefix(&prefix_of(2, key)).contains(&operand));
                assert!(of_space(1).contains(&operand));
                assert_eq!(
                    of_prefix(1, key).contains(&operand),
                    other.starts_with(key),
                    "{key:?} {other:?}"
                );
            }
        }
    }

    #[test]
    fn an_operand_tells_the_key_it_is_for() {
        let keys: [&[u8]; 6] = [b"", b"\0", b"\0\0", b"a", b"a\0\xFF", b"ab"];
        for key in keys {
            let prefix = prefix_of(DEFAULT_SPACE, key);
            let operand = [&prefix[..], &fresh_number(Sequence(5))].concat();
            assert_eq!(user_key(&operand), Some((&prefix[..], key.to_vec())));
            let other = [&prefix_of(2, key)[..], &fresh_number(Sequence(5))].concat();
            assert_eq!(user_key(&other), None);
        }
        assert_eq!(user_key(&stored(DEFAULT_SPACE, b"key")), None);
    }

    #[test]
    fn no_two_operands_have_one_number() {
        assert_ne!(fresh_number(Sequence(5)), fresh_number(Sequence(5)));
    }
}
