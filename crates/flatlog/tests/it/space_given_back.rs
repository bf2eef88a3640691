//! Compaction, by hand and by itself, and exact accounts of what is live.

use crash_kit::{CrashDisk, Survivors};
use flatlog::{Db, Options};
use kv_api::Durability;

use crate::support::{assert_sound, bytes_of, fresh, pairs};

fn key(number: u32) -> Vec<u8> {
    format!("key {number:020}").into_bytes()
}

fn churn(db: &Db, rounds: u32) {
    for round in 0..rounds {
        let mut tx = db.begin().unwrap();
        for number in 0..50 {
            tx.put(key(number * 7 % 400), [round as u8; 150]).unwrap();
            tx.delete(key((number + round) % 400)).unwrap();
        }
        tx.commit_with(Durability::Buffered).unwrap();
    }
}

#[test]
fn compaction_gives_back_all_but_the_pairs_and_a_twentieth() {
    let (_directory, path) = fresh();
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| (0..20_000).try_for_each(|number| tx.put(key(number), [1; 150])))
        .unwrap();
    db.update(|tx| (0..10_000).try_for_each(|number| tx.delete(key(number * 2))))
        .unwrap();
    let held = db.snapshot().unwrap();
    db.compact().unwrap();
    let live = 10_000 * 174;
    let bytes = bytes_of(&path);
    assert!(bytes as f64 <= live as f64 * 1.05, "{bytes} for {live}");
    assert_eq!(
        held.range(..).count(),
        10_000,
        "a snapshot reads what was removed"
    );
    assert_sound(&db);
    let before = pairs(&db);
    db.close().unwrap();
    drop((held, db));
    assert!(bytes_of(&path) as f64 <= live as f64 * 1.05);
    let db = Db::open(&path).unwrap();
    assert_eq!(pairs(&db), before);
}

#[test]
fn segments_with_many_dead_bytes_are_compacted_and_nothing_comes_back() {
    let (_directory, path) = fresh();
    let open = || {
        Options::new()
            .segment_bytes(16 << 10)
            .background(false)
            .open(&path)
            .unwrap()
    };
    let db = open();
    for round in 0..12 {
        churn(&db, 20);
        let before = pairs(&db);
        db.tidy().unwrap();
        assert_eq!(pairs(&db), before, "round {round}");
        assert_sound(&db);
    }
    let statistics = db.statistics().unwrap();
    assert!(
        statistics.log_bytes < 3 * statistics.live_bytes + (64 << 10),
        "{} for {}",
        statistics.log_bytes,
        statistics.live_bytes
    );
    let before = pairs(&db);
    drop(db);
    assert_eq!(pairs(&open()), before);
}

#[test]
fn live_bytes_are_exact_whatever_way_the_index_came_about() {
    let (_directory, path) = fresh();
    let open = || {
        Options::new()
            .segment_bytes(16 << 10)
            .background(false)
            .open(&path)
            .unwrap()
    };
    let db = open();
    churn(&db, 60);
    db.tidy().unwrap();
    churn(&db, 10);
    let replayed = {
        let before = db.statistics().unwrap().segments;
        db.sync().unwrap();
        drop(db);
        let db = open();
        assert_eq!(
            db.statistics().unwrap().segments,
            before,
            "replay counts the same"
        );
        db.checkpoint().unwrap();
        drop(db);
        open()
    };
    let statistics = replayed.statistics().unwrap();
    let counted: u64 = statistics
        .segments
        .iter()
        .map(|segment| segment.live_bytes)
        .sum();
    assert_eq!(counted, statistics.live_bytes);
    replayed.compact().unwrap();
    let compacted = replayed.statistics().unwrap();
    assert_eq!(compacted.keys, pairs(&replayed).len() as u64);
    for segment in &compacted.segments {
        assert!(
            segment.bytes - segment.live_bytes < 64 + 36 * 40,
            "{segment:?}"
        );
    }
}

#[test]
fn the_background_thread_gives_space_back_by_itself() {
    let (_directory, path) = fresh();
    let db = Options::new().segment_bytes(32 << 10).open(&path).unwrap();
    let began = std::time::Instant::now();
    loop {
        churn(&db, 50);
        let statistics = db.statistics().unwrap();
        let removed = !path.join("values-000001.data").exists();
        if removed && statistics.last_commit_index > 1_000 {
            break;
        }
        // The thread is slower than a writer that syncs nothing.
        std::thread::sleep(std::time::Duration::from_millis(20));
        let bytes = (statistics.log_bytes, statistics.live_bytes);
        assert!(began.elapsed().as_secs() < 300, "{bytes:?}");
    }
    assert_sound(&db);
}

#[test]
fn a_store_dropped_or_closed_while_its_thread_works_can_be_opened_at_once() {
    let (_directory, path) = fresh();
    for round in 0..30 {
        let db = Options::new()
            .segment_bytes(4 << 10)
            .checkpoint_bytes(8 << 10)
            .open(&path)
            .unwrap();
        churn(&db, 10);
        if round % 2 == 0 {
            db.close().unwrap();
            let (clone, closed) = (db.clone(), db);
            drop(closed);
            assert!(clone.snapshot().is_err());
        }
    }
    let db = Db::open(&path).unwrap();
    assert_sound(&db);
}

/// Writes until the log goes on in another segment: what dies with the next call of this.
fn fill_segment(db: &Db) {
    let segments = || db.statistics().unwrap().segments.len();
    let before = segments();
    while segments() == before {
        let mut tx = db.begin().unwrap();
        tx.put("filler", [0; 200]).unwrap();
        tx.commit_with(Durability::Sync).unwrap();
    }
}

#[test]
fn a_tombstone_stays_as_long_as_an_older_segment_may_hold_its_key() {
    let (_directory, path) = fresh();
    let open = || {
        let options = Options::new().segment_bytes(8 << 10).background(false);
        options.open(&path).unwrap()
    };
    let db = open();
    // A segment that stays, for nearly all of it is live.
    db.update(|tx| {
        let space = kv_api::Transaction::create_space(tx, b"dropped")?;
        tx.put_in(space, "inner", "1")?;
        tx.put("deleted", "1")?;
        (0..40).try_for_each(|number| tx.put(key(number), [1; 150]))
    })
    .unwrap();
    let first = db.statistics().unwrap().segments[0].clone();
    fill_segment(&db);
    // A segment that goes, for its fillers are dead.
    db.update(|tx| {
        kv_api::Transaction::drop_space(tx, b"dropped")?;
        tx.delete("deleted")
    })
    .unwrap();
    fill_segment(&db);
    fill_segment(&db);
    let before = pairs(&db);
    assert!(!before.contains_key(&b"deleted"[..]));
    let segments = |db: &Db| -> Vec<_> {
        let segments = db.statistics().unwrap().segments;
        segments.into_iter().map(|segment| segment.file).collect()
    };
    let old = segments(&db);
    db.tidy().unwrap();
    assert_ne!(segments(&db), old, "something was compacted");
    assert!(segments(&db).contains(&first.file), "but not the first");
    drop(db);
    let db = open();
    assert_eq!(pairs(&db), before);
    let names = kv_api::Reader::space_names(&db.snapshot().unwrap()).unwrap();
    assert!(names.is_empty(), "{names:?}");
    assert_sound(&db);
}

#[test]
fn a_record_is_not_given_up_for_a_newer_one_that_a_power_cut_may_take() {
    let disk = CrashDisk::new();
    let options = || {
        Options::new()
            .segment_bytes(4 << 10)
            .background(false)
            .store_id([1; 16])
    };
    let db = options().disk(disk.as_dyn()).open("/store").unwrap();
    db.update(|tx| tx.put("key", "durable")).unwrap();
    fill_segment(&db);
    fill_segment(&db);
    let mut tx = db.begin().unwrap();
    tx.put("key", "not yet").unwrap();
    tx.commit_with(Durability::Buffered).unwrap();
    db.tidy().unwrap();
    let after = disk.after_crash(Survivors::Synced);
    let after = options().disk(after.as_dyn()).open("/store").unwrap();
    let snapshot = after.snapshot().unwrap();
    let value = snapshot.get("key").unwrap().map(|value| value.to_vec());
    assert!(value.is_some(), "both values are gone");
}
