//! Sizes: what is counted, estimated and followed.

use kv_api::{Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

fn put(db: &Db, pairs: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>) {
    let mut tx = db.begin().unwrap();
    for (key, value) in pairs {
        tx.put(Space::DEFAULT, &key, &value).unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number:06}").into_bytes()
}

#[test]
fn histograms_show_each_living_pair_once_wherever_it_is() {
    let home = tempfile::tempdir().unwrap();
    let db = small()
        .versions_to_keep(3)
        .open(home.path().join("store"))
        .unwrap();
    for round in 0..3_usize {
        put(&db, (0..100).map(|n| (key(n), vec![1; 40 + round])));
        db.flush().unwrap();
    }
    put(&db, (100..110).map(|n| (key(n), vec![2; 3_000])));
    put(&db, [(b"".to_vec(), Vec::new())].into_iter().take(0));
    db.update(|tx| {
        tx.delete(Space::DEFAULT, &key(0))?;
        let space = tx.create_space(b"other")?;
        tx.put(space, b"elsewhere", b"")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let sizes = snapshot.histograms(Space::DEFAULT, ..).unwrap();
    assert_eq!((sizes.keys.count, sizes.values.count), (109, 109));
    assert_eq!((sizes.keys.min, sizes.keys.max), (10, 10));
    assert_eq!((sizes.values.min, sizes.values.max), (42, 3_000));
    assert_eq!(sizes.values.bytes, 99 * 42 + 10 * 3_000);
    assert_eq!((sizes.values.bins[6], sizes.values.bins[12]), (99, 10));
    assert_eq!(sizes.values.bins.iter().sum::<u64>(), 109);
    let part = snapshot.histograms(Space::DEFAULT, key(105)..).unwrap();
    assert_eq!((part.keys.count, part.values.mean()), (5, 3_000));
    let other = snapshot.space(b"other").unwrap().unwrap();
    let sizes = snapshot.histograms(other, ..).unwrap();
    assert_eq!(
        (sizes.keys.max, sizes.values.count, sizes.values.max),
        (9, 1, 0)
    );
    let none = snapshot
        .histograms(Space::DEFAULT, b"x".to_vec()..)
        .unwrap();
    assert_eq!((none.keys.count, none.keys.mean()), (0, 0));
}

#[test]
fn an_estimate_is_near_the_bytes_of_a_range_and_adds_up() {
    let home = tempfile::tempdir().unwrap();
    let db = small()
        .value_threshold_bytes(1_000)
        .table_bytes(64 << 10)
        .memtable_bytes(256 << 10)
        .open(home.path().join("store"))
        .unwrap();
    // 110 bytes a pair, and 2,010 behind those; the two meet in no table.
    let value = |n: u32| vec![(n % 251) as u8; if n < 1_000 { 100 } else { 2_000 }];
    for first in (0..1_100).step_by(50) {
        put(&db, (first..first + 50).map(|n| (key(n), value(n))));
        if first == 950 {
            db.flush().unwrap();
        }
    }
    for stage in ["large ones in memory", "in tables"] {
        let estimate = |from: u32, to: u32| db.estimate_bytes(key(from)..key(to));
        let whole = db.estimate_bytes(..);
        for (from, to, bytes) in [
            (0, 1_100, 1_000 * 110 + 100 * 2_010),
            (0, 500, 500 * 110),
            (500, 600, 100 * 110),
            (1_000, 1_100, 100 * 2_010),
            (1_050, 1_100, 50 * 2_010),
        ] {
            let (found, slack) = (estimate(from, to), bytes / 4 + 4_000);
            assert!(
                found + slack > bytes && found < bytes + slack,
                "{stage} {from}..{to}: {found} for {bytes}"
            );
            assert!(found <= whole);
        }
        assert_eq!(estimate(3_000, 4_000), 0);
        let snapshot = db.snapshot().unwrap();
        let same = snapshot.estimate_bytes(Space::DEFAULT, ..).unwrap();
        assert_eq!(same, whole);
        db.flush().unwrap();
    }
}

#[test]
fn a_dynamic_threshold_sends_the_largest_values_to_the_value_log_and_is_remembered() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let options = || {
        let options = small().memtable_bytes(256 << 10).value_threshold_bytes(64);
        options.value_threshold_percentile(0.9)
    };
    assert!(
        options()
            .value_threshold_percentile(1.0)
            .open(&path)
            .is_err()
    );
    let db = options().open(&path).unwrap();
    assert_eq!(db.metrics().value_threshold_bytes, 64);
    let value = |n: u32| {
        vec![
            3;
            if n.is_multiple_of(20) {
                5_000
            } else {
                200 + n as usize % 100
            }
        ]
    };
    for first in (0..2_000).step_by(50) {
        put(&db, (first..first + 50).map(|n| (key(n), value(n))));
    }
    let learned = db.metrics().value_threshold_bytes;
    assert!((290..=330).contains(&learned), "{learned}");
    let before = db.metrics().value_bytes;
    put(&db, (0..100).map(|n| (key(n), vec![4; 280])));
    assert_eq!(
        db.metrics().value_bytes,
        before,
        "these stay with their keys"
    );
    put(&db, (0..10).map(|n| (key(n), vec![4; 5_000])));
    assert!(db.metrics().value_bytes >= before + 50_000);
    db.close().unwrap();
    drop(db);
    let db = options().open(&path).unwrap();
    assert_eq!(db.metrics().value_threshold_bytes, learned);
    drop(db);
    let db = small().value_threshold_bytes(100).open(&path).unwrap();
    assert_eq!(
        db.metrics().value_threshold_bytes,
        100,
        "a fixed one is fixed"
    );
    let snapshot = db.snapshot().unwrap();
    for n in 0..2_000 {
        let found = snapshot.get(Space::DEFAULT, &key(n)).unwrap();
        let expected = match n {
            0..10 => vec![4; 5_000],
            10..100 => vec![4; 280],
            _ => value(n),
        };
        assert_eq!(found.as_deref(), Some(&*expected), "{n}");
    }
}

#[test]
fn metrics_tell_what_was_read_and_written_and_where_it_was_found() {
    let home = tempfile::tempdir().unwrap();
    let db = Options::new()
        .value_threshold_bytes(1_000)
        .open(home.path().join("store"))
        .unwrap();
    put(&db, (0..100).map(|n| (key(n), vec![5; 90])));
    put(&db, (100..110).map(|n| (key(n), vec![6; 2_000])));
    let written = db.metrics();
    assert_eq!((written.commits, written.changes), (2, 110));
    // A byte before each key says that it is of the default space.
    assert_eq!(written.changed_bytes, 100 * 101 + 10 * 2_011);
    assert!(written.syncs >= 2 && written.sync_ns >= written.sync_ns_max);
    assert!(written.sync_ns_max > 0 && written.memtable_bytes > 0);
    let get = |n: u32| {
        db.snapshot()
            .unwrap()
            .get(Space::DEFAULT, &key(n))
            .unwrap()
            .is_some()
    };
    assert!(get(5) && !get(500));
    let read = db.metrics();
    assert_eq!((read.gets, read.gets_found, read.gets_in_memory), (2, 1, 1));
    assert_eq!(read.tables_searched_by_level, [0; 7]);
    db.flatten().unwrap();
    let flat = db.metrics();
    assert!(
        flat.table_bytes > 5_000 && flat.value_log_bytes > 0,
        "{flat:?}"
    );
    assert!((0..110).all(get));
    let missing = (0..100).filter(|n| get(n * 7 + 1_000_000)).count();
    let read = db.metrics();
    assert_eq!(missing, 0);
    assert_eq!(
        (read.gets, read.gets_found, read.gets_in_memory),
        (212, 111, 1)
    );
    let searched: u64 = read.tables_searched_by_level.iter().sum();
    assert!((110..120).contains(&searched), "{read:?}");
    assert_eq!((read.values_read, read.value_bytes_read), (10, 20_000));
    assert!(read.blocks_read >= 110 && read.block_bytes_read > read.blocks_read * 100);
    // Absent keys inside the table's range are the filter's to excuse.
    let within = (0..100).filter(|n| {
        let key = [key(*n), b"x".to_vec()].concat();
        db.snapshot()
            .unwrap()
            .get(Space::DEFAULT, &key)
            .unwrap()
            .is_some()
    });
    assert_eq!(within.count(), 0);
    let excused: u64 = db.metrics().tables_excused_by_level.iter().sum();
    assert!((90..=100).contains(&excused), "{excused}");
    let cursors = db.metrics().cursors;
    let snapshot = db.snapshot().unwrap();
    drop(snapshot.cursor(Space::DEFAULT).unwrap());
    assert_eq!(db.metrics().cursors, cursors + 1);
}
