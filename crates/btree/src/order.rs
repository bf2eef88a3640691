//! Sorting records by their keys, of which the first bytes that differ decide almost always.

use std::ops::Range;

use crate::heads::head;

/// Among so few records whole keys are compared.
const FEW: usize = 8;
/// Bytes of a key in a head.
const HEAD_BYTES: usize = 8;

/// A record on its way to its place among the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Ranked<P> {
    head: u64,
    place: P,
}

/// Records that are still to be sorted among themselves.
struct Stretch {
    range: Range<usize>,
    /// Bytes that all their keys begin with.
    shared_bytes: usize,
    /// Their heads behind those bytes are equal.
    tied: bool,
}

/// The last of `places`, which ascend, for every key, in the order of the keys.
///
/// Sorts by the eight bytes behind what all keys have in common, and each stretch of ties in the
/// same way. A common beginning, however long, costs one look at each key.
pub(crate) fn by_key<'a, P: Copy + Ord>(places: &[P], key_of: impl Fn(P) -> &'a [u8]) -> Vec<P> {
    let unranked = |place: &P| Ranked {
        head: 0,
        place: *place,
    };
    let mut ranked: Vec<Ranked<P>> = places.iter().map(unranked).collect();
    let mut replaced = Vec::new();
    let mut open = vec![Stretch {
        range: 0..ranked.len(),
        shared_bytes: 0,
        tied: false,
    }];
    while let Some(Stretch {
        range,
        shared_bytes,
        tied,
    }) = open.pop()
    {
        let start = range.start;
        let records = ranked.get_mut(range).unwrap_or_default();
        let common_bytes = common_bytes(records, shared_bytes, &key_of);
        // Keys that end within a head tie with those that go on with zeros.
        let stuck = tied && common_bytes < shared_bytes + HEAD_BYTES;
        if records.len() <= FEW || stuck {
            let by_whole_key = |a: &Ranked<P>, b: &Ranked<P>| {
                let keys = key_of(a.place).cmp(key_of(b.place));
                keys.then(a.place.cmp(&b.place))
            };
            records.sort_unstable_by(by_whole_key);
            let pairs = (start..).zip(records.windows(2));
            replaced.extend(pairs.filter_map(|(index, pair)| match pair {
                [a, b] if key_of(a.place) == key_of(b.place) => Some(index),
                _ => None,
            }));
            continue;
        }
        for record in records.iter_mut() {
            record.head = head(key_of(record.place), common_bytes);
        }
        records.sort_unstable();
        let mut at = start;
        for ties in records.chunk_by(|a, b| a.head == b.head) {
            if ties.len() > 1 {
                open.push(Stretch {
                    range: at..at + ties.len(),
                    shared_bytes: common_bytes,
                    tied: true,
                });
            }
            at += ties.len();
        }
    }
    without(ranked, replaced)
}

/// How many bytes the keys of all records have in common, knowing some of them.
fn common_bytes<'a, P: Copy>(
    records: &[Ranked<P>],
    known_bytes: usize,
    key_of: &impl Fn(P) -> &'a [u8],
) -> usize {
    let Some((first, others)) = records.split_first() else {
        return known_bytes;
    };
    let first = key_of(first.place).get(known_bytes..).unwrap_or_default();
    let common = others.iter().fold(first, |common, other| {
        let other = key_of(other.place).get(known_bytes..).unwrap_or_default();
        let equal = common.iter().zip(other).take_while(|(a, b)| a == b);
        common.get(..equal.count()).unwrap_or_default()
    });
    known_bytes + common.len()
}

/// The places of `ranked` but for those at the indexes `replaced`.
fn without<P>(ranked: Vec<Ranked<P>>, mut replaced: Vec<usize>) -> Vec<P> {
    replaced.sort_unstable();
    let mut replaced = replaced.into_iter().peekable();
    let kept = ranked.into_iter().enumerate();
    let kept = kept.filter(|(index, _)| replaced.next_if_eq(index).is_none());
    kept.map(|(_, record)| record.place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys over few letters, so that ties, repeats, common beginnings and zeros are many.
    fn keys(seed: u64, count: usize, beginning: &[u8]) -> Vec<Vec<u8>> {
        let mut state = seed;
        let mut next = move || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize
        };
        let mut keys = Vec::new();
        for _ in 0..count {
            let mut key = beginning.to_vec();
            key.extend((0..next() % 24).filter_map(|_| b"\0\0\0ab".get(next() % 5)));
            keys.push(key);
        }
        keys
    }

    #[test]
    fn the_last_record_of_every_key_comes_in_the_order_of_the_keys() {
        for (seed, beginning) in [&b""[..], b"\0", b"user:00000000", b"\xff"]
            .iter()
            .enumerate()
        {
            for count in [0, 1, 2, 7, 9, 40, 3000] {
                let keys = keys(seed as u64, count, beginning);
                let mut last = std::collections::BTreeMap::new();
                for (place, key) in keys.iter().enumerate() {
                    last.insert(key.as_slice(), place);
                }
                let places: Vec<usize> = (0..count).collect();
                let sorted = by_key(&places, |place| keys.get(place).map_or(&[], Vec::as_slice));
                assert_eq!(sorted, last.into_values().collect::<Vec<_>>(), "{count}");
            }
        }
    }

    #[test]
    fn one_key_put_again_and_again_is_the_last_of_them() {
        let places: Vec<usize> = (0..1000).collect();
        assert_eq!(by_key(&places, |_| b"the same".as_slice()), [999]);
    }
}
