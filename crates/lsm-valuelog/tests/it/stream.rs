//! Parallel scans: everything, once, in order, of one version.

use std::sync::atomic::{AtomicUsize, Ordering};

use kv_api::{Durability, Error, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, Options, Sequence};

use crate::conformance::small;

fn key(number: u32) -> Vec<u8> {
    format!("key {number:06}").into_bytes()
}

/// Three rounds of values over 3,000 keys, spread over memtable, tables and value log; every
/// tenth key is deleted in the end.
fn filled(options: Options, directory: &std::path::Path) -> Db {
    let db = options.open(directory.join("store")).unwrap();
    for round in 0..3_u32 {
        for number in 0..3_000 {
            let mut tx = db.begin().unwrap();
            let value = vec![b'a' + round as u8; (number % 300) as usize];
            tx.put(Space::DEFAULT, &key(number), &value).unwrap();
            tx.commit(Durability::Deferred).unwrap();
        }
    }
    db.update(|tx| (0..300).try_for_each(|n| tx.delete(Space::DEFAULT, &key(n * 10))))
        .unwrap();
    db
}

#[test]
fn a_stream_shows_each_living_key_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let db = filled(small(), directory.path());
    let snapshot = db.snapshot().unwrap();
    db.update(|tx| tx.delete_range(Space::DEFAULT, ..)).unwrap();
    for (threads, batch_bytes) in [(1, 1), (2, 1 << 10), (8, 1 << 20)] {
        let mut numbers = Vec::new();
        let stream = snapshot.stream().threads(threads).batch_bytes(batch_bytes);
        let newest = stream
            .run(|batch| {
                assert!(!batch.is_empty());
                for record in batch.iter() {
                    let number: u32 = std::str::from_utf8(&record.key[4..])
                        .unwrap()
                        .parse()
                        .unwrap();
                    assert_eq!(record.value.unwrap(), vec![b'c'; (number % 300) as usize]);
                    numbers.push(number);
                }
                Ok(())
            })
            .unwrap();
        let expected: Vec<u32> = (0..3_000).filter(|number| number % 10 != 0).collect();
        assert_eq!(
            numbers, expected,
            "{threads} threads, batches of {batch_bytes}"
        );
        assert_eq!(newest, Sequence(9_000));
    }
}

#[test]
fn a_stream_is_narrowed_by_prefix_choice_and_version() {
    let directory = tempfile::tempdir().unwrap();
    let db = filled(small(), directory.path());
    let snapshot = db.snapshot().unwrap();
    let count = |stream: lsm_valuelog::Stream<'_>| {
        let mut count = 0;
        stream
            .run(|batch| {
                count += batch.len();
                Ok(())
            })
            .unwrap();
        count
    };
    assert_eq!(count(snapshot.stream().prefix(b"key 0001")), 90);
    assert_eq!(count(snapshot.stream().prefix(b"nothing")), 0);
    let asked = AtomicUsize::new(0);
    let choose = |key: &[u8]| {
        asked.fetch_add(1, Ordering::Relaxed);
        key.ends_with(b"7")
    };
    assert_eq!(count(snapshot.stream().choose(&choose)), 300);
    assert_eq!(asked.into_inner(), 2_700);
    // The deletions came last, in commit 9,001; number 2,999 was written by commit 9,000.
    assert_eq!(count(snapshot.stream().since(Sequence(8_999))), 1);
    assert_eq!(
        count(snapshot.stream().since(Sequence(8_999)).deletions(true)),
        301
    );
    assert_eq!(
        count(snapshot.stream().since(Sequence(9_001)).deletions(true)),
        0
    );
}

#[test]
fn a_stream_of_all_versions_ends_at_deletions_and_at_discarding_versions() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().versions_to_keep(usize::MAX);
    let db = options.open(directory.path().join("store")).unwrap();
    let put = |key: &[u8], value: &[u8], discards: bool| {
        let entry = Entry::new(key, value).user_meta(value[0]);
        let entry = if discards {
            entry.discard_earlier_versions()
        } else {
            entry
        };
        db.update(|tx| tx.put_entry(Space::DEFAULT, &entry))
            .unwrap();
    };
    for value in [b"1", b"2", b"3"] {
        put(b"history", value, false);
        put(b"cut", value, value == b"2");
        put(b"gone", value, false);
        db.flush().unwrap();
    }
    db.update(|tx| tx.delete(Space::DEFAULT, b"gone")).unwrap();
    let mut seen = Vec::new();
    let snapshot = db.snapshot().unwrap();
    let stream = snapshot.stream().versions(usize::MAX).deletions(true);
    stream
        .run(|batch| {
            for record in batch.iter() {
                let value = record.value.map_or("-".into(), String::from_utf8_lossy);
                let key = String::from_utf8_lossy(record.key);
                assert_eq!(record.user_meta, record.value.map_or(0, |value| value[0]));
                seen.push(format!("{key} {value} {}", record.version));
            }
            Ok(())
        })
        .unwrap();
    let expected = [
        "cut 3 8",
        "cut 2 5",
        "gone - 10",
        "history 3 7",
        "history 2 4",
        "history 1 1",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn whoever_stops_a_stream_is_answered_its_own_error() {
    let directory = tempfile::tempdir().unwrap();
    let db = filled(small(), directory.path());
    let mut batches = 0;
    let snapshot = db.snapshot().unwrap();
    let stopped = snapshot.stream().threads(4).batch_bytes(100).run(|_| {
        batches += 1;
        if batches == 3 {
            Err(Error::Conflict)
        } else {
            Ok(())
        }
    });
    assert!(matches!(stopped, Err(Error::Conflict)), "{stopped:?}");
    assert_eq!(batches, 3);
}
