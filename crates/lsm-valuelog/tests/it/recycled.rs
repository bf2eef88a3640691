//! Logs that are written again.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::put;
use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::{Durability, Reader, Space, Transaction};
use lsm_valuelog::{Db, Options};

const READ: disk::OpenOptions = disk::OpenOptions::READ;

fn options() -> Options {
    Options::new().background(false).memtable_bytes(2 << 20)
}

fn logs(path: &Path) -> BTreeSet<String> {
    let names = std::fs::read_dir(path).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".wal")).collect()
}

/// A store whose current log was another one's before, which held many commits.
fn recycled(path: &Path) -> (Db, String) {
    let db = options().open(path).unwrap();
    for number in 0..200_u32 {
        put(&db, &number.to_be_bytes(), &[7; 300], Durability::Sync);
    }
    let first = logs(path);
    db.flush().unwrap();
    put(&db, b"new life", b"one", Durability::Sync);
    let second = logs(path);
    assert_eq!((first.len(), second.len()), (1, 1));
    assert!(first.is_disjoint(&second), "the log has another name now");
    let log = second.into_iter().next().unwrap();
    let bytes = std::fs::read(path.join(&log)).unwrap();
    let left = bytes.windows(300).filter(|window| **window == [7; 300]);
    assert!(left.count() > 100, "and still holds what it held");
    (db, log)
}

fn reopened(path: &Path) -> Db {
    let db = options().open(path).unwrap();
    let snapshot = db.snapshot().unwrap();
    let found = snapshot.get(Space::DEFAULT, b"new life").unwrap();
    assert_eq!(found.as_deref(), Some(&b"one"[..]));
    assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 201);
    drop(snapshot);
    db
}

#[test]
fn what_an_earlier_life_of_a_log_left_is_not_taken_for_a_torn_commit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (db, _) = recycled(&path);
    drop(db);
    let db = reopened(&path);
    let recovery = db.recovery().clone();
    assert_eq!((recovery.commits, recovery.torn_bytes), (1, 0));
    assert_eq!(recovery.kept_aside, Vec::<String>::new());
}

#[test]
fn a_torn_commit_before_what_an_earlier_life_left_is_told_and_no_more_than_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let (db, log) = recycled(&path);
    put(&db, b"last", &[9; 100], Durability::Buffered);
    drop(db);
    let file = path.join(&log);
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes
        .windows(100)
        .position(|window| *window == [9; 100])
        .unwrap();
    bytes[at + 50] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let db = reopened(&path);
    let recovery = db.recovery().clone();
    assert_eq!(recovery.commits, 1);
    assert!((100..300).contains(&recovery.torn_bytes), "{recovery:?}");
    assert_eq!(recovery.kept_aside, [format!("{log}.torn")]);
    let kept = std::fs::read(path.join(format!("{log}.torn"))).unwrap();
    assert!(kept.windows(49).any(|window| *window == [9; 49]));
}

#[test]
fn commits_of_an_earlier_life_are_not_read_where_the_new_one_has_none_yet() {
    let disk = CrashDisk::new();
    let sealed = |disk: &CrashDisk| {
        let options = options().disk(disk.as_dyn()).encryption_key(&[3; 32]);
        options.read_without_mapping(true).open("store").unwrap()
    };
    let db = sealed(&disk);
    for number in 0..200_u32 {
        put(&db, &number.to_be_bytes(), &[7; 300], Durability::Sync);
    }
    db.flush().unwrap();
    // The log has its new name and header, and then nothing can be written any more.
    disk.arm(Fault::from(Call::Write, 2, Action::Fail(5)));
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, b"new life", b"one").unwrap();
    assert!(tx.commit(Durability::Sync).is_err());
    assert!(disk.struck() > 0);
    disk.disarm();
    drop(db);
    let logs = disk.as_dyn().list(Path::new("store")).unwrap();
    let logs = logs.into_iter().filter(|name| {
        let file = disk.as_dyn().open(&Path::new("store").join(name), &READ);
        name.to_string_lossy().ends_with(".wal") && file.unwrap().len().unwrap() > 200 * 300
    });
    assert_eq!(logs.count(), 1, "it holds what it held");
    for survivors in [Survivors::Everything, Survivors::Synced] {
        let db = sealed(&disk.after_crash(survivors));
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 200);
        assert_eq!(db.recovery().commits, 0);
    }
}
