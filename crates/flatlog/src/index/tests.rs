//! The index against a sorted map.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{KeyId, SegmentId};
use crate::index::{Among, Edit, Item, Observer, SpaceIndex, Walk};
use crate::place::Place;
use crate::search::IdBits;

/// Counts what it sees.
#[derive(Default)]
struct Seen {
    added: u64,
    removed: u64,
}

impl Observer for Seen {
    fn put(&mut self, _key: &[u8], old: Option<&Item>, _new: &Item) -> KeyId {
        self.added += u64::from(old.is_none());
        old.map_or(KeyId(7), |old| old.key_id)
    }

    fn delete(&mut self, _key: &[u8], old: Option<&Item>) {
        self.removed += u64::from(old.is_some());
    }
}

fn item(number: u32) -> Item {
    Item {
        place: Place::new(SegmentId(1), number, 5, 20),
        commit_index: u64::from(number),
        key_id: KeyId(0),
    }
}

fn key(number: u64) -> Vec<u8> {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    format!("user:0000{mixed:09}").into_bytes()
}

fn agrees(index: &SpaceIndex, model: &BTreeMap<Vec<u8>, u32>) {
    assert_eq!(index.len(), model.len() as u64);
    let mut walk = Walk::new(Some(index));
    let mut entry = walk.first();
    for (key, number) in model {
        let (found, item) = entry.unwrap_or((b"", item(0)));
        assert_eq!((found, item.place.offset), (key.as_slice(), *number));
        assert_eq!(index.get(key).map(|item| item.place.offset), Some(*number));
        entry = walk.next();
    }
    assert!(entry.is_none());
    let mut back = Walk::new(Some(index));
    let mut entry = back.last();
    for key in model.keys().rev() {
        assert_eq!(entry.map(|(found, _)| found), Some(key.as_slice()));
        entry = back.prev();
    }
    assert!(entry.is_none());
}

#[test]
fn batches_of_every_size_do_what_a_sorted_map_does() {
    let (mut index, mut model, mut seen) = <(SpaceIndex, BTreeMap<_, _>, Seen)>::default();
    let mut snapshots = Vec::new();
    let mut number = 0;
    for (round, size) in [1_u64, 3, 4000, 1, 30_000, 700, 2, 20_000, 5, 60_000, 1, 1]
        .into_iter()
        .enumerate()
    {
        let mut batch = BTreeMap::new();
        for _ in 0..size {
            number += 1;
            let deletes = number % 3 == 0 || round == 9;
            batch.insert(key(number.into()), (!deletes).then_some(number));
            if round == 9 {
                batch.insert(key(u64::from(number) % 50_000), None);
            }
        }
        let edits: Vec<Edit<'_>> = batch
            .iter()
            .map(|(key, put)| match put {
                Some(number) => Edit::put(key, item(*number)),
                None => Edit::delete(key),
            })
            .collect();
        index.apply(&edits, &mut seen);
        for (key, put) in &batch {
            match put {
                Some(number) => model.insert(key.clone(), *number),
                None => model.remove(key),
            };
        }
        agrees(&index, &model);
        snapshots.push((index.clone(), model.clone()));
    }
    for (index, model) in &snapshots {
        agrees(index, model);
    }
    assert_eq!(seen.added - seen.removed, model.len() as u64);
}

#[test]
fn single_inserts_and_deletes_do_what_a_sorted_map_does() {
    let (mut index, mut model, mut seen) = <(SpaceIndex, BTreeMap<_, _>, Seen)>::default();
    for number in 0..20_000_u32 {
        let key = key(u64::from(number) % 9_000);
        if number > 9_000 && number % 9 != 0 {
            index.apply(&[Edit::delete(&key)], &mut seen);
            model.remove(&key);
        } else {
            index.apply(&[Edit::put(&key, item(number))], &mut seen);
            model.insert(key, number);
        }
        if number % 2_500 == 0 {
            agrees(&index, &model);
        }
    }
    agrees(&index, &model);
}

#[test]
fn seeks_stop_where_a_sorted_map_would() {
    let (mut index, mut model, mut seen) = <(SpaceIndex, BTreeMap<_, _>, Seen)>::default();
    for number in 0..3_000 {
        let key = key(number);
        index.apply(&[Edit::put(&key, item(1))], &mut seen);
        model.insert(key, 1);
    }
    let found = |entry: Option<(&[u8], Item)>| entry.map(|(key, _)| key.to_vec());
    for number in 0..6_000 {
        let key = key(number);
        let mut walk = Walk::new(Some(&index));
        let after = model
            .range(key.clone()..)
            .next()
            .map(|(key, _)| key.clone());
        let before = model.range(..=key.clone()).next_back();
        assert_eq!(found(walk.seek(&key)), after);
        let behind = after.is_none().then(|| model.keys().next_back().cloned());
        if let Some(last) = behind {
            assert_eq!(found(walk.prev()), last);
        }
        let before = before.map(|(key, _)| key.clone());
        assert_eq!(found(walk.seek_for_prev(&key)), before);
    }
}

/// Walks over everything; every place but the first few of a chunk is told before it is come to.
fn told_ahead(index: &SpaceIndex, forward: bool) -> usize {
    let mut walk = Walk::new(Some(index));
    let (mut told, mut visited, mut early) = (BTreeMap::new(), 0, 0);
    let mut entry = if forward { walk.first() } else { walk.last() };
    while let Some((_, item)) = entry {
        visited += 1;
        early += usize::from(told.contains_key(&item.place.offset));
        let places = if forward { walk.ahead() } else { walk.behind() };
        for place in places {
            *told.entry(place.offset).or_insert(0) += 1;
        }
        entry = if forward { walk.next() } else { walk.prev() };
    }
    assert_eq!(visited as u64, index.len());
    assert!(told.values().all(|times| *times == 1), "told twice");
    early
}

#[test]
fn a_walk_tells_each_place_once_and_before_it_comes_there() {
    let (mut index, mut seen) = (SpaceIndex::default(), Seen::default());
    let mut keys: Vec<_> = (0..5_000).map(|number| (key(number), number)).collect();
    keys.sort();
    keys.dedup_by(|left, right| left.0 == right.0);
    let edits: Vec<_> = keys
        .iter()
        .map(|(key, number)| Edit::put(key, item(u32::try_from(*number).unwrap_or(0))))
        .collect();
    index.apply(&edits, &mut seen);
    // Only the first of a chunk is come to before it is told.
    let chunks = usize::try_from(index.footprint().chunks).unwrap_or(0);
    for forward in [true, false] {
        let early = told_ahead(&index, forward);
        assert!(early + chunks >= edits.len(), "{early} of {}", edits.len());
    }
}

#[test]
fn keys_without_ids_leave_their_neighbours_the_ids_they_have() {
    let mut space = SpaceIndex::default();
    let numbers = |from: u32, step: usize| (from..3000).step_by(step).map(|n| n.to_be_bytes());
    let (with, without): (Vec<_>, Vec<_>) = (numbers(0, 2).collect(), numbers(1, 2).collect());
    let put = |keys: &[[u8; 4]], space: &mut SpaceIndex, observer: &mut dyn Observer| {
        let edits: Vec<_> = keys.iter().map(|key| Edit::put(key, item(1))).collect();
        space.apply(&edits, observer);
    };
    put(&with, &mut space, &mut GivesIds);
    for few in without.chunks(700) {
        put(few, &mut space, &mut NoIds);
    }
    for key in without.iter().take(40) {
        space.apply(&[Edit::delete(key)], &mut NoIds);
        space.apply(&[Edit::put(key, item(1))], &mut NoIds);
    }
    let id = |key: &[u8; 4]| space.get(key).map(|item| item.key_id);
    assert!(with.iter().all(|key| id(key) == Some(id_of(key))));
    assert!(without.iter().all(|key| id(key) == Some(KeyId(0))));
}

fn id_of(key: &[u8]) -> KeyId {
    KeyId(1 + key.iter().fold(0, |id, byte| id << 8 | u32::from(*byte)))
}

struct GivesIds;

impl Observer for GivesIds {
    fn put(&mut self, key: &[u8], _old: Option<&Item>, _new: &Item) -> KeyId {
        id_of(key)
    }

    fn delete(&mut self, _key: &[u8], _old: Option<&Item>) {}
}

struct NoIds;

impl Observer for NoIds {
    fn put(&mut self, _key: &[u8], _old: Option<&Item>, _new: &Item) -> KeyId {
        KeyId(0)
    }

    fn delete(&mut self, _key: &[u8], _old: Option<&Item>) {}
}

#[test]
fn keys_with_some_ids_are_walked_both_ways_in_any_span() {
    let mut index = SpaceIndex::default();
    let keys: Vec<[u8; 4]> = (0..5000_u32).map(u32::to_be_bytes).collect();
    let edits: Vec<_> = keys.iter().map(|key| Edit::put(key, item(1))).collect();
    index.apply(&edits, &mut GivesIds);
    // Some chunks lose their ends, some keys in the middle, some get keys without an id.
    for (number, key) in keys.iter().enumerate() {
        if number < 700 || (number % 3 == 0 && (1000..1800).contains(&number)) || number > 4900 {
            index.apply(&[Edit::delete(key)], &mut GivesIds);
        }
        if number % 6 == 0 && (1000..1400).contains(&number) {
            index.apply(&[Edit::put(key, item(1))], &mut NoIds);
        }
    }
    let mut visited = 0;
    for (round, step) in [1_u32, 2, 3, 64, 65, 700, 4999, 1].into_iter().enumerate() {
        let bitmap: roaring::RoaringBitmap = (1..5200).step_by(step as usize).collect();
        let ids = Arc::new(IdBits::of(&bitmap));
        for span in 0..40_usize {
            let start = keys.get(span * 127 % 5000).copied().unwrap_or_default();
            let end = keys.get(span * 127 % 5000 + span * round * 20);
            let end = end.map(|key| key.as_slice());
            let mut walk = Walk::new(Some(&index));
            let mut expected = Vec::new();
            let mut entry = walk.seek(&start);
            while let Some((key, item)) = entry.filter(|(key, _)| end.is_none_or(|end| *key < end))
            {
                if bitmap.contains(item.key_id.0) {
                    expected.push((key.to_vec(), item));
                }
                entry = walk.next();
                if entry.is_some_and(|(next, _)| next == key) {
                    break;
                }
            }
            let mut walked = |backward| {
                let mut walk = Among::new(&index, Arc::clone(&ids), (&start, end), backward);
                let mut found = Vec::new();
                while let Some(entry) = walk.next() {
                    assert_eq!(entry.key_id(), entry.item().key_id);
                    found.push((entry.key().to_vec(), entry.item()));
                }
                assert!(walk.next().is_none());
                visited += found.len();
                found
            };
            assert!(
                walked(false) == expected,
                "{start:?} to {end:?}, each {step}"
            );
            expected.reverse();
            assert!(
                walked(true) == expected,
                "{start:?} to {end:?}, each {step}"
            );
        }
    }
    assert!(visited > 100_000, "{visited}");
}
