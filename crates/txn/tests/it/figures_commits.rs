//! Figures of shared commits, large commits and compaction:
//! `cargo test --release -p txn --test it -- --ignored figures_commits --nocapture`.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use txn::{CompactOptions, Db, Options};

use crate::figures::{key, load};
use crate::support::{Random, assert_clean};

fn value(random: &mut Random) -> Vec<u8> {
    random.bytes(150)
}

/// Commits of eight threads, one key each, for a while; answers calls per second.
fn eight_threads(db: &Db, keys: u64) -> f64 {
    let (done, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let (before, began) = (db.statistics().unwrap(), Instant::now());
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (db, done, stop) = (&db, &done, &stop);
            scope.spawn(move || {
                let mut random = Random::new(thread + 1);
                while !stop.load(Ordering::Relaxed) {
                    let (key, value) = (key(random.below(keys)), value(&mut random));
                    db.update_grouped(|tx| tx.bucket("data")?.put(key, &value))
                        .unwrap();
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        std::thread::sleep(Duration::from_secs(2));
        stop.store(true, Ordering::Relaxed);
    });
    let rate = done.into_inner() as f64 / began.elapsed().as_secs_f64();
    let since = db.statistics().unwrap().since(&before);
    let commits = since.commits.max(1);
    println!(
        "figure shared_commits threads=8 rate={rate:.0} group={:.2} micros_per_commit={:.0} sync_micros={:.0} write_micros={:.0}",
        rate * began.elapsed().as_secs_f64() / commits as f64,
        began.elapsed().as_micros() as f64 / commits as f64,
        since.sync_ns as f64 / 1e3 / commits as f64,
        (since.write_ns + since.settle_ns) as f64 / 1e3 / commits as f64,
    );
    rate
}

#[test]
#[ignore = "a measurement"]
fn figures_commits_of_eight_threads_are_shared() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("shared.db")).unwrap();
    load(&db, 200_000);
    let began = Instant::now();
    let mut alone = 0_u64;
    let mut random = Random::new(9);
    while began.elapsed() < Duration::from_secs(1) {
        let (key, value) = (key(random.below(200_000)), value(&mut random));
        db.update(|tx| tx.bucket("data")?.put(key, &value)).unwrap();
        alone += 1;
    }
    let alone = alone as f64 / began.elapsed().as_secs_f64();
    let shared = eight_threads(&db, 200_000);
    println!(
        "figure alone rate={alone:.0} shared_over_alone={:.2}",
        shared / alone
    );
    assert!(shared > alone);
    assert_clean(&db);
}

/// What the commits since `before` cost.
fn tell(name: &str, db: &Db, before: &txn::Statistics, began: Instant, live_bytes: u64) {
    let since = db.statistics().unwrap().since(before);
    let (commits, secs) = (since.commits as f64, began.elapsed().as_secs_f64());
    let used = db.info().unwrap().size_bytes;
    println!(
        "figure {name} commits={commits} rate={:.1} runs={:.1} pages={:.0} used={used} used_over_live={:.2} sync_ms={:.2} write_ms={:.2} settle_ms={:.2} all_ms={:.2}",
        commits / secs,
        since.writes as f64 / commits - 1.0,
        since.pages_allocated as f64 / commits,
        used as f64 / live_bytes as f64,
        since.sync_ns as f64 / 1e6 / commits,
        since.write_ns as f64 / 1e6 / commits,
        since.settle_ns as f64 / 1e6 / commits,
        secs * 1e3 / commits,
    );
}

fn live_bytes(db: &Db) -> u64 {
    let statistics = db.statistics().unwrap();
    db.info().unwrap().size_bytes - statistics.free_bytes
}

fn overwrite(db: &Db, keys: u64, commits: u64, random: &mut Random) {
    for _ in 0..commits {
        db.update(|tx| {
            let mut bucket = tx.bucket("data")?;
            (0..1000).try_for_each(|_| {
                let key = key(random.below(keys));
                bucket.put(key, value(random))
            })
        })
        .unwrap();
    }
}

#[test]
#[ignore = "a measurement"]
fn figures_commits_of_a_thousand_random_keys() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("large.db")).unwrap();
    let keys = 1_000_000;
    load(&db, keys);
    let live = live_bytes(&db);
    let mut random = Random::new(3);
    for _ in 0..4 {
        let (before, began) = (db.statistics().unwrap(), Instant::now());
        overwrite(&db, keys, 100, &mut random);
        tell("large_commits", &db, &before, began, live);
    }
    assert_clean(&db);
    let (before, began) = (db.statistics().unwrap(), Instant::now());
    for batch in 0..40 {
        db.update(|tx| {
            let mut bucket = tx.bucket("data")?;
            (0..5000).try_for_each(|index| bucket.delete(key(batch * 5000 + index)))
        })
        .unwrap();
    }
    tell("large_removals", &db, &before, began, live);
    assert_clean(&db);
}

#[test]
#[ignore = "a measurement"]
fn figures_commits_compaction_packs_tightly() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("loose.db")).unwrap();
    let keys = 300_000;
    load(&db, keys);
    let path = directory.path().join("tight.db");
    let to = Options::new().no_grow_sync(true).open(&path).unwrap();
    let began = Instant::now();
    txn::compact(
        &db.snapshot().unwrap(),
        &to,
        CompactOptions::default(),
        &mut |_| {},
    )
    .unwrap();
    let secs = began.elapsed().as_secs_f64();
    to.close().unwrap();
    drop(to);
    let file = std::fs::metadata(&path).unwrap().len();
    let to = Db::open(&path).unwrap();
    let mut random = Random::new(5);
    let began = Instant::now();
    let snapshot = to.snapshot().unwrap();
    let bucket = snapshot.bucket("data").unwrap();
    for _ in 0..1_000_000 {
        assert!(bucket.get(key(random.below(keys))).unwrap().is_some());
    }
    println!(
        "figure compaction keys={keys} secs={secs:.2} used={} file={file} file_over_live={:.4} reads={:.0}",
        to.info().unwrap().size_bytes,
        file as f64 / (keys * 174) as f64,
        1e6 / began.elapsed().as_secs_f64()
    );
    assert_clean(&to);
}
