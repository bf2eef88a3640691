//! What the list promises, raced and interpreted (`scripts/miri`).

use std::sync::atomic::AtomicU64;

use super::*;
use crate::entry::{Extra, Kind};

/// Versions that the racing writer makes; few where each step is interpreted.
const LAST: u64 = if cfg!(miri) { 60 } else { 3_000 };

fn entry(key: &[u8], sequence: u64) -> Entry<'_> {
    Entry {
        key,
        sequence: Sequence(sequence),
        kind: Kind::Put,
        extra: Extra::default(),
        value: key,
    }
}

fn list() -> Skiplist {
    let Some(list) = Skiplist::new(if cfg!(miri) { 1 << 15 } else { 1 << 20 }) else {
        unreachable!("a mebibyte is there")
    };
    list
}

#[test]
fn a_reader_never_meets_a_version_newer_than_it_asked_for() {
    let (list, newest) = (list(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sequence in 1..=LAST {
                assert!(list.insert_all([entry(b"key", sequence)]));
                newest.store(sequence, Ordering::Release);
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let at = newest.load(Ordering::Acquire);
                    let found = list.seek(b"key", Sequence(at));
                    let found = found.map_or(0, |node| node.entry().sequence.0);
                    assert_eq!(found, at);
                    if at == LAST {
                        break;
                    }
                }
            });
        }
    });
}

#[test]
fn all_versions_of_a_key_are_passed_by_at_once() {
    let list = list();
    for sequence in 1..=50 {
        assert!(list.insert_all([entry(b"a", sequence), entry(b"b", sequence)]));
    }
    assert!(list.insert_all([entry(b"c", 51)]));
    for at in [50, 25, 1] {
        let node = list.seek(b"a", Sequence(at)).and_then(NodeRef::next_key);
        assert_eq!(node.map(|node| node.entry().key), Some(&b"b"[..]));
        let node = node.and_then(NodeRef::next_key);
        assert_eq!(node.map(|node| node.entry().sequence), Some(Sequence(51)));
        assert!(node.and_then(NodeRef::next_key).is_none());
    }
    // An older version that comes later is met behind the jump and not lost.
    let list = self::list();
    assert!(list.insert_all([entry(b"a", 9)]) && list.insert_all([entry(b"a", 3)]));
    let node = list.seek(b"a", Sequence(9)).and_then(NodeRef::next_key);
    assert_eq!(node.map(|node| node.entry().sequence), Some(Sequence(3)));
}

#[test]
fn batches_come_back_in_order_both_ways() {
    const BATCH: u64 = if cfg!(miri) { 10 } else { 100 };
    let list = list();
    let key = |number: u64| (number * 7919 % (10 * BATCH)).to_be_bytes();
    for batch in 0..10 {
        let mut keys: Vec<[u8; 8]> = (batch * BATCH..(batch + 1) * BATCH).map(key).collect();
        keys.sort_unstable();
        let entries = keys.iter().map(|key| entry(key, batch + 1));
        assert!(list.insert_all(entries));
    }
    let (mut node, mut count) = (list.first(), 0_u64);
    let mut last = None;
    while let Some(here) = node {
        assert_eq!(here.entry().key, count.to_be_bytes());
        count += 1;
        last = node;
        node = here.next();
    }
    assert_eq!(count, 10 * BATCH);
    while let Some(here) = last {
        count -= 1;
        assert_eq!(here.entry().key, count.to_be_bytes());
        last = here.prev();
    }
    assert_eq!(count, 0);
    let full = (0..100_000_u64)
        .map(u64::to_be_bytes)
        .find(|key| !list.insert_all([entry(key, 99)]));
    assert!(full.is_some(), "a full list refuses");
}

#[test]
#[cfg_attr(miri, ignore = "long, and the others write as it does")]
fn records_in_a_row_take_no_more_than_they_may() {
    let list = list();
    let (mut used, mut allowed) = (vec![list.used_bytes()], vec![0]);
    for number in 0..5_000_u64 {
        let whole = number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        let bytes = 1 + to_usize(number % 8);
        let key = whole.get(..bytes).unwrap_or_default();
        assert!(list.insert_all([entry(key, number)]));
        used.push(list.used_bytes());
        let before = allowed.last().copied().unwrap_or_default();
        allowed.push(before + record_bytes_max(bytes, bytes));
    }
    for row in [1, 2, 7, 100, 5_000] {
        let taken = used.iter().zip(used.iter().skip(row));
        let may = allowed.iter().zip(allowed.iter().skip(row));
        for ((from, to), (least, most)) in taken.zip(may) {
            assert!(to - from <= most - least + RECORDS_EXTRA_BYTES, "{row}");
        }
    }
    let each = used.iter().zip(used.iter().skip(1));
    let worst = each.map(|(from, to)| to - from).max().unwrap_or(0);
    assert!(worst > record_bytes_max(8, 8), "tall towers are there");
}
