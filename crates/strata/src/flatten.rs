//! Nested bucket paths folded into keys, for engines whose spaces hold pairs alone.
//!
//! Inside a space, the pair `k` of the bucket `a` inside the bucket `b` becomes the key
//! `esc(b) 00 01 esc(a) 00 01 esc(k)`, where `esc` writes each byte 00 as 00 FF. A pair directly
//! in the space becomes `esc(k)`. So no two pairs get one key, the order of a walk is kept, and
//! keys without zero bytes directly in the space stay as they are. Empty buckets and sequence
//! numbers have no place in this form.

/// The key that stands for the pair `key` of the bucket at `path`, counted from its space.
///
/// ```
/// use strata::{flat_key, unflatten_key};
/// let flat = flat_key([&b"inner"[..]], b"3");
/// assert_eq!(flat, b"inner\x00\x013");
/// assert_eq!(unflatten_key(&flat), Some(vec![b"inner".to_vec(), b"3".to_vec()]));
/// ```
pub fn flat_key<'a>(path: impl IntoIterator<Item = &'a [u8]>, key: &[u8]) -> Vec<u8> {
    let mut flat = Vec::with_capacity(key.len() + 16);
    for name in path {
        escape_into(&mut flat, name);
        flat.extend([0, 1]);
    }
    escape_into(&mut flat, key);
    flat
}

fn escape_into(flat: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        flat.push(*byte);
        if *byte == 0 {
            flat.push(0xFF);
        }
    }
}

/// The names and the key that [`flat_key`] folded into `flat`, the key last; none if it did not.
pub fn unflatten_key(flat: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = flat.iter();
    while let Some(byte) = bytes.next() {
        match (byte, *byte == 0) {
            (byte, false) => parts.last_mut()?.push(*byte),
            (_, true) => match bytes.next()? {
                0xFF => parts.last_mut()?.push(0),
                1 => parts.push(Vec::new()),
                _ => return None,
            },
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Paths in the order a walk shows them: a bucket's entries stand where its name stands.
    const WALK: [&[&[u8]]; 9] = [
        &[b"\x00"],
        &[b"\x00\x00", b"x"],
        &[b"a"],
        &[b"b", b"\x00"],
        &[b"b", b"\x01"],
        &[b"b", b"c", b"\xff"],
        &[b"b\x00"],
        &[b"b\x01"],
        &[b"\xff", b"\x00"],
    ];

    fn flat(parts: &[&[u8]]) -> Vec<u8> {
        parts.split_last().map_or(Vec::new(), |(key, path)| {
            flat_key(path.iter().copied(), key)
        })
    }

    #[test]
    fn flat_keys_keep_the_order_of_a_walk() {
        let keys: Vec<_> = WALK.into_iter().map(flat).collect();
        assert!(keys.is_sorted_by(|a, b| a < b), "{keys:?}");
    }

    #[test]
    fn flat_keys_come_apart_again() {
        for parts in WALK {
            let apart = unflatten_key(&flat(parts));
            assert_eq!(
                apart,
                Some(parts.iter().map(|part| part.to_vec()).collect())
            );
        }
        assert_eq!(unflatten_key(b"a\x00"), None);
        assert_eq!(unflatten_key(b"a\x00b"), None);
    }
}
