//! Laws about iterating over a range of keys from either end.

use std::ops::Bound;

use kv_api::KeyRange;

use crate::Fixture;
use crate::scaffold::{Pair, numbered, on_every_reader, own, pairs_of};

const INSIDE: [&[u8]; 5] = [b"b", b"bb", b"d", b"f", b"f\xFF"];
const AROUND: [&[u8]; 10] = [
    b"", b"a", b"b", b"bb", b"c", b"d", b"e", b"f", b"f\xFF", b"g",
];

fn every_range() -> Vec<KeyRange> {
    let bound = |kind: usize, key: &[u8]| match kind {
        0 => Bound::Included(key.to_vec()),
        1 => Bound::Excluded(key.to_vec()),
        _ => Bound::Unbounded,
    };
    let mut ranges = Vec::new();
    for (start, end) in AROUND.iter().flat_map(|a| AROUND.map(|b| (*a, b))) {
        for kinds in 0..9 {
            ranges.push(KeyRange::new(
                bound(kinds / 3, start),
                bound(kinds % 3, end),
            ));
        }
    }
    ranges.sort_by_key(|range| format!("{range:?}"));
    ranges.dedup();
    ranges
}

fn inside(pairs: &[Pair], keys: &KeyRange) -> Vec<Pair> {
    let mut kept = pairs.to_vec();
    kept.retain(|(key, _)| keys.contains(key));
    kept
}

/// Every kind of end, on keys there are and keys there are not, ascending. An inverted range is
/// empty.
pub fn a_range_keeps_to_its_ends<F: Fixture>() {
    on_every_reader!(F, pairs_of(&INSIDE), |reader, space, pairs| {
        for keys in every_range() {
            let range = reader.range(space, keys.clone()).unwrap();
            let found: Vec<Pair> = range.map(|pair| own(pair.unwrap())).collect();
            assert_eq!(found, inside(pairs, &keys), "{keys:?}");
        }
    });
}

/// The same ranges from the back.
pub fn a_range_from_the_back_keeps_to_its_ends<F: Fixture>() {
    on_every_reader!(F, pairs_of(&INSIDE), |reader, space, pairs| {
        for keys in every_range() {
            let range = reader.range(space, keys.clone()).unwrap();
            let mut found: Vec<Pair> = range.rev().map(|pair| own(pair.unwrap())).collect();
            found.reverse();
            assert_eq!(found, inside(pairs, &keys), "{keys:?}");
        }
    });
}

/// Front and back meet in the middle: however steps are mixed, each pair is met once.
pub fn the_ends_of_a_range_meet_in_the_middle<F: Fixture>() {
    on_every_reader!(F, pairs_of(&INSIDE), |reader, space, pairs| {
        for keys in [
            KeyRange::from(..),
            KeyRange::from("b".."f"),
            KeyRange::from("a"..="f"),
        ] {
            let all = inside(pairs, &keys);
            // Bit i says whether step i is taken at the front.
            for steps in 0..1_u32 << (all.len() + 2) {
                let mut range = reader.range(space, keys.clone()).unwrap();
                let (mut front, mut back) = (0, all.len());
                for i in 0..all.len() + 2 {
                    let is_front = steps >> i & 1 == 1;
                    let step = if is_front {
                        range.next()
                    } else {
                        range.next_back()
                    };
                    let found = step.map(|pair| own(pair.unwrap()));
                    let expected = match (front < back, is_front) {
                        (false, _) => None,
                        (true, true) => all.get(front),
                        (true, false) => all.get(back - 1),
                    };
                    assert_eq!(found.as_ref(), expected, "{keys:?}, steps {steps:b}");
                    front += usize::from(is_front);
                    back -= usize::from(!is_front && back > 0);
                }
            }
        }
    });
}

/// What has ended stays ended, from both ends.
pub fn an_ended_range_stays_ended<F: Fixture>() {
    on_every_reader!(F, pairs_of(&INSIDE), |reader, space, pairs| {
        let mut range = reader.range(space, "b"..="d").unwrap();
        assert_eq!(range.by_ref().count(), pairs.len() - 2);
        assert!(range.next().is_none());
        assert!(range.next_back().is_none());
        assert!(range.next().is_none());
    });
}

/// `prefix` meets the keys that begin with it, from both ends.
pub fn a_prefix_meets_the_keys_that_begin_with_it<F: Fixture>() {
    let keys: [&[u8]; 8] = [
        b"a",
        b"user",
        b"user:",
        b"user:1",
        b"user:2\xFF",
        b"user:\xFF",
        b"user;",
        b"v",
    ];
    on_every_reader!(F, pairs_of(&keys), |reader, space, pairs| {
        for prefix in [
            &b""[..],
            b"u",
            b"user",
            b"user:",
            b"user:2",
            b"user;",
            b"w",
            b"0",
        ] {
            let mut expected = pairs.to_vec();
            expected.retain(|(key, _)| key.starts_with(prefix));
            let range = reader.prefix(space, prefix).unwrap();
            let found: Vec<Pair> = range.map(|pair| own(pair.unwrap())).collect();
            assert_eq!(found, expected, "{prefix:?}");
            let range = reader.prefix(space, prefix).unwrap();
            let mut found: Vec<Pair> = range.rev().map(|pair| own(pair.unwrap())).collect();
            found.reverse();
            assert_eq!(found, expected, "{prefix:?} from the back");
        }
    });
}

/// A prefix that ends in `0xFF` has no byte above its last, and one of nothing else has no end.
pub fn a_prefix_may_end_in_the_highest_byte<F: Fixture>() {
    let keys: [&[u8]; 9] = [
        &[1],
        &[1, 0xFE],
        &[1, 0xFF],
        &[1, 0xFF, 0],
        &[1, 0xFF, 0xFF],
        &[2],
        &[0xFF],
        &[0xFF, 0xFE],
        &[0xFF, 0xFF, 1],
    ];
    on_every_reader!(F, pairs_of(&keys), |reader, space, pairs| {
        for prefix in [
            &[1, 0xFF][..],
            &[1, 0xFF, 0xFF],
            &[0xFF],
            &[0xFF, 0xFF],
            &[0xFF; 3],
        ] {
            let mut expected = pairs.to_vec();
            expected.retain(|(key, _)| key.starts_with(prefix));
            let range = reader.prefix(space, prefix).unwrap();
            let found: Vec<Pair> = range.map(|pair| own(pair.unwrap())).collect();
            assert_eq!(found, expected, "{prefix:?}");
            let back = reader.prefix(space, prefix).unwrap().next_back();
            assert_eq!(
                back.map(|pair| own(pair.unwrap())).as_ref(),
                expected.last()
            );
        }
    });
}

/// A range over many pages, from both ends.
pub fn a_range_runs_over_many_pages<F: Fixture>() {
    on_every_reader!(F, numbered(4_000), |reader, space, pairs| {
        for (from, to) in [(0, 4_000), (10, 3_990), (1_234, 1_235), (2_000, 2_900)] {
            let keys = &pairs[from].0[..]..=&pairs[to - 1].0[..];
            let range = reader.range(space, keys.clone()).unwrap();
            let found: Vec<Pair> = range.map(|pair| own(pair.unwrap())).collect();
            assert!(found == pairs[from..to], "{from}..{to}");
            let range = reader.range(space, keys).unwrap();
            let mut found: Vec<Pair> = range.rev().map(|pair| own(pair.unwrap())).collect();
            found.reverse();
            assert!(found == pairs[from..to], "{from}..{to} from the back");
        }
    });
}

/// A range over an empty space is empty from both ends.
pub fn a_range_over_nothing_is_empty<F: Fixture>() {
    on_every_reader!(F, vec![], |reader, space, _pairs| {
        for keys in [
            KeyRange::from(..),
            KeyRange::from("a".."b"),
            KeyRange::prefix(b""),
        ] {
            assert!(reader.range(space, keys.clone()).unwrap().next().is_none());
            assert!(reader.range(space, keys).unwrap().next_back().is_none());
        }
    });
}
