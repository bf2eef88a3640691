//! Levels of durability, as far as a process alone can tell them apart.

use kv_api::Durability;
use txn::{Db, ErrorKind, FreelistStorage, Options};

use crate::support::{Scratch, assert_clean, assert_kind, fill, newest};

fn options() -> Options {
    Options::new().page_bytes(4096).strict(true)
}

fn put(db: &Db, key: &str, durability: Durability) {
    let mut tx = db.begin().unwrap();
    let mut bucket = tx.create_bucket_if_missing("b").unwrap();
    bucket.put(key, "value").unwrap();
    fill(&mut bucket, 0..200, key.len() * 10);
    tx.commit_with(durability).unwrap();
}

fn has(db: &Db, key: &str) -> bool {
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket_if_exists("b").unwrap();
    bucket.is_some_and(|bucket| bucket.get(key).unwrap().is_some())
}

#[test]
fn a_deferred_commit_is_visible_and_lost_by_a_drop() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    put(&db, "sync", Durability::Sync);
    let metas = || std::fs::read(&scratch.path).unwrap()[..8192].to_vec();
    let before = metas();
    let contents = newest(&db);
    for key in ["one", "number two", "the third one"] {
        put(&db, key, Durability::Deferred);
        assert!(has(&db, key));
    }
    assert_eq!(metas(), before, "the file names the last durable version");
    drop(db);
    let db = options().open(&scratch.path).unwrap();
    assert_eq!(newest(&db), contents);
    assert_clean(&db);
    put(&db, "after", Durability::Sync);
    scratch.close_clean(db);
}

#[test]
fn a_sync_a_close_and_a_later_sync_commit_keep_what_was_deferred() {
    type Keep = fn(&Db);
    let keeps: [Keep; 3] = [
        |db| db.sync().unwrap(),
        |db| db.close().unwrap(),
        |db| put(db, "sync", Durability::Sync),
    ];
    for keep in keeps {
        for freelist in [
            FreelistStorage::Deferred,
            FreelistStorage::WhileSmall,
            FreelistStorage::Always,
            FreelistStorage::Never,
        ] {
            let scratch = Scratch::new();
            let db = options().freelist(freelist).open(&scratch.path).unwrap();
            put(&db, "one", Durability::Deferred);
            put(&db, "the second", Durability::Deferred);
            keep(&db);
            drop(db);
            let db = options().freelist(freelist).open(&scratch.path).unwrap();
            assert!(has(&db, "one") && has(&db, "the second"));
            assert_clean(&db);
            put(&db, "after", Durability::Buffered);
            scratch.close_clean(db);
        }
    }
}

#[test]
fn a_sync_commit_without_changes_keeps_what_was_deferred() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    put(&db, "one", Durability::Deferred);
    db.update(|_| Ok(())).unwrap();
    drop(db);
    assert!(has(&options().open(&scratch.path).unwrap(), "one"));
}

#[test]
fn bolt_gives_sync_where_buffered_is_asked() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    put(&db, "one", Durability::Buffered);
    let statistics = db.statistics().unwrap();
    assert!(statistics.syncs >= 2, "{statistics:?}");
    drop(db);
    assert!(has(&options().open(&scratch.path).unwrap(), "one"));
}

#[test]
fn deferred_commits_sync_nothing_and_no_sync_syncs_never() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    put(&db, "sync", Durability::Sync);
    db.update(|tx| {
        fill(&mut tx.create_bucket("room")?, 0..1000, 100);
        Ok(())
    })
    .unwrap();
    let before = db.statistics().unwrap();
    (0..5).for_each(|_| put(&db, "one", Durability::Deferred));
    let since = db.statistics().unwrap().since(&before);
    assert_eq!((since.syncs, since.commits), (0, 5));
    let scratch = Scratch::new();
    let db = options().no_sync(true).open(&scratch.path).unwrap();
    (0..5).for_each(|_| put(&db, "one", Durability::Sync));
    db.sync().unwrap();
    assert_eq!(db.statistics().unwrap().syncs, 0);
    scratch.close_clean(db);
}

#[test]
fn deferred_commits_reuse_pages_but_never_those_of_the_durable_version() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    put(&db, "durable", Durability::Sync);
    let contents = newest(&db);
    for round in 0..200 {
        put(&db, &"x".repeat(1 + round % 7), Durability::Deferred);
        if round % 20 == 0 {
            // What a crash here would leave behind.
            let copy = scratch.beside("crashed.db");
            std::fs::copy(&scratch.path, &copy).unwrap();
            let crashed = options().open(&copy).unwrap();
            assert_eq!(newest(&crashed), contents);
            assert_clean(&crashed);
        }
    }
    let size = db.info().unwrap().size_bytes;
    assert!(size < 60 * 4096, "{size}");
    scratch.close_clean(db);
}

#[test]
fn every_sync_commit_leaves_a_file_that_another_handle_reads_whole() {
    let scratch = Scratch::new();
    let db = options().open(&scratch.path).unwrap();
    let copy = scratch.beside("copy.db");
    for round in 0..20 {
        put(&db, &"k".repeat(1 + round), Durability::Sync);
        std::fs::copy(&scratch.path, &copy).unwrap();
        let read = Options::new().read_only(true).open(&copy).unwrap();
        assert_eq!(newest(&read), newest(&db));
        assert_clean(&read);
        drop(read);
        assert_kind(options().open(&scratch.path), ErrorKind::AlreadyOpen);
    }
}

#[test]
fn a_sync_by_name_is_a_sync_also_under_no_sync() {
    let disk = crash_kit::CrashDisk::new();
    let options = || txn::Options::new().page_bytes(1024).no_sync(true);
    let db = options().disk(disk.as_dyn()).open("/my.db").unwrap();
    db.update(|tx| tx.create_bucket("b")?.put("synced", "yes"))
        .unwrap();
    db.sync().unwrap();
    let after = disk.after_crash(crash_kit::Survivors::Synced);
    let reopened = options().disk(after.as_dyn()).open("/my.db").unwrap();
    let snapshot = reopened.snapshot().unwrap();
    let value = snapshot.bucket("b").unwrap().get("synced").unwrap();
    assert_eq!(value, Some(&b"yes"[..]));
}
