//! A flattening folds all additions that nobody reads apart, whatever lay between them before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::{Durability, ErrorKind, Reader, Space, Transaction};
use lsm_valuelog::{Db, Entry, MergeOperator, Options, Sequence};

use crate::conformance::small;

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

fn folding() -> Options {
    small().fold_additions(b"log", joined)
}

fn log_of(db: &Db) -> MergeOperator {
    db.merge_operator(b"log", joined, None).unwrap()
}

fn value(log: &MergeOperator) -> Vec<u8> {
    log.get().unwrap().map_or_else(Vec::new, |sum| sum.to_vec())
}

fn add(db: &Db, bytes: std::ops::Range<u8>) {
    for byte in bytes {
        log_of(db).add_with(&[byte], Durability::Buffered).unwrap();
    }
}

fn entries(db: &Db) -> u64 {
    db.tables().iter().map(|table| table.entries).sum()
}

fn numbers(end: u8) -> Vec<u8> {
    (0..end).collect()
}

#[test]
fn what_was_read_apart_when_it_was_merged_is_folded_once_nobody_does() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    add(&db, 0..5);
    let reader = db.begin().unwrap();
    let snapshot = db.snapshot().unwrap();
    add(&db, 5..200);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(200));
    assert_eq!(entries(&db), 1 + 195, "what the reader is compared with");
    drop(reader);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(200));
    assert_eq!(entries(&db), 1);
    let then = log_of(&db).get_at(&snapshot).unwrap().unwrap();
    assert_eq!(then, numbers(5));
    assert_eq!(log_of(&db).fold().unwrap(), 1);
    assert_eq!(value(&log_of(&db)), numbers(200));
}

#[test]
fn additions_to_a_store_that_had_no_operator_are_folded_once_it_has_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    add(&db, 0..200);
    db.flatten().unwrap();
    drop(db);
    let db = folding().open(&path).unwrap();
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(200));
    assert_eq!(log_of(&db).fold().unwrap(), 1);
}

#[test]
fn history_keeps_additions_apart_up_to_where_it_is_given_up() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().keep_history(true);
    let db = db.open(directory.path().join("store")).unwrap();
    let mut versions = Vec::new();
    for byte in 0..60 {
        add(&db, byte..byte + 1);
        versions.push(db.newest_version());
    }
    let mut left = Vec::new();
    for given_up in [0, 20, 59] {
        db.discard_before(versions[given_up]).unwrap();
        db.flatten().unwrap();
        for (nth, version) in versions.iter().enumerate().skip(given_up) {
            let then = db.snapshot_at(*version).unwrap();
            let then = log_of(&db).get_at(&then).unwrap().unwrap();
            assert_eq!(then, numbers(nth as u8 + 1), "given up to {given_up}");
        }
        left.push(entries(&db));
    }
    assert_eq!(left, [60, 40, 1]);
}

#[test]
fn an_expired_value_is_no_part_of_the_sum_of_what_was_added_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let db = folding()
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)))
        .open(directory.path().join("store"))
        .unwrap();
    let mut tx = db.begin().unwrap();
    let base = Entry::new(b"log", b"base").expires_at(1_100);
    tx.put_entry(Space::DEFAULT, &base).unwrap();
    tx.commit(Durability::Buffered).unwrap();
    add(&db, 0..100);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), [&b"base"[..], &numbers(100)].concat());
    now.store(1_101, Ordering::Relaxed);
    assert_eq!(value(&log_of(&db)), numbers(100));
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(100));
    assert_eq!(log_of(&db).fold().unwrap(), 1);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(100));
    let snapshot = db.snapshot().unwrap();
    let found = snapshot.get(Space::DEFAULT, b"log").unwrap();
    assert_eq!(found.as_deref(), Some(&numbers(100)[..]));
}

#[test]
fn additions_that_no_one_compaction_can_take_are_folded_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = Options::new().background(false).open(&path).unwrap();
    let sum = |old: &[u8], new: &[u8]| {
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        (number(old) + number(new)).to_be_bytes().to_vec()
    };
    let hits = db.merge_operator(b"hits", sum, None).unwrap();
    for number in 0..25_000_u64 {
        hits.add_with(&number.to_be_bytes(), Durability::Deferred)
            .unwrap();
    }
    drop(hits);
    db.close().unwrap();
    let options = Options::new().background(false).table_bytes(100 << 10);
    let db = options.fold_additions(b"hits", sum).open(&path).unwrap();
    db.flatten().unwrap();
    let hits = db.merge_operator(b"hits", sum, None).unwrap();
    let wanted: u64 = (0..25_000).sum();
    assert_eq!(hits.get().unwrap().unwrap(), wanted.to_be_bytes()[..]);
    assert_eq!(hits.fold().unwrap(), 1);
    assert_eq!(hits.get().unwrap().unwrap(), wanted.to_be_bytes()[..]);
    assert!(db.newest_version() > Sequence(25_000));
}

#[test]
fn what_was_folded_by_hand_stays_gone_and_is_not_added_again() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    let reader = db.begin().unwrap();
    add(&db, 0..50);
    assert_eq!(log_of(&db).fold().unwrap(), 50);
    add(&db, 50..100);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(100));
    drop(reader);
    db.flatten().unwrap();
    assert_eq!(value(&log_of(&db)), numbers(100));
    assert_eq!(log_of(&db).fold().unwrap(), 1);
    db.flatten().unwrap();
    let snapshot = db.snapshot().unwrap();
    let found = snapshot.get(Space::DEFAULT, b"log").unwrap();
    assert_eq!(found.as_deref(), Some(&numbers(100)[..]));
    assert_eq!(entries(&db), 1, "the sum alone is left");
}

#[test]
fn copies_of_changes_never_tell_an_addition_twice() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    let other = folding().open(directory.path().join("other")).unwrap();
    let copy = |since| {
        let (snapshot, mut bytes) = (db.snapshot().unwrap(), Vec::new());
        let copied = snapshot.backup_since(since, &mut bytes);
        (snapshot.sequence(), copied.map(|_| bytes))
    };
    add(&db, 0..5);
    let (first, whole) = copy(Sequence(0));
    other.load(&mut whole.unwrap().as_slice()).unwrap();
    add(&db, 5..10);
    let (second, changes) = copy(first);
    other.load(&mut changes.unwrap().as_slice()).unwrap();
    assert_eq!(value(&log_of(&other)), numbers(10));
    add(&db, 10..15);
    db.flatten().unwrap();
    // The sum of all is newer than what was copied, and part of it was.
    let refused = copy(second).1.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    drop(db);
    let db = folding().open(directory.path().join("store")).unwrap();
    let refused = db.snapshot().unwrap().backup_since(second, &mut Vec::new());
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Invalid);
    let mut bytes = Vec::new();
    let folded = db.snapshot().unwrap();
    folded.backup_since(Sequence(0), &mut bytes).unwrap();
    other
        .restore(&mut bytes.as_slice(), &mut |_, _| true)
        .unwrap();
    assert_eq!(value(&log_of(&other)), numbers(15));
    add(&db, 15..20);
    bytes.clear();
    let last = db.snapshot().unwrap();
    last.backup_since(folded.sequence(), &mut bytes).unwrap();
    other.load(&mut bytes.as_slice()).unwrap();
    assert_eq!(value(&log_of(&other)), numbers(20));
}
