//! Deletions that hide nothing: they go, and do not lie in the last level for ever.

use std::time::{Duration, Instant};

use kv_api::{Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options, Sequence};

use crate::conformance::small;

fn tombstones(db: &Db) -> u64 {
    db.tables().iter().map(|table| table.tombstones).sum()
}

fn fill(db: &Db, numbers: std::ops::Range<u32>, bytes: usize) {
    db.update(|tx| {
        let mut numbers = numbers.clone();
        numbers.try_for_each(|n| tx.put(Space::DEFAULT, &n.to_be_bytes(), &vec![1; bytes]))
    })
    .unwrap();
}

fn delete(db: &Db, numbers: std::ops::Range<u32>) {
    let mut tx = db.begin().unwrap();
    for number in numbers {
        tx.delete(Space::DEFAULT, &number.to_be_bytes()).unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
}

#[test]
fn deletions_of_nothing_that_are_committed_straight_to_tables_leave_none_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    fill(&db, 0..100, 50);
    db.flatten().unwrap();
    let before = db.tables();
    delete(&db, 1_000..2_291);
    assert_eq!(tombstones(&db), 0, "{:?}", db.levels());
    assert_eq!(db.tables(), before);
    // It is a commit all the same, and one that was promised.
    let newest = db.newest_version();
    assert_eq!(newest, Sequence(2));
    drop(db);
    assert_eq!(small().open(&path).unwrap().newest_version(), newest);
}

#[test]
fn deletions_that_hide_something_or_are_to_be_told_stay_as_long_as_they_do() {
    let directory = tempfile::tempdir().unwrap();
    for (name, options, kept) in [
        ("one", small(), 0),
        ("all", small().versions_to_keep(usize::MAX), 1_000),
        ("history", small().keep_history(true), 1_000),
    ] {
        let db = options.open(directory.path().join(name)).unwrap();
        delete(&db, 1_000..2_000);
        assert_eq!(tombstones(&db), kept, "{name}");
        fill(&db, 0..1_000, 50);
        let snapshot = db.snapshot().unwrap();
        delete(&db, 0..1_000);
        assert_eq!(
            db.snapshot()
                .unwrap()
                .range(Space::DEFAULT, ..)
                .unwrap()
                .count(),
            0
        );
        assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 1_000);
    }
}

/// With threads of its own, and nothing but the idle store's tidying to bring deletions down.
fn idle() -> Options {
    small()
        .background(true)
        .idle(Duration::from_millis(20))
        .base_level_bytes(64 << 20)
        .level_zero_tables(8, 16, 32)
}

fn wait_for(db: &Db, what: impl Fn(&Db) -> bool) {
    let began = Instant::now();
    while !what(db) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            db.levels()
        );
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn few_bytes_of_deletions_above_a_heavy_level_are_merged_down_when_the_store_is_idle() {
    let directory = tempfile::tempdir().unwrap();
    let options = idle().value_threshold_bytes(10_000);
    let db = options.open(directory.path().join("store")).unwrap();
    // Values so large that the deletions weigh nothing beside them.
    fill(&db, 0..1_000, 2_000);
    db.flatten().unwrap();
    delete(&db, 0..600);
    wait_for(&db, |db| {
        let entries: u64 = db.tables().iter().map(|table| table.entries).sum();
        tombstones(db) == 0 && entries == 400
    });
}

#[test]
fn deletions_that_an_open_transaction_must_see_wait_for_it_and_go_when_it_has_ended() {
    let directory = tempfile::tempdir().unwrap();
    let db = idle().open(directory.path().join("store")).unwrap();
    fill(&db, 0..2_000, 50);
    db.flatten().unwrap();
    let mut open = db.begin().unwrap();
    assert!(
        open.get(Space::DEFAULT, &7_u32.to_be_bytes())
            .unwrap()
            .is_some()
    );
    delete(&db, 0..1_000);
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(tombstones(&db), 1_000);
    open.put(Space::DEFAULT, b"seen", b"").unwrap();
    // What it read is gone, and that is noticed.
    assert!(open.commit(Durability::Sync).is_err());
    wait_for(&db, |db| tombstones(db) == 0);
}

#[test]
fn deletions_in_a_load_of_changes_that_hide_nothing_are_left_out() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str, options: Options| options.open(directory.path().join(name)).unwrap();
    let from = open("from", small().versions_to_keep(usize::MAX));
    let to = open("to", small());
    fill(&from, 0..100, 50);
    let first = from.snapshot().unwrap();
    let mut copy = Vec::new();
    first.backup_since(Sequence(0), &mut copy).unwrap();
    to.load(&mut copy.as_slice()).unwrap();
    // Put and deleted between two copies: the second one tells of deletions only.
    fill(&from, 500..800, 50);
    delete(&from, 500..800);
    let mut changes = Vec::new();
    let second = from.snapshot().unwrap();
    second.backup_since(first.sequence(), &mut changes).unwrap();
    assert!(changes.len() > 300 * 4);
    to.load(&mut changes.as_slice()).unwrap();
    assert_eq!(tombstones(&to), 0, "{:?}", to.tables());
    assert_eq!(
        to.snapshot()
            .unwrap()
            .range(Space::DEFAULT, ..)
            .unwrap()
            .count(),
        100
    );
}
