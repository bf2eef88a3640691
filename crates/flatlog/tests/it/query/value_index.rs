//! The value index by itself, against the naive one.

use std::collections::BTreeMap;

use flatlog::search::{KeyId, SearchIndex, Side, Standing};
use quickcheck::{TestResult, quickcheck};

use super::oracle::words;

const PARTS: [&str; 12] = [
    "a", "ab", "abc", "b", "bca", "ca", "é", "éa", "c", "abcabc", "cab", "bb",
];

fn value(seed: &[u8]) -> Vec<u8> {
    let mut value = String::new();
    for &byte in seed {
        let word = PARTS[byte as usize % PARTS.len()];
        value += [" ", " ", "-", " ,", ""][byte as usize / 16 % 5];
        match byte % 7 {
            0 => value += &word.to_uppercase(),
            _ => value += word,
        }
    }
    value.into_bytes()
}

/// Asks for every part at every side, and compares.
fn check(index: &SearchIndex, model: &BTreeMap<u32, Vec<u8>>) {
    for part in PARTS {
        for side in [Side::Whole, Side::Beginning, Side::End, Side::Inside] {
            let fits = |word: &String| match side {
                Side::Whole => word == part,
                Side::Beginning => word.starts_with(part),
                Side::End => word.ends_with(part),
                Side::Inside => word.contains(part),
            };
            let expected: Vec<u32> = model
                .iter()
                .filter(|(_, value)| words(value).iter().any(fits))
                .map(|(id, _)| *id)
                .collect();
            let found = index.find(part.as_bytes(), side, u64::MAX).unwrap();
            assert_eq!(
                found.ids.iter().collect::<Vec<_>>(),
                expected,
                "{part} {side:?}"
            );
        }
    }
    let mut all: Vec<_> = model.values().flat_map(|value| words(value)).collect();
    all.sort();
    all.dedup();
    assert_eq!(index.tokens(), all.len() as u64);
}

/// Asks how every part stands: who is not in doubt has it so, and who has it so is found.
fn check_standings(index: &SearchIndex, model: &BTreeMap<u32, Vec<u8>>, were_few: bool) {
    for part in PARTS {
        for standing in [Standing::Inside, Standing::BeginningBehindBlank] {
            let text = match standing {
                Standing::Inside => part.to_owned(),
                Standing::BeginningBehindBlank => format!(" {part}"),
            };
            let has = |value: &&Vec<u8>| value.windows(text.len()).any(|w| w == text.as_bytes());
            let true_ids: Vec<u32> = model
                .iter()
                .filter(|(_, value)| has(value))
                .map(|(id, _)| *id)
                .collect();
            let (found, doubts) = index
                .find_standing(part.as_bytes(), standing, u64::MAX)
                .unwrap();
            let missing = true_ids.iter().find(|id| !found.ids.contains(**id));
            assert_eq!(missing, None, "{text:?} {standing:?}");
            let wrong = (&*found.ids - &*doubts)
                .iter()
                .find(|id| !true_ids.contains(id));
            assert_eq!(wrong, None, "{text:?} {standing:?}");
            assert!(doubts.is_subset(&found.ids));
            // Few exceptions are about single values, so that usual ones are not in doubt.
            let odd = doubts.iter().find(|id| {
                let value = String::from_utf8_lossy(&model[id]);
                value == format!(" {}", words(&model[id]).join(" "))
            });
            assert!(odd.is_none() || !were_few, "{text:?} {standing:?}");
        }
    }
}

fn stored(index: &SearchIndex) -> Vec<u8> {
    let mut bytes = Vec::new();
    index.write_to(&mut bytes).unwrap();
    bytes
}

#[test]
fn the_index_follows_puts_overwrites_and_deletes_and_survives_storing() {
    fn follows(changes: Vec<(u8, Vec<u8>)>) -> TestResult {
        let mut index = SearchIndex::new();
        let mut model: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
        for (number, (id, seed)) in changes.iter().enumerate() {
            let (id, at) = (u32::from(*id % 40), number as u64 + 1);
            let new = value(seed);
            match model.get(&id).cloned() {
                None => index.insert(KeyId(id), &new, at),
                Some(old) if seed.len() % 3 > 0 => index.replace(KeyId(id), &old, &new, at),
                Some(old) => {
                    index.remove(KeyId(id), &old, at);
                    model.remove(&id);
                    continue;
                }
            }
            model.insert(id, new);
            if seed.len() == 7 {
                index = SearchIndex::read_from(&stored(&index)).unwrap();
            }
        }
        check_standings(&index, &model, true);
        let again = SearchIndex::read_from(&stored(&index)).unwrap();
        check_standings(&again, &model, true);
        check(&index, &model);
        check(&SearchIndex::read_from(&stored(&index)).unwrap(), &model);
        TestResult::passed()
    }
    quickcheck(follows as fn(Vec<(u8, Vec<u8>)>) -> TestResult);
}

#[test]
fn lists_of_all_sizes_lose_and_gain_ids_in_any_order() {
    let index = SearchIndex::new();
    let mut model = BTreeMap::new();
    let order: Vec<u32> = (0..4001u32).map(|number| number * 1237 % 4001).collect();
    for (number, &id) in order.iter().enumerate() {
        index.insert(KeyId(id), b"ab", 1);
        model.insert(id, b"ab".to_vec());
        if [2, 3, 4, 127, 128, 129, 4000].contains(&number) {
            check(&index, &model);
        }
    }
    for (number, &id) in order.iter().rev().enumerate() {
        index.remove(KeyId(id), b"ab", 2);
        model.remove(&id);
        if [3900, 3937, 3938, 3990, 3997, 3998, 3999, 4000].contains(&number) {
            check(&index, &model);
        }
    }
}

#[test]
fn exceptions_of_all_numbers_come_and_go() {
    for odd_of_ten in [1, 5, 9, 10] {
        let index = SearchIndex::new();
        let mut model = BTreeMap::new();
        let text = |id: u32, round: u32| match (id * 7 + round) % 10 < odd_of_ten {
            true if id.is_multiple_of(2) => " ABC bb".to_owned(),
            true => "abc bb".to_owned(),
            false => " abc bb".to_owned(),
        };
        for id in 0..700 {
            index.insert(KeyId(id), text(id, 0).as_bytes(), 1);
            model.insert(id, text(id, 0).into_bytes());
            if id % 100 == 50 {
                check_standings(&index, &model, id < 256);
            }
        }
        for id in (0..700).rev() {
            let (old, new) = (text(id, 0), text(id, id % 4));
            index.replace(KeyId(id), old.as_bytes(), new.as_bytes(), 2);
            model.insert(id, new.into_bytes());
        }
        check_standings(&index, &model, false);
        for id in 0..690 {
            index.remove(KeyId(id), &model.remove(&id).unwrap(), 3);
            if id % 100 == 50 {
                check_standings(&index, &model, false);
            }
        }
        let again = SearchIndex::read_from(&stored(&index)).unwrap();
        check_standings(&again, &model, false);
        for id in 690..700 {
            index.remove(KeyId(id), &model.remove(&id).unwrap(), 3);
        }
        assert_eq!(index.memory_bytes().standings, 0);
    }
}

#[test]
fn tokens_that_no_value_has_are_forgotten() {
    let index = SearchIndex::new();
    let text = |number: u32| format!("w{number} common");
    for number in 0..20_000 {
        index.insert(KeyId(number), text(number).as_bytes(), 1);
    }
    let full = index.memory_bytes();
    assert_eq!(index.tokens(), 20_001);
    for number in 0..19_000 {
        index.remove(KeyId(number), text(number).as_bytes(), 2);
    }
    assert_eq!(index.tokens(), 1_001);
    let left = index.memory_bytes();
    assert!(
        left.dictionary * 4 < full.dictionary,
        "{left:?} of {full:?}"
    );
    let found = index.find(b"w19", Side::Beginning, u64::MAX).unwrap();
    assert_eq!(found.ids.len(), 1_000);
    assert_eq!(
        index
            .find(b"w19500", Side::Whole, 1)
            .unwrap()
            .ids
            .iter()
            .next(),
        Some(19_500)
    );
    assert_eq!(
        index.find(b"9501", Side::End, 1).unwrap().ids.iter().next(),
        Some(19_501)
    );
    assert!(
        index.find(b"w1", Side::Beginning, 999).is_none(),
        "more ids than asked for"
    );
    assert!(index.find(b"1", Side::Inside, 999).is_none());
}

#[test]
fn newer_tokens_are_found_beside_sorted_ones() {
    let index = SearchIndex::new();
    for number in 0..3000u32 {
        index.insert(
            KeyId(number),
            format!("t{}", number * 7919 % 3000).as_bytes(),
            1,
        );
        if number % 97 == 0 {
            let found = index.find(b"t", Side::Beginning, u64::MAX).unwrap();
            assert_eq!(found.tokens, u64::from(number) + 1);
            assert_eq!(found.ids.len(), u64::from(number) + 1);
        }
    }
}

#[test]
fn changed_ids_are_told_for_each_commit_index() {
    let index = SearchIndex::new();
    for id in 0..5000 {
        index.insert(KeyId(id), b"a", 10);
    }
    index.replace(KeyId(4500), b"a", b"b", 11);
    index.remove(KeyId(3), b"a", 12);
    let after = |at| index.changed_after(at).iter().collect::<Vec<_>>();
    assert_eq!(after(9).len(), 5000);
    assert_eq!(after(10), [3, 4500]);
    assert_eq!(after(11), [3]);
    assert_eq!(after(12), []);
}

#[test]
fn a_damaged_index_is_refused_wherever_a_bit_flips_and_wherever_it_ends() {
    let index = SearchIndex::new();
    for id in 0..50 {
        index.insert(KeyId(id), &value(&[id as u8, 3, 5]), 1);
    }
    let good = stored(&index);
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(SearchIndex::read_from(&bytes).is_err(), "bit {bit}");
    }
    for len in 0..good.len() {
        assert!(SearchIndex::read_from(&good[..len]).is_err(), "{len} bytes");
    }
}

#[test]
fn a_hostile_index_with_a_true_checksum_is_refused_without_great_allocations() {
    let sealed = |body: &[u8]| {
        // Ids below 9.
        let mut bytes = b"flatidx\x02\x09\0\0\0".to_vec();
        bytes.extend_from_slice(body);
        let sum = crc32(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        let read = SearchIndex::read_from(&bytes).map(|index| index.tokens());
        read.map_err(|damage| damage.what)
    };
    let most = [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1];
    let cases: [(&str, Vec<u8>); 16] = [
        ("a list too short for its keys", vec![1, b'a', 2, 1, 8, 0]),
        ("a list of another length", vec![1, b'a', 1, 2, 8, 0, 0]),
        (
            "a list too short for its keys",
            [&[1, b'a'][..], &most, &[1, 8]].concat(),
        ),
        ("an end too early", vec![]),
        ("an end too early", vec![100, b'a', 1, 1, 8, 0]),
        ("an end too early", [&most[..], b"a"].concat()),
        (
            "an end too early",
            [&[1, b'a', 3][..], &most, &[1]].concat(),
        ),
        ("an id above the largest", vec![1, b'a', 1, 1, 9, 0]),
        (
            "an id above the largest",
            [&[1, b'a', 2, 11, 8][..], &most, &[0]].concat(),
        ),
        ("a token without keys", vec![1, b'a', 0, 0, 0]),
        (
            "a token out of order",
            vec![1, b'b', 1, 1, 1, 0, 0, 1, b'a', 1, 1, 1, 0, 0, 0],
        ),
        ("a token that is not UTF-8", vec![1, 0xF8, 1, 1, 1, 0, 0, 0]),
        ("bytes behind the last token", vec![0, 0]),
        (
            "exceptions of an unknown kind",
            vec![1, b'a', 1, 1, 8, 3, 0],
        ),
        (
            "an id above the largest",
            vec![1, b'a', 1, 1, 8, 2, 1, 1, 9, 0, 0],
        ),
        ("an end too early", vec![1, b'a', 1, 1, 8, 0, 2, 1, 5]),
    ];
    for (what, body) in cases {
        assert_eq!(sealed(&body), Err(what), "{body:?}");
    }
    assert_eq!(sealed(&[1, b'a', 1, 1, 8, 0, 0, 0]), Ok(1));
    assert_eq!(sealed(&[1, b'a', 1, 1, 8, 1, 2, 1, 1, 8, 0]), Ok(1));
}

fn crc32(bytes: &[u8]) -> u32 {
    bytes.iter().fold(!0u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            (sum >> 1) ^ (0xEDB8_8320 & (sum & 1).wrapping_neg())
        })
    }) ^ !0
}
