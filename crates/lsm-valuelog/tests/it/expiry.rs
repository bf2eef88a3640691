//! Values with a time to live, and what is kept beside values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use kv_api::{Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, Options};

use crate::conformance::small;

fn store(path: &std::path::Path, now: &Arc<AtomicU64>) -> Db {
    let now = Arc::clone(now);
    Options::new()
        .background(false)
        .clock(Arc::new(move || now.load(Ordering::Relaxed)))
        .open(path)
        .unwrap()
}

fn keys(db: &Db) -> Vec<Vec<u8>> {
    let snapshot = db.snapshot().unwrap();
    let range = snapshot.range(Space::DEFAULT, ..).unwrap();
    range.map(|pair| pair.unwrap().0.to_vec()).collect()
}

#[test]
fn a_value_is_gone_once_its_time_has_passed_and_stays_gone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let now = Arc::new(AtomicU64::new(1_000));
    let db = store(&path, &now);
    db.update(|tx| {
        tx.put(Space::DEFAULT, b"a", b"old")?;
        tx.put(Space::DEFAULT, b"b", b"stays")
    })
    .unwrap();
    db.flush().unwrap();
    let entry = Entry::new(b"a", b"short-lived").time_to_live(Duration::from_secs(10));
    db.update(|tx| tx.put_entry(Space::DEFAULT, &entry))
        .unwrap();
    let during = db.snapshot().unwrap();
    assert_eq!(keys(&db), [b"a", b"b"]);
    now.store(1_011, Ordering::Relaxed);
    assert_eq!(keys(&db), [b"b"], "the version below it does not come back");
    assert!(
        during.get(Space::DEFAULT, b"a").unwrap().is_some(),
        "a reader's time stands still"
    );
    db.flush().unwrap();
    assert_eq!(keys(&db), [b"b"]);
    db.flatten().unwrap();
    assert_eq!(keys(&db), [b"b"]);
    assert_eq!(
        db.tables().iter().map(|table| table.entries).sum::<u64>(),
        1
    );
    db.close().unwrap();
    drop((db, during));
    assert_eq!(keys(&store(&path, &now)), [b"b"]);
}

#[test]
fn expiry_meta_and_version_come_back_from_memory_log_and_table() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let now = Arc::new(AtomicU64::new(1_000));
    let db = store(&path, &now);
    let large = vec![3; 5_000];
    for value in [&b"small"[..], &large] {
        let mut tx = db.begin().unwrap();
        let entry = Entry::new(value, value).expires_at(2_000).user_meta(9);
        tx.put_entry(Space::DEFAULT, &entry).unwrap();
        tx.commit(Durability::Sync).unwrap();
    }
    let check = |db: &Db| {
        let snapshot = db.snapshot().unwrap();
        for (version, value) in (1..).zip([&b"small"[..], &large]) {
            let item = snapshot.get_item(Space::DEFAULT, value).unwrap().unwrap();
            assert_eq!(&*item.value().unwrap(), value);
            assert_eq!(
                (item.user_meta(), item.expires_at(), item.version().0),
                (9, 2_000, version)
            );
        }
    };
    check(&db);
    drop(db);
    let db = store(&path, &now);
    assert_eq!(db.recovery().commits, 2);
    check(&db);
    db.flatten().unwrap();
    check(&db);
}

#[test]
fn what_has_expired_gives_its_space_back_though_nobody_writes_or_asks() {
    let directory = tempfile::tempdir().unwrap();
    let now = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&now);
    let options = small()
        .background(true)
        .idle(Duration::from_millis(20))
        .clock(Arc::new(move || clock.load(Ordering::Relaxed)));
    let db = options.open(directory.path().join("store")).unwrap();
    db.update(|tx| {
        (0..50_u8).try_for_each(|key| {
            let value = [key; 500];
            let entry = Entry::new(std::slice::from_ref(&key), &value).expires_at(2_000);
            tx.put_entry(Space::DEFAULT, &entry)
        })
    })
    .unwrap();
    db.flatten().unwrap();
    // By now everything that can be tidied up was.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(keys(&db).len(), 50);
    now.store(2_000, Ordering::Relaxed);
    let began = Instant::now();
    while !db.tables().is_empty() || !db.value_files().is_empty() {
        let (tables, files) = (db.tables(), db.value_files());
        let is_late = began.elapsed() > Duration::from_secs(60);
        assert!(!is_late, "{tables:?} {files:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
