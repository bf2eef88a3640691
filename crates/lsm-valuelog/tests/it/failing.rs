//! Work behind the scenes that fails: nobody waits for it for ever, nothing is lost by it, and it
//! is told.

use std::time::{Duration, Instant};

use crash_kit::{Action, Call, CrashDisk, Fault};
use kv_api::capability::Check;
use kv_api::{Durability, ErrorKind, Reader, Space, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

fn options(disk: &CrashDisk) -> Options {
    small()
        .disk(disk.as_dyn())
        .read_without_mapping(true)
        .background(true)
        .sealed_memtables_max(1)
}

fn put(db: &Db, number: u32) -> kv_api::Result<()> {
    let mut tx = db.begin()?;
    tx.put(Space::DEFAULT, &number.to_be_bytes(), &[7; 90])?;
    tx.commit(Durability::Buffered)
}

/// Tables cannot be made any more; logs can.
fn without_tables(disk: &CrashDisk) -> impl Fn() {
    let disk = disk.clone();
    move || disk.arm(Fault::from(Call::SyncAll, 1, Action::Fail(28)))
}

#[test]
fn a_writer_who_waits_for_flushes_that_keep_failing_is_told_why_and_nothing_is_lost() {
    let disk = CrashDisk::new();
    let db = options(&disk).open("/store").unwrap();
    without_tables(&disk)();
    let began = Instant::now();
    let (mut written, mut refused) = (0, None);
    while refused.is_none() {
        assert!(began.elapsed() < Duration::from_secs(60), "{written}");
        match put(&db, written) {
            Ok(()) => written += 1,
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.unwrap();
    assert_eq!(refused.kind(), ErrorKind::NoSpace, "{refused}");
    assert!(db.metrics().background_failures >= 3);
    // Once there is space again, it goes on as if nothing had been.
    disk.disarm();
    let began = Instant::now();
    while put(&db, written).is_err() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    let snapshot = db.snapshot().unwrap();
    for number in 0..=written {
        let found = snapshot.get(Space::DEFAULT, &number.to_be_bytes()).unwrap();
        assert!(found.is_some(), "{number} of {written}");
    }
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    db.close().unwrap();
}

#[test]
fn a_group_that_is_refused_is_not_there_after_a_crash_though_one_of_its_logs_was_written() {
    let mut refusals = 0;
    for nth in (1..=4).cycle().take(80) {
        let disk = CrashDisk::new();
        let options = || small().disk(disk.as_dyn()).read_without_mapping(true);
        let db = options().open("/store").unwrap();
        // Both logs are there.
        for len in [50, 500] {
            let mut tx = db.begin().unwrap();
            tx.put(Space::DEFAULT, &[0, len as u8], &vec![1; len])
                .unwrap();
            tx.commit(Durability::Sync).unwrap();
        }
        disk.arm(Fault::once(Call::Write, nth, Action::Fail(28)));
        let (sender, ended) = std::sync::mpsc::channel();
        for number in 1..=8_u8 {
            let mut tx = db.begin().unwrap();
            let len = if number % 2 == 0 { 50 } else { 500 };
            tx.put(Space::DEFAULT, &[number], &vec![number; len])
                .unwrap();
            let sender = sender.clone();
            tx.commit_then(Durability::Buffered, move |outcome| {
                sender.send((number, outcome)).unwrap();
            });
        }
        drop(sender);
        let outcomes: Vec<_> = ended.into_iter().collect();
        disk.disarm();
        // The process is killed: nothing more is written.
        drop(db);
        let db = options().open("/store").unwrap();
        let snapshot = db.snapshot().unwrap();
        for (number, outcome) in outcomes {
            let found = snapshot.get(Space::DEFAULT, &[number]).unwrap();
            match outcome {
                Ok(_) => assert!(found.is_some(), "{number} was committed, {nth}"),
                Err(error) if error.kind() == ErrorKind::NoSpace => {
                    refusals += 1;
                    assert!(found.is_none(), "{number} was not committed, {nth}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(refusals > 10, "{refusals}");
}

#[test]
fn a_refused_commit_that_could_not_be_taken_back_is_in_doubt_and_nothing_is_written_after_it() {
    for errno in [5, 28] {
        for len in [50, 500] {
            let disk = CrashDisk::new();
            let options = || small().disk(disk.as_dyn()).read_without_mapping(true);
            let db = options().open("/store").unwrap();
            let commit = |key: u8| {
                let mut tx = db.begin()?;
                tx.put(Space::DEFAULT, &[key], &vec![key; len])?;
                tx.commit(Durability::Buffered)
            };
            // The log is there.
            commit(1).unwrap();
            disk.arm(Fault::from(Call::Write, 1, Action::Fail(errno)));
            let told = commit(2).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::InDoubt, "{errno} {len}: {told}");
            assert!(disk.struck() > 1, "to take it back was tried");
            disk.disarm();
            let told = commit(3).unwrap_err();
            assert_eq!(told.kind(), ErrorKind::Poisoned, "{errno} {len}: {told}");
            drop(db);
            let db = options().open("/store").unwrap();
            let snapshot = db.snapshot().unwrap();
            for (key, is_there) in [(1, true), (3, false)] {
                let found = snapshot.get(Space::DEFAULT, &[key]).unwrap();
                assert_eq!(found.is_some(), is_there, "{errno} {len}: {key}");
            }
        }
    }
}
