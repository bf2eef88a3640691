//! Merging tables on two threads at once, beside commits.

use std::collections::BTreeMap;

use kv_api::capability::Check;
use kv_api::{Cursor, Durability, Reader, Space, Transaction};
use lsm_valuelog::{Db, Options};

fn options(threads: usize) -> Options {
    Options::new()
        .memtable_bytes(32 << 10)
        .table_bytes(8 << 10)
        .base_level_bytes(16 << 10)
        .level_multiplier(2)
        .level_zero_tables(2, 6, 12)
        .value_threshold_bytes(200)
        .value_file_bytes(64 << 10)
        .compaction_threads(threads)
}

fn assert_holds(db: &Db, model: &BTreeMap<[u8; 4], Vec<u8>>) {
    let snapshot = db.snapshot().unwrap();
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    let mut moved = cursor.first().unwrap();
    for (key, value) in model {
        let (found, held) = moved.expect("as many pairs as were put");
        assert_eq!((&*found, &*held), (&key[..], &value[..]));
        moved = cursor.next().unwrap();
    }
    assert!(moved.is_none());
}

#[test]
fn two_threads_that_merge_lose_nothing_and_bring_nothing_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options(2).open(&path).unwrap();
    let mut model = BTreeMap::new();
    let mut random = 7_u64;
    for round in 0..3_000_u32 {
        let mut tx = db.begin().unwrap();
        for _ in 0..20 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let key = (random as u32 % 4_000).to_be_bytes();
            if random >> 40 & 7 == 0 {
                tx.delete(Space::DEFAULT, &key).unwrap();
                model.remove(&key);
            } else {
                let value = vec![round as u8; 20 + (random >> 50) as usize % 300];
                tx.put(Space::DEFAULT, &key, &value).unwrap();
                model.insert(key, value);
            }
        }
        tx.commit(Durability::Buffered).unwrap();
        if round % 1_000 == 0 {
            assert_holds(&db, &model);
        }
    }
    assert!(db.metrics().compactions > 20, "{:?}", db.metrics());
    assert_eq!(db.metrics().background_failures, 0);
    assert_holds(&db, &model);
    db.close().unwrap();

    let db = options(1).background(false).open(&path).unwrap();
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    assert_holds(&db, &model);
}

#[test]
fn only_one_or_two_threads_may_merge() {
    let directory = tempfile::tempdir().unwrap();
    for threads in [0, 3] {
        assert!(options(threads).open(directory.path()).is_err());
    }
}
