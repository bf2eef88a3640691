//! The figures the project reports, measured and held to their bounds. Slow in debug builds, so
//! they run on request: `cargo test --release -p txn --test it -- --ignored figures --nocapture`.

use std::time::Instant;

use txn::{Db, FreelistStorage, Options};

/// A cheap sequence of numbers without visible order.
fn scattered(index: u64) -> u64 {
    let mixed = (index ^ index >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

pub fn key(index: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&scattered(index).to_be_bytes());
    key[8..16].copy_from_slice(&scattered(index + 1).to_be_bytes());
    key[16..].copy_from_slice(&index.to_be_bytes());
    key
}

pub fn load(db: &Db, keys: u64) {
    db.update(|tx| {
        let mut bucket = tx.create_bucket_if_missing("data")?;
        (0..keys).try_for_each(|index| bucket.put(key(index), [7; 150]))
    })
    .unwrap();
}

fn assert_clean(db: &Db) {
    let mut findings = Vec::new();
    txn::check(&db.snapshot().unwrap(), &mut |finding| {
        findings.push(finding)
    })
    .unwrap();
    assert_eq!(findings, []);
}

#[test]
#[ignore = "a measurement"]
fn figures_a_random_bulk_load_in_one_transaction_is_linear() {
    let mut rates = Vec::new();
    for keys in [125_000, 250_000, 500_000, 1_000_000_u64] {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path().join("load.db")).unwrap();
        let began = Instant::now();
        load(&db, keys);
        let secs = began.elapsed().as_secs_f64();
        rates.push(keys as f64 / secs);
        let bytes = db.info().unwrap().size_bytes;
        let (rate, done) = (keys as f64 / secs, db.statistics().unwrap());
        println!(
            "figure bulk_load keys={keys} secs={secs:.2} rate={rate:.0} bytes={bytes} write_secs={:.2} sync_secs={:.2}",
            done.write_ns as f64 / 1e9,
            done.sync_ns as f64 / 1e9
        );
        assert_clean(&db);
    }
    // Linear but for the depth of the tree and the caches' reach; quadratic would be eightfold.
    assert!(rates[3] > rates[0] / 3.0, "{rates:?}");
}

#[test]
#[ignore = "a measurement"]
fn figures_a_long_reader_does_not_blow_the_file_up() {
    for freelist in [
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("reader.db");
        let db = Options::new().freelist(freelist).open(&path).unwrap();
        load(&db, 17_000);
        let before = db.info().unwrap().size_bytes;
        let reader = db.snapshot().unwrap();
        for index in 0..2_000 {
            db.update(|tx| {
                tx.bucket("data")?
                    .put(key(scattered(index) % 17_000), [9; 150])
            })
            .unwrap();
        }
        let used = db.info().unwrap().size_bytes;
        let after = std::fs::metadata(&path).unwrap().len();
        println!(
            "figure long_reader freelist={freelist:?} commits=2000 before={before} used={used} file={after}"
        );
        // The file's length goes by powers of two up to 16 MiB; what is used is what counts.
        assert!(used < 15_000_000, "{used}");
        drop(reader);
        assert_clean(&db);
    }
}

#[test]
#[ignore = "a measurement"]
fn figures_a_commit_does_not_pay_for_free_pages() {
    let mut bytes_per_commit = Vec::new();
    for free in [0, 67_000_u64] {
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path().join("free.db")).unwrap();
        load(&db, 10_000);
        if free > 0 {
            // Every other page stays in use, so that the free ones cannot merge into runs.
            let holes = db.update(|tx| {
                let mut bucket = tx.create_bucket("holes")?;
                (0..2 * free).try_for_each(|index| bucket.put(index.to_be_bytes(), [1; 3000]))
            });
            holes.unwrap();
            let thinned = db.update(|tx| {
                let mut bucket = tx.bucket("holes")?;
                (0..2 * free)
                    .filter(|index| index % 8 < 4)
                    .try_for_each(|index| bucket.delete(index.to_be_bytes()))
            });
            thinned.unwrap();
            db.update(|tx| tx.bucket("data")?.put("settle", ""))
                .unwrap();
        }
        db.update(|tx| tx.bucket("data")?.put("settle", "again"))
            .unwrap();
        let earlier = db.statistics().unwrap();
        let began = Instant::now();
        for index in 0..500 {
            db.update(|tx| tx.bucket("data")?.put(key(index), [9; 150]))
                .unwrap();
        }
        let micros = began.elapsed().as_micros() / 500;
        let since = db.statistics().unwrap().since(&earlier);
        let cpu = (since.write_ns + since.settle_ns - since.sync_ns.min(since.write_ns)) / 500;
        let bytes = since.bytes_written / 500;
        println!(
            "figure free_pages free={} bytes_per_commit={bytes} micros_per_commit={micros} cpu_ns={cpu}",
            since.free_pages
        );
        bytes_per_commit.push(bytes);
        if free > 0 {
            assert!(since.free_pages > 60_000, "{}", since.free_pages);
        }
    }
    assert!(
        bytes_per_commit[1] <= bytes_per_commit[0] + 4096,
        "{bytes_per_commit:?}"
    );
}
