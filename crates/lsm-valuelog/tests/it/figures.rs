//! Rates and sizes, printed; run with `--release --ignored --nocapture`.

use std::time::{Duration, Instant};

use kv_api::{Cursor, Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

const KEYS: u64 = 1_000_000;

fn scattered(index: u64) -> u64 {
    let mixed = (index ^ 0x5DEE_CE66).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ (mixed >> 31)).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn key(index: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&scattered(index).to_be_bytes());
    key[8..16].copy_from_slice(&scattered(index + 1).to_be_bytes());
    key[16..].copy_from_slice(&index.to_be_bytes());
    key
}

fn value(index: u64, len: usize) -> Vec<u8> {
    let mut state = scattered(index) | 1;
    let mut value = Vec::with_capacity(len + 8);
    while value.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        value.extend_from_slice(&state.to_le_bytes());
    }
    value.truncate(len);
    value
}

fn tell(what: &str, count: u64, began: Instant) {
    let secs = began.elapsed().as_secs_f64();
    println!(
        "figure {what} rate={:.0} secs={secs:.2}",
        count as f64 / secs
    );
}

fn bytes_in(path: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap();
    entries
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .map(|metadata| metadata.len())
        .sum()
}

#[test]
#[ignore = "a measurement"]
fn figures_of_small_values() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = Db::open(&path).unwrap();
    let value = value(7, 150);
    let began = Instant::now();
    db.update(|tx| (0..KEYS).try_for_each(|index| tx.put(Space::DEFAULT, &key(index), &value)))
        .unwrap();
    tell("W1 bulk load", KEYS, began);
    println!("figure W10 bytes={}", bytes_in(&path));
    read_figures(&db);
    let began = Instant::now();
    for index in 0..3_000 {
        db.update(|tx| tx.put(Space::DEFAULT, &key(KEYS + index), &value))
            .unwrap();
    }
    tell("W2 durable commits of 1", 3_000, began);
    let began = Instant::now();
    for batch in 0..300 {
        db.update(|tx| {
            (0..1_000).try_for_each(|index| {
                tx.put(
                    Space::DEFAULT,
                    &key(2 * KEYS + batch * 1_000 + index),
                    &value,
                )
            })
        })
        .unwrap();
    }
    tell("W3 durable commits of 1000", 300_000, began);
    for durability in [Durability::Deferred, Durability::Buffered] {
        let began = Instant::now();
        for index in 0..300_000 {
            let mut tx = db.begin().unwrap();
            tx.put(Space::DEFAULT, &key(3 * KEYS + index), &value)
                .unwrap();
            tx.commit(durability).unwrap();
        }
        tell(
            &format!("W4 commits of 1 at {durability:?}"),
            300_000,
            began,
        );
    }
    let began = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (db, value) = (&db, &value);
            scope.spawn(move || {
                for index in 0..3_000 {
                    let key = key(4 * KEYS + thread * 10_000 + index);
                    db.update(|tx| tx.put(Space::DEFAULT, &key, value)).unwrap();
                }
            });
        }
    });
    tell("W15 durable commits, 8 threads", 24_000, began);
    read_figures(&db);
    let began = Instant::now();
    db.close().unwrap();
    tell("close", 1, began);
    drop(db);
    let began = Instant::now();
    let db = Db::open(&path).unwrap();
    db.view(|snapshot| Ok(snapshot.get(Space::DEFAULT, &key(5))?.is_some()))
        .unwrap();
    println!(
        "figure W13 open_ms={:.2}",
        began.elapsed().as_secs_f64() * 1e3
    );
}

fn read_figures(db: &Db) {
    let snapshot = db.snapshot().unwrap();
    let gets = 500_000;
    let began = Instant::now();
    let found = (0..gets)
        .filter(|index| {
            let key = key(scattered(*index) % KEYS);
            snapshot.get(Space::DEFAULT, &key).unwrap().is_some()
        })
        .count();
    assert_eq!(found as u64, gets);
    tell("W5 gets", gets, began);
    let began = Instant::now();
    for index in 0..gets {
        let key = key(scattered(index) % KEYS);
        assert!(
            db.snapshot()
                .unwrap()
                .get(Space::DEFAULT, &key)
                .unwrap()
                .is_some()
        );
    }
    tell("W5t gets, a snapshot each", gets, began);
    let began = Instant::now();
    for index in 0..gets {
        let mut key = key(scattered(index) % KEYS);
        key[23] ^= 0x80;
        key[16] ^= 0x80;
        assert!(snapshot.get(Space::DEFAULT, &key).unwrap().is_none());
    }
    tell("W6 missing gets", gets, began);
    let scans = 50_000;
    let began = Instant::now();
    let mut bytes = 0;
    for index in 0..scans {
        let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
        let mut moved = cursor.seek(&key(scattered(index) % KEYS)).unwrap();
        for _ in 0..10 {
            let Some((_, value)) = moved else { break };
            bytes += value.len();
            moved = cursor.next().unwrap();
        }
    }
    tell("W7 scans of 10", scans, began);
    let began = Instant::now();
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    let (mut moved, mut pairs) = (cursor.first().unwrap(), 0);
    while let Some((key, value)) = moved {
        bytes += key.len() + value.len();
        pairs += 1;
        moved = cursor.next().unwrap();
    }
    tell("W8 scan forward", pairs, began);
    let began = Instant::now();
    let (mut moved, mut back) = (cursor.last().unwrap(), 0);
    while let Some((key, value)) = moved {
        bytes += key.len() + value.len();
        back += 1;
        moved = cursor.prev().unwrap();
    }
    tell("W8 scan backward", back, began);
    assert_eq!((pairs, bytes > 0), (back, true));
}

#[test]
#[ignore = "a measurement"]
fn figures_of_large_values() {
    for (len, count) in [(4 << 10, 65_536_u64), (64 << 10, 4_096)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let db = Db::open(&path).unwrap();
        let values: Vec<Vec<u8>> = (0..64).map(|index| value(index, len)).collect();
        let began = Instant::now();
        let mut index = 0;
        while index < count {
            let mut tx = db.begin().unwrap();
            for _ in 0..(1 << 20) / len {
                tx.put(Space::DEFAULT, &key(index), &values[index as usize % 64])
                    .unwrap();
                index += 1;
            }
            tx.commit(Durability::Buffered).unwrap();
        }
        db.sync().unwrap();
        let secs = began.elapsed().as_secs_f64();
        let live = count * len as u64;
        println!(
            "figure W11 load len={len} MBps={:.0} bytes_over_live={:.3}",
            live as f64 / secs / 1e6,
            bytes_in(&path) as f64 / live as f64
        );
        let snapshot = db.snapshot().unwrap();
        let began = Instant::now();
        let gets = 200_000;
        let mut bytes = 0;
        for index in 0..gets {
            let key = key(scattered(index) % count);
            bytes += snapshot
                .get(Space::DEFAULT, &key)
                .unwrap()
                .unwrap()
                .iter()
                .step_by(64)
                .map(|b| *b as u64)
                .sum::<u64>();
        }
        assert!(bytes > 0);
        tell(&format!("W11 gets len={len}"), gets, began);
    }
}

#[test]
#[ignore = "a measurement"]
fn figures_of_space_after_overwriting() {
    for len in [150, 4 << 10] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let db = Options::new().open(&path).unwrap();
        let count = (200 << 20) / len as u64;
        let value = value(9, len);
        let began = Instant::now();
        for _ in 0..10 {
            let mut index = 0;
            while index < count {
                let mut tx = db.begin().unwrap();
                for _ in 0..1_000 {
                    tx.put(Space::DEFAULT, &key(index % count), &value).unwrap();
                    index += 1;
                }
                tx.commit(Durability::Buffered).unwrap();
            }
        }
        let secs = began.elapsed().as_secs_f64();
        let live = (count * (len as u64 + 24)) as f64;
        println!(
            "figure overwrite len={len} secs={secs:.1} bytes_over_live={:.2}",
            bytes_in(&path) as f64 / live
        );
        std::thread::sleep(Duration::from_secs(10));
        let over_live = bytes_in(&path) as f64 / live;
        println!("figure overwrite len={len} after 10 idle seconds bytes_over_live={over_live:.3}");
        assert!(over_live < 1.3, "with values of {len} bytes");
    }
}
