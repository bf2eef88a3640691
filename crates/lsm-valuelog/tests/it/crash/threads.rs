//! Crashes while the threads behind the scenes are at work: they come at any moment, so each run is
//! another one, but what was promised must be there in all.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use crash_kit::{CrashDisk, Survivors};
use kv_api::capability::Check;
use kv_api::{Durability, Reader, Space, Transaction};
use lsm_valuelog::{Db, Options};

use super::lying_disk::{Lie, LyingDisk};
use crate::conformance::small;

fn options() -> Options {
    small().read_without_mapping(true).sealed_memtables_max(4)
}

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; if number.is_multiple_of(5) { 300 } else { 60 }]
}

/// Commits one pair after the other, and deletes some that are older. One commit in so many is
/// promised, with all before it.
fn write(db: &Db, every: u32, promised: &AtomicU32, is_over: &AtomicBool) {
    let mut number = 0_u32;
    while !is_over.load(Ordering::Relaxed) {
        let mut tx = db.begin().unwrap();
        let key = number.to_be_bytes();
        tx.put(Space::DEFAULT, &key, &value(number)).unwrap();
        if number >= 100 && number.is_multiple_of(3) {
            let older: u32 = number - 100;
            tx.delete(Space::DEFAULT, &older.to_be_bytes()).unwrap();
        }
        number += 1;
        if number.is_multiple_of(every) {
            tx.commit(Durability::Sync).unwrap();
            promised.store(number, Ordering::Release);
        } else {
            tx.commit(Durability::Buffered).unwrap();
        }
    }
}

fn is_deleted(number: u32, newest: u32) -> bool {
    let by = number + 100;
    by < newest && by.is_multiple_of(3)
}

/// Everything that was promised is there, and what else there is are the commits after it.
fn assert_kept(disk: &CrashDisk, promised: u32) {
    let db = options()
        .background(false)
        .disk(disk.as_dyn())
        .open("/store")
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    let held = |number: u32| snapshot.get(Space::DEFAULT, &number.to_be_bytes()).unwrap();
    // What came while the disk was looked at may be there, too.
    let mut newest = promised;
    while held(newest).is_some() {
        newest += 1;
    }
    for number in 0..newest {
        let expected = (!is_deleted(number, newest)).then(|| value(number));
        assert_eq!(
            held(number).as_deref(),
            expected.as_deref(),
            "{number} of {promised}, {newest}"
        );
    }
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}

fn crash_while_threads_work(every: u32) {
    let mut most_waiting = 0;
    for _ in 0..3 {
        let disk = CrashDisk::new();
        // Tables take their time, so that several memtables wait to be written.
        let slow = Arc::new(LyingDisk::new(disk.as_dyn(), Lie::SlowTables));
        let db = options()
            .background(true)
            .disk(slow)
            .open("/store")
            .unwrap();
        let (promised, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
        let mut crashes = Vec::new();
        std::thread::scope(|scope| {
            let (db, promised, is_over) = (&db, &promised, &is_over);
            scope.spawn(move || write(db, every, promised, is_over));
            for _ in 0..40 {
                std::thread::sleep(std::time::Duration::from_millis(4));
                let before = promised.load(Ordering::Acquire);
                let after = disk.after_crash(Survivors::Synced);
                most_waiting = most_waiting.max(db.metrics().memtables_waiting);
                crashes.push((after, before));
            }
            is_over.store(true, Ordering::Relaxed);
        });
        db.close().unwrap();
        for (disk, promised) in crashes {
            assert_kept(&disk, promised);
        }
    }
    assert!(most_waiting > 1, "{most_waiting} memtables waited at once");
}

#[test]
fn whatever_threads_are_doing_a_crash_loses_nothing() {
    crash_while_threads_work(1);
}

/// What was promised lies in one log, and much before it, which nobody was promised alone, in the
/// log before.
#[test]
fn a_log_is_durable_before_the_next_one_is_begun() {
    crash_while_threads_work(25);
}
