//! What is loaded from checkpoints, and when they are written.

use crash_kit::{CrashDisk, Survivors};
use flatlog::{Db, Options};
use kv_api::Durability;

use crate::group::slow_disk::SlowDisk;
use crate::support::{assert_sound, fresh, pairs};

fn open(path: &std::path::Path, value_index: bool) -> Db {
    let options = Options::new().value_index(value_index).background(false);
    options.open(path).unwrap()
}

/// More than what is worth a checkpoint.
fn fill(db: &Db) {
    for part in 0..3_u32 {
        db.update(|tx| {
            (0..2_000_u32).try_for_each(|number| {
                let word = format!("word{} {:200}", number % 50, part);
                tx.put((part * 2_000 + number).to_be_bytes(), word)
            })
        })
        .unwrap();
    }
}

fn found(db: &Db, word: &str) -> usize {
    let snapshot = db.snapshot().unwrap();
    let explained = snapshot.explain(&format!("value like '{word}'")).unwrap();
    assert_eq!(explained.touched.values, 0, "the index answers");
    explained.touched.rows as usize
}

/// The store, closed and opened again: nothing was replayed, and no value read.
fn reopened_from_checkpoint(db: Db, what: &str) -> Db {
    let before = pairs(&db);
    let path = db.path().to_path_buf();
    db.close().unwrap();
    drop(db);
    let db = open(&path, true);
    let recovery = db.recovery();
    assert!(recovery.was_closed, "{what}");
    assert_eq!(
        (recovery.replayed_commits, recovery.values_read),
        (0, 0),
        "{what}: commits replayed, values read"
    );
    assert_eq!(pairs(&db), before, "{what}");
    assert_eq!(found(&db, "word7"), 120, "{what}");
    assert_sound(&db);
    db
}

#[test]
fn closing_stores_the_index_and_the_index_over_values() {
    let (_directory, path) = fresh();
    let db = open(&path, true);
    fill(&db);
    let db = reopened_from_checkpoint(db, "after writing");
    let db = reopened_from_checkpoint(db, "after nothing");
    db.compact().unwrap();
    let db = reopened_from_checkpoint(db, "after compaction");
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    assert_eq!(found(&db, "word7"), 120);
    let db = reopened_from_checkpoint(db, "after a restore");
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    db.update(|tx| tx.put("more", "word7")).unwrap();
    db.update(|tx| tx.delete("more")).unwrap();
    reopened_from_checkpoint(db, "after a restore and a commit");
}

#[test]
fn what_an_opening_had_to_read_is_stored_although_nothing_was_written() {
    let (_directory, path) = fresh();
    let db = open(&path, false);
    fill(&db);
    db.close().unwrap();
    drop(db);
    // The checkpoint knows nothing of values.
    let db = open(&path, true);
    assert_eq!(db.recovery().replayed_commits, 0);
    assert_eq!(db.recovery().values_read, 6_000);
    let db = reopened_from_checkpoint(db, "after learning");
    drop(db);
    // The log alone knows all.
    let db = open(&path, true);
    db.compact().unwrap();
    drop(db);
    let db = open(&path, true);
    assert_eq!(db.recovery().values_read, 6_000);
    reopened_from_checkpoint(db, "after replay");
}

#[test]
fn closing_without_an_index_over_values_stores_what_is_not_in_order() {
    let (_directory, path) = fresh();
    let db = open(&path, false);
    fill(&db);
    db.close().unwrap();
    drop(db);
    let db = open(&path, false);
    assert_eq!(db.recovery().replayed_commits, 0);
    // What stands in order is read as fast from the log.
    db.compact().unwrap();
    db.close().unwrap();
    drop(db);
    let names = crate::support::files(&path);
    let has = |end: &str| names.iter().any(|name| name.ends_with(end));
    assert!(!has(".checkpoint"), "{names:?}");
    let db = open(&path, false);
    assert!(db.recovery().replayed_commits > 0);
    assert_eq!(db.recovery().values_read, 0);
}

#[test]
fn the_checkpoint_of_another_store_or_of_another_time_is_refused() {
    let (_directory, path) = fresh();
    let store = |name: &str, id: u8| {
        let path = path.with_file_name(name);
        let options = Options::new().background(false).store_id([id; 16]);
        let db = options.open(&path).unwrap();
        for round in 0..2_u8 {
            db.update(|tx| (0..9_u8).try_for_each(|key| tx.put([key], [round; 40])))
                .unwrap();
            db.checkpoint().unwrap();
            let name = format!("index-{:06}.checkpoint", round + 1);
            std::fs::copy(path.join(&name), path.with_extension(&name)).unwrap();
        }
        db.close().unwrap();
        path
    };
    let (one, two) = (store("one", 1), store("two", 2));
    let named = one.join("index-000002.checkpoint");
    let sound = std::fs::read(&named).unwrap();
    for other in [
        two.join("index-000002.checkpoint"),
        one.with_extension("index-000001.checkpoint"),
    ] {
        std::fs::copy(&other, &named).unwrap();
        let error = Db::open(&one).unwrap_err();
        assert_eq!(error.kind(), flatlog::ErrorKind::Corrupt, "{error}");
        assert!(
            error.to_string().contains("index-000002.checkpoint"),
            "{error}"
        );
    }
    std::fs::write(&named, sound).unwrap();
    assert_eq!(pairs(&Db::open(&one).unwrap()).len(), 9);
}

#[test]
fn a_checkpoint_does_not_tell_of_values_that_a_power_cut_took() {
    let under = CrashDisk::new();
    let open = |disk: std::sync::Arc<dyn disk::Disk>| {
        let options = Options::new().disk(disk).store_id([5; 16]);
        let options = options.read_without_mapping(true).background(false);
        options.value_index(true).open("/store").unwrap()
    };
    let disk = SlowDisk::new(under.as_dyn());
    let db = open(std::sync::Arc::new(disk.clone()));
    db.update(|tx| (0..9_u8).try_for_each(|key| tx.put([key], "durable word")))
        .unwrap();
    let writer = db.clone();
    // Between the version that is written down and the index over its values.
    disk.before_opening("index-", move || {
        let mut tx = writer.begin().unwrap();
        tx.put([3], "lost word").unwrap();
        tx.delete([4]).unwrap();
        tx.commit_with(Durability::Buffered).unwrap();
    });
    db.checkpoint().unwrap();
    assert_eq!(db.last_commit_index().unwrap(), 2);
    let after = open(under.after_crash(Survivors::Synced).as_dyn());
    assert_eq!(after.recovery().replayed_commits, 0);
    assert_eq!(after.recovery().values_read, 2, "of which nothing is known");
    for (query, rows) in [
        ("value like 'durable'", 9),
        ("value like 'lost'", 0),
        ("not value like 'lost'", 9),
        ("value like '*urabl*'", 9),
    ] {
        let snapshot = after.snapshot().unwrap();
        let limits = flatlog::query::Limits {
            index_rows_min: 0,
            ..flatlog::query::Limits::default()
        };
        let found = snapshot.query_within(query, &limits).unwrap().count();
        assert_eq!(found, rows, "{query}");
    }
}
