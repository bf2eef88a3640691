//! The figures the project reports, measured. Slow in debug builds, so they run on request:
//! `cargo test --release -p flatlog --test it -- --ignored figures --nocapture --test-threads 1`.

use std::time::{Duration, Instant};

use flatlog::{Db, Options};
use kv_api::{Cursor as _, Durability};

/// A cheap sequence of numbers without visible order.
fn scattered(index: u64) -> u64 {
    let mixed = (index ^ index >> 31).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9)
}

fn random_key(index: u64) -> [u8; 24] {
    let mut key = [0; 24];
    key[..8].copy_from_slice(&scattered(index).to_be_bytes());
    key[8..16].copy_from_slice(&scattered(index + 1).to_be_bytes());
    key[16..].copy_from_slice(&index.to_be_bytes());
    key
}

/// Long common beginnings: `user:` and digits.
fn user_key(index: u64) -> [u8; 24] {
    let mut key = *b"user:0000000000000000000";
    let digits = format!("{:012}", scattered(index) % 1_000_000_000_000);
    key[12..].copy_from_slice(digits.as_bytes());
    key
}

/// Time passed, and time this thread had a processor: the second stays true on a busy machine.
#[derive(Clone, Copy)]
struct Took {
    wall: Duration,
    cpu: Duration,
}

impl Took {
    fn as_millis(self) -> u128 {
        self.wall.as_millis()
    }
}

fn rate(what: &str, count: u64, took: Took) {
    let rate = count as f64 / took.wall.as_secs_f64();
    let of_cpu = count as f64 / took.cpu.as_secs_f64();
    println!("figure {what} count={count} rate={rate:.0} per_cpu_second={of_cpu:.0}");
}

fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split(' ').next().and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

fn timed(work: impl FnOnce()) -> Took {
    let (began, cpu) = (Instant::now(), cpu_time());
    work();
    Took {
        wall: began.elapsed(),
        cpu: cpu_time().saturating_sub(cpu),
    }
}

fn load(db: &Db, keys: u64, key: fn(u64) -> [u8; 24]) -> Took {
    timed(|| {
        db.update(|tx| (0..keys).try_for_each(|index| tx.put(key(index), [7; 150])))
            .unwrap();
    })
}

fn gets(db: &Db, what: &str, keys: u64, count: u64, key: fn(u64) -> [u8; 24]) {
    let snapshot = db.snapshot().unwrap();
    let asked: Vec<[u8; 24]> = (0..count).map(|n| key(scattered(n) % keys)).collect();
    let mut sum = 0_u64;
    let took = timed(|| {
        for key in &asked {
            let value = snapshot.get(key).unwrap().unwrap();
            sum += u64::from(value[0]);
        }
    });
    assert_eq!(sum, 7 * count);
    rate(what, count, took);
}

fn reads(db: &Db, keys: u64, key: fn(u64) -> [u8; 24], name: &str) {
    gets(db, &format!("{name} first_gets"), keys, keys, key);
    gets(db, &format!("{name} gets"), keys, 2 * keys, key);
    let snapshot = db.snapshot().unwrap();
    let missing: Vec<[u8; 24]> = (0..keys).map(|n| key(keys + 1 + n)).collect();
    let mut found = 0;
    let took = timed(|| {
        for key in &missing {
            found += u64::from(snapshot.get(key).unwrap().is_some());
        }
    });
    assert!(found < 10, "{found}");
    rate(&format!("{name} missing"), keys, took);
    let mut sum = 0;
    for turn in 0..2 {
        let took = timed(|| {
            let mut cursor = snapshot.cursor();
            let mut pair = cursor.first().unwrap();
            while let Some((key, value)) = pair {
                sum += key.len() + usize::from(value[0]);
                pair = cursor.next().unwrap();
            }
        });
        rate(&format!("{name} scan{turn}"), keys, took);
    }
    let starts: Vec<[u8; 24]> = (0..keys / 4).map(|n| key(scattered(n) % keys)).collect();
    let took = timed(|| {
        for start in &starts {
            let mut cursor = snapshot.cursor();
            let mut pair = cursor.seek(start).unwrap();
            for _ in 0..10 {
                let Some((_, value)) = pair else { break };
                sum += usize::from(value[0]);
                pair = cursor.next().unwrap();
            }
        }
    });
    rate(&format!("{name} ranges_of_ten"), keys / 4, took);
    assert!(sum > 0);
}

fn disk_bytes(db: &Db) -> u64 {
    let files = std::fs::read_dir(db.path()).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}

fn memory(db: &Db, what: &str) {
    let statistics = db.statistics().unwrap();
    println!(
        "figure {what} keys={} bytes_per_key_beside={:.1} index_bytes={} verified_bytes={} chunks={} log={} live={}",
        statistics.keys,
        statistics.memory_bytes_per_key(),
        statistics.index_bytes,
        statistics.verified_bytes,
        statistics.chunks,
        statistics.log_bytes,
        statistics.live_bytes
    );
}

fn reopened(db: Db, what: &str) -> Db {
    let path = db.path().to_path_buf();
    let took = timed(|| db.close().unwrap());
    println!("figure {what} close_ms={}", took.as_millis());
    drop(db);
    let began = Instant::now();
    let db = Db::open(path).unwrap();
    println!(
        "figure {what} open_ms={} replayed={}",
        began.elapsed().as_millis(),
        db.recovery().replayed_commits
    );
    db
}

fn keys() -> u64 {
    std::env::var("FIGURES_KEYS")
        .ok()
        .and_then(|keys| keys.parse().ok())
        .unwrap_or(1_000_000)
}

#[test]
#[ignore = "a measurement"]
fn figures_of_reading_and_loading() {
    for (name, key) in [
        ("random", random_key as fn(u64) -> [u8; 24]),
        ("user", user_key),
    ] {
        let keys = keys();
        let directory = tempfile::tempdir().unwrap();
        let db = Db::open(directory.path().join("db")).unwrap();
        rate(&format!("{name} bulk_load"), keys, load(&db, keys, key));
        memory(&db, name);
        reads(&db, keys, key, name);
        let db = reopened(db, name);
        let took = timed(|| db.compact().unwrap());
        rate(&format!("{name} compact"), keys, took);
        let live = keys * 174;
        println!(
            "figure {name} space={:.4}",
            disk_bytes(&db) as f64 / live as f64
        );
        reads(&db, keys, key, &format!("{name} compacted"));
        let db = reopened(db, &format!("{name} compacted"));
        println!(
            "figure {name} space={:.4}",
            disk_bytes(&db) as f64 / live as f64
        );
        memory(&db, name);
    }
}

#[test]
#[ignore = "a measurement"]
fn figures_of_commits() {
    let keys = keys();
    let directory = tempfile::tempdir().unwrap();
    let db = Options::new()
        .background(false)
        .open(directory.path().join("db"))
        .unwrap();
    load(&db, keys, random_key);
    let mut next = keys;
    let mut commits = |what: &str, count: u64, each: u64, durability: Durability| {
        let took = timed(|| {
            for _ in 0..count {
                let mut tx = db.begin().unwrap();
                for _ in 0..each {
                    next += 1;
                    tx.put(random_key(next), [7; 150]).unwrap();
                }
                tx.commit_with(durability).unwrap();
            }
        });
        rate(what, count * each, took);
    };
    commits("deferred_commits_of_1", 300_000, 1, Durability::Deferred);
    commits("buffered_commits_of_1", 300_000, 1, Durability::Buffered);
    commits("durable_commits_of_1000", 300, 1_000, Durability::Sync);
    commits("durable_commits_of_1", 5_000, 1, Durability::Sync);
    memory(&db, "after_commits");
    let took = timed(|| {
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let db = &db;
                scope.spawn(move || {
                    for number in 0..2_500 {
                        let key = random_key(1 << 40 | thread << 20 | number);
                        db.update(|tx| tx.put(key, [7; 150])).unwrap();
                    }
                });
            }
        });
    });
    rate("durable_commits_of_1_on_8_threads", 20_000, took);
    let took = timed(|| {
        for batch in 0..100 {
            db.update(|tx| (0..5_000).try_for_each(|n| tx.delete(random_key(batch * 5_000 + n))))
                .unwrap();
        }
    });
    rate("removals_of_5000", 500_000, took);
    let live = db.statistics().unwrap().keys * 174;
    rate(
        "compact",
        db.statistics().unwrap().keys,
        timed(|| db.compact().unwrap()),
    );
    let space = disk_bytes(&db) as f64 / live as f64;
    println!("figure space_after_removals_and_compaction={space:.4}");
    assert!(space <= 1.10, "{space}");
    memory(&db, "after_compaction");
}

/// Beside the keys: how much each takes, loaded in large commits, read once, and then grown by a
/// tenth in commits of one.
#[test]
#[ignore = "a measurement"]
fn figures_of_memory() {
    for keys in [keys(), 10 * keys()] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options::new().background(false);
        let db = options.open(directory.path().join("db")).unwrap();
        for from in (0..keys).step_by(100_000) {
            db.update(|tx| {
                (from..from + 100_000).try_for_each(|index| tx.put(random_key(index), [7; 40]))
            })
            .unwrap();
        }
        let told = |when: &str| {
            let statistics = db.statistics().unwrap();
            let each = statistics.memory_bytes_per_key();
            let keys = statistics.keys;
            println!("figure memory when={when} keys={keys} bytes_per_key={each:.1}");
            assert!(each <= 48.0, "{each} bytes for each key");
        };
        told("loaded");
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.range(..).count() as u64, keys);
        drop(snapshot);
        told("read");
        for index in keys..keys + keys / 10 {
            let mut tx = db.begin().unwrap();
            tx.put(random_key(index), [7; 40]).unwrap();
            tx.commit_with(Durability::Deferred).unwrap();
        }
        told("grown");
    }
}

#[test]
#[ignore = "a measurement"]
fn figures_of_opening() {
    for (name, key) in [
        ("random", random_key as fn(u64) -> [u8; 24]),
        ("user", user_key),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("db");
        let open = || Options::new().background(false).open(&path).unwrap();
        let db = open();
        load(&db, keys(), key);
        db.close().unwrap();
        drop(db);
        for turn in 0..6 {
            let mut db = None;
            let took = timed(|| db = Some(open()));
            let cpu_ms = took.cpu.as_millis();
            let wall_ms = took.as_millis();
            println!("figure {name} open{turn} wall_ms={wall_ms} cpu_ms={cpu_ms}");
            let db = db.unwrap();
            assert_eq!(db.recovery().replayed_commits, 0);
            assert!(db.snapshot().unwrap().len() >= keys() - 10);
        }
    }
}

/// A level and ten words of a vocabulary of 100,000, with a frequency of about one over the rank.
fn text(index: u64) -> String {
    let levels = ["debug", "info", "warn", "error"];
    let mut text = levels[(scattered(index) % 4) as usize].to_owned();
    for word in 0..10 {
        let share = (scattered(index * 11 + word) >> 11) as f64 / (1_u64 << 53) as f64;
        let rank = 100_000_f64.powf(share) as u64;
        text += &format!(" w{:x}", scattered(rank) >> 40);
    }
    text
}

#[test]
#[ignore = "a measurement"]
fn figures_of_opening_with_a_value_index() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("db");
    let open = |value_index| {
        let options = Options::new().background(false).value_index(value_index);
        options.open(&path).unwrap()
    };
    let db = open(true);
    let loaded = timed(|| {
        for from in (0..keys()).step_by(10_000) {
            db.update(|tx| {
                let mut texts = from..keys().min(from + 10_000);
                texts.try_for_each(|index| tx.put(user_key(index), text(index)))
            })
            .unwrap();
        }
    });
    rate("texts load", keys(), loaded);
    db.close().unwrap();
    drop(db);
    for turn in 0..10 {
        let value_index = turn % 2 == 0;
        let mut db = None;
        let took = timed(|| db = Some(open(value_index)));
        let (cpu_ms, wall_ms) = (took.cpu.as_millis(), took.as_millis());
        println!(
            "figure texts open{turn} value_index={value_index} wall_ms={wall_ms} cpu_ms={cpu_ms}"
        );
        let db = db.unwrap();
        assert_eq!(db.recovery().replayed_commits, 0);
        let snapshot = db.snapshot().unwrap();
        let mut found = 0;
        let asked = timed(|| {
            found = snapshot
                .query("value like 'error' limit 10")
                .unwrap()
                .count()
        });
        println!(
            "figure texts first_query_us={} rows={found}",
            asked.wall.as_micros()
        );
    }
}
