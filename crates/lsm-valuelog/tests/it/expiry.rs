//! Values with a time to live, and what is kept beside values.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use kv_api::{Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, Options};

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
