//! Queries and checkpoints while a writer goes on.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use flatlog::query::Limits;
use flatlog::{Db, Options, Snapshot};
use kv_api::Durability;

use super::differential::Chance;
use super::memory::ask;

const QUERIES: [&str; 6] = [
    "value like 'error'",
    "value like '*ritica*'",
    "not value like 'disk' and value like 'a*'",
    "value like 'error' or value like 'critical' order by CommitIndex desc limit 20",
    "value like 'disk' and not value like '*error*'",
    "key > 'key:3' and value like '*x1*'",
];

fn open(directory: &tempfile::TempDir) -> Db {
    let options = Options::new().value_index(true).background(false).segment_bytes(1 << 20);
    options.open(directory.path().join("db")).unwrap()
}

/// With the index each query gives what it gives without.
fn agrees(snapshot: &Snapshot) -> usize {
    let with = Limits {
        index_rows_min: 0,
        lookup_cost: 0,
        ..Limits::default()
    };
    let without = Limits {
        index_rows_min: u64::MAX,
        ..Limits::default()
    };
    let rows = QUERIES.iter().map(|text| {
        let (rows, _) = ask(snapshot, text, &with);
        assert_eq!(rows, ask(snapshot, text, &without).0, "{text}");
        rows.len()
    });
    rows.sum()
}

/// Puts, overwrites and deletes among a few hundred keys, as often as it can and with care for
/// the readers.
fn write(db: &Db, chance: &mut Chance) {
    let mut tx = db.begin().unwrap();
    for _ in 0..1 + chance.below(5) {
        let key = format!("key:{}", chance.below(400));
        if chance.below(3) == 0 {
            tx.delete(&key).unwrap();
        } else {
            tx.put(&key, chance.value()).unwrap();
        }
    }
    tx.commit_with(Durability::Deferred).unwrap();
    // Readers are to meet many commits, not to starve.
    thread::sleep(Duration::from_micros(20));
}

#[test]
fn snapshots_answer_for_their_own_commit_while_the_writer_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let db = open(&directory);
    let done = AtomicBool::new(false);
    let mut chance = Chance::fresh();
    for _ in 0..300 {
        write(&db, &mut chance);
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                write(&db, &mut chance);
            }
        });
        let mut rows = 0;
        let mut alive = Vec::new();
        for round in 0..60 {
            let snapshot = db.snapshot().unwrap();
            rows += agrees(&snapshot);
            alive.push(snapshot);
            if round % 15 == 14 {
                rows += alive.iter().map(agrees).sum::<usize>();
                alive.truncate(3);
            }
        }
        done.store(true, Ordering::Relaxed);
        assert!(rows > 1000, "{rows} rows");
    });
}

#[test]
fn a_checkpoint_taken_while_the_writer_goes_on_holds_an_index_that_is_right() {
    let mut rows = 0;
    for _ in 0..15 {
        let directory = tempfile::tempdir().unwrap();
        let db = open(&directory);
        let mut chance = Chance::fresh();
        for _ in 0..300 {
            write(&db, &mut chance);
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    write(&db, &mut chance);
                }
            });
            for _ in 0..5 {
                db.checkpoint().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        db.close().unwrap();
        drop(db);
        let db = open(&directory);
        rows += agrees(&db.snapshot().unwrap());
        let mut chance = Chance::fresh();
        for _ in 0..100 {
            write(&db, &mut chance);
        }
        rows += agrees(&db.snapshot().unwrap());
    }
    assert!(rows > 500, "{rows} rows");
}
