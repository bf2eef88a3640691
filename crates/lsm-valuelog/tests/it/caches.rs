//! Memory within its limits: caches by bytes, memtables, and all of them together.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use kv_api::{Durability, Reader, Space, Transaction};
use lsm_valuelog::{Compression, Db, Options};

use crate::conformance::small;
use crate::support::key;

fn value(number: u32) -> Vec<u8> {
    format!("value of {number:08}; ").repeat(6).into_bytes()
}

fn fill(db: &Db, numbers: std::ops::Range<u32>) {
    let numbers: Vec<u32> = numbers.collect();
    for part in numbers.chunks(50) {
        let mut tx = db.begin().unwrap();
        for number in part {
            tx.put(Space::DEFAULT, &key(*number), &value(*number))
                .unwrap();
        }
        tx.commit(Durability::Buffered).unwrap();
    }
}

fn assert_all(db: &Db, numbers: std::ops::Range<u32>) {
    let snapshot = db.snapshot().unwrap();
    for number in numbers {
        let found = snapshot.get(Space::DEFAULT, &key(number)).unwrap();
        assert_eq!(found.as_deref(), Some(&*value(number)), "{number}");
    }
}

/// Small files again, but all values in tables.
fn roomy() -> Options {
    small()
        .value_threshold_bytes(1 << 10)
        .memtable_bytes(32 << 10)
}

/// Ways in which blocks do not stand in the file as they are read.
fn ways() -> [Options; 3] {
    let small = || roomy().compression(Compression::None);
    [
        small().compression(Compression::Lz4),
        small().encryption_key(&[3; 32]),
        small().read_without_mapping(true),
    ]
}

#[test]
fn a_block_that_is_cached_is_not_made_again() {
    for options in ways() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let db = options.block_cache_bytes(4 << 20).open(&path).unwrap();
        fill(&db, 0..2_000);
        db.flatten().unwrap();
        let before = db.metrics();
        assert_all(&db, 0..2_000);
        let first = db.metrics();
        assert!(first.block_cache_bytes > 100 * 2_000, "{first:?}");
        let made = first.block_cache_misses - before.block_cache_misses;
        assert!(made > 500, "{first:?}");
        assert_all(&db, 0..2_000);
        let second = db.metrics();
        assert_eq!(second.block_cache_misses, first.block_cache_misses);
        assert!(second.block_cache_hits >= first.block_cache_hits + 2_000);
        // Whoever goes through everything once leaves the cache as it is.
        kv_api::capability::Check::check(&db, &mut |finding| panic!("{finding:?}")).unwrap();
        assert_eq!(db.metrics().block_cache_bytes, second.block_cache_bytes);
        db.resize_caches(64 << 10, 0);
        assert!(db.metrics().block_cache_bytes <= 64 << 10);
        assert_all(&db, 0..2_000);
    }
}

#[test]
fn caches_hold_no_more_than_they_may_and_none_holds_nothing() {
    for options in ways() {
        for (block_bytes, index_bytes) in [(0, 0), (16 << 10, 8 << 10), (256 << 10, 64 << 10)] {
            let home = tempfile::tempdir().unwrap();
            let options = options.clone().block_cache_bytes(block_bytes);
            let options = options.index_cache_bytes(index_bytes);
            let db = options.open(home.path().join("store")).unwrap();
            fill(&db, 0..2_000);
            for _ in 0..2 {
                assert_all(&db, 0..2_000);
                let metrics = db.metrics();
                assert!(metrics.block_cache_bytes <= block_bytes, "{metrics:?}");
                assert!(metrics.index_cache_bytes <= index_bytes, "{metrics:?}");
                assert_eq!(metrics.block_cache_bytes > 0, block_bytes > 0);
                assert_eq!(metrics.index_cache_bytes > 0, index_bytes > 0);
            }
        }
    }
}

#[test]
fn blocks_of_tables_that_are_gone_leave_the_cache() {
    let home = tempfile::tempdir().unwrap();
    let options = roomy().compression(Compression::Zstd(1));
    let options = options
        .block_cache_bytes(8 << 20)
        .index_cache_bytes(1 << 20);
    let db = options.open(home.path().join("store")).unwrap();
    fill(&db, 0..2_000);
    db.flatten().unwrap();
    assert_all(&db, 0..2_000);
    let full = db.metrics();
    assert!(full.block_cache_bytes > 200 << 10, "{full:?}");
    fill(&db, 0..2_000);
    db.flatten().unwrap();
    assert_eq!(db.metrics().block_cache_bytes, 0);
    assert_all(&db, 0..2_000);
}

#[test]
fn memtables_and_caches_together_stay_within_the_limit_of_memory() {
    let limit = 2 << 20;
    let home = tempfile::tempdir().unwrap();
    let options = Options::new()
        .compression(Compression::Lz4)
        .memory_bytes_max(limit)
        .value_threshold_bytes(1 << 10)
        .table_bytes(128 << 10)
        .base_level_bytes(512 << 10);
    let db = options.open(home.path().join("store")).unwrap();
    let (is_over, highest) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let (db, is_over, highest) = (&db, &is_over, &highest);
        scope.spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                let bytes = db.metrics().memory_bytes();
                highest.fetch_max(bytes, Ordering::Relaxed);
                std::thread::yield_now();
            }
        });
        let writers: Vec<_> = (0..4_u32)
            .map(|thread| {
                scope.spawn(move || {
                    for round in 0..12 {
                        let first = thread * 10_000 + round * 500;
                        fill(db, first..first + 500);
                        assert_all(db, thread * 10_000..first + 500);
                    }
                    // One that takes much of a memtable.
                    let mut tx = db.begin().unwrap();
                    for number in 0..600 {
                        let number = 1_000_000 + thread * 1_000 + number;
                        tx.put(Space::DEFAULT, &key(number), &value(number))
                            .unwrap();
                    }
                    tx.commit(Durability::Sync).unwrap();
                })
            })
            .collect();
        writers
            .into_iter()
            .for_each(|writer| writer.join().unwrap());
        is_over.store(true, Ordering::Relaxed);
    });
    let (highest, metrics) = (highest.into_inner(), db.metrics());
    assert!(metrics.flushes > 10, "{metrics:?}");
    assert!(highest <= limit, "{highest} bytes of {limit}");
    assert!(highest > limit / 2, "{highest} bytes: the limit is used");
    for thread in 0..4 {
        assert_all(&db, thread * 10_000..thread * 10_000 + 6_000);
    }
    let metrics = db.metrics();
    assert!(metrics.block_cache_bytes > 0 && metrics.index_cache_bytes > 0);
    assert!(metrics.memory_bytes() <= limit, "{metrics:?}");
}
