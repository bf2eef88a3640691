//! Closing: who is waited for, what stays valid, and what is answered afterwards.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use txn::{ErrorKind, FreelistStorage, Options};

use crate::support::{Scratch, assert_clean, assert_kind, fill, newest, quick};

#[test]
fn a_closed_database_answers_closed_to_everything() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let clone = db.clone();
    db.close().unwrap();
    for db in [&db, &clone] {
        let closed = ErrorKind::Closed;
        assert_kind(db.snapshot(), closed);
        assert_kind(db.begin(), closed);
        assert_kind(db.try_begin(), closed);
        assert_kind(db.view(|_| Ok(())), closed);
        assert_kind(db.update(|_| Ok(())), closed);
        assert_kind(db.batch(|_| Ok(())), closed);
        assert_kind(db.update_grouped(|_| Ok(())), closed);
        assert_kind(db.sync(), closed);
        assert_kind(db.info(), closed);
        assert_kind(db.statistics(), closed);
        assert_kind(db.held_versions(), closed);
        assert_eq!(db.path(), scratch.path);
        db.close().unwrap();
    }
}

#[test]
fn closing_waits_for_the_open_transaction_and_keeps_what_it_commits() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let mut tx = db.begin().unwrap();
    let closed = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| {
            db.close().unwrap();
            closed.store(true, Ordering::SeqCst);
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!closed.load(Ordering::SeqCst));
        tx.create_bucket("late").unwrap();
        tx.commit().unwrap();
        closing.join().unwrap();
    });
    drop(db);
    assert!(scratch.open().snapshot().unwrap().bucket("late").is_ok());
}

#[test]
fn those_who_wait_for_their_turn_are_told_of_the_closing() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let tx = db.begin().unwrap();
    std::thread::scope(|scope| {
        let closing = scope.spawn(|| db.close());
        let waiting: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| db.update(|_| Ok(()))))
            .collect();
        std::thread::sleep(Duration::from_millis(100));
        drop(tx);
        closing.join().unwrap().unwrap();
        for waiter in waiting {
            // Those who came before the closing got their turn.
            if let Err(error) = waiter.join().unwrap() {
                assert_eq!(error.kind(), ErrorKind::Closed);
            }
        }
    });
    assert_kind(db.begin(), ErrorKind::Closed);
}

#[test]
fn a_snapshot_outlives_the_closing_and_holds_the_file() {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("data")?.put("key", "value"))
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    db.close().unwrap();
    drop(db);
    assert_kind(quick().open(&scratch.path), ErrorKind::AlreadyOpen);
    let bucket = snapshot.bucket("data").unwrap();
    assert_eq!(bucket.get("key").unwrap(), Some(&b"value"[..]));
    let mut copy = Vec::new();
    assert_eq!(snapshot.write_to(&mut copy).unwrap() as usize, copy.len());
    drop(snapshot);
    assert_clean(&scratch.open());
}

#[test]
fn an_owned_value_outlives_everything_it_came_from() {
    use kv_api::{Reader, Snapshot};
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("data")?.put("key", vec![7; 50_000]))
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"data").unwrap().unwrap();
    let value = snapshot.get_bytes(space, b"key").unwrap().unwrap();
    drop(snapshot);
    for round in 0..5 {
        db.update(|tx| tx.bucket("data")?.put("key", vec![round; 50_000]))
            .unwrap();
    }
    assert_eq!(db.held_versions().unwrap().len(), 1);
    drop(db);
    assert!(value.iter().all(|byte| *byte == 7));
    assert_kind(quick().open(&scratch.path), ErrorKind::AlreadyOpen);
    drop(value);
    drop(scratch.open());
}

#[test]
fn dropping_without_closing_loses_nothing_and_frees_the_file() {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("data")?.put("key", "value"))
        .unwrap();
    let mut tx = db.begin().unwrap();
    tx.bucket("data").unwrap().put("key", "never").unwrap();
    drop(db);
    assert_kind(quick().open(&scratch.path), ErrorKind::AlreadyOpen);
    drop(tx);
    let db = scratch.open();
    assert_eq!(
        newest(&db).buckets[&b"data"[..]].pairs[&b"key"[..]],
        b"value"
    );
}

#[test]
fn closing_stores_the_freelist_unless_told_never_to() {
    for freelist in [
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ] {
        let scratch = Scratch::new();
        let options = || {
            Options::new()
                .page_bytes(1024)
                .no_sync(true)
                .freelist(freelist)
        };
        let db = options().open(&scratch.path).unwrap();
        db.update(|tx| {
            fill(&mut tx.create_bucket("data")?, 0..400, 500);
            Ok(())
        })
        .unwrap();
        // More free pages than a list on one page can name.
        db.update(|tx| tx.delete_bucket("data")).unwrap();
        let stored = db.info().unwrap().freelist_page.is_some();
        assert_eq!(stored, freelist == FreelistStorage::Always);
        db.close().unwrap();
        drop(db);
        let db = options().open(&scratch.path).unwrap();
        let stored = db.info().unwrap().freelist_page.is_some();
        assert_eq!(stored, freelist != FreelistStorage::Never);
        assert_clean(&db);
    }
}

#[test]
fn closing_a_database_that_was_only_read_writes_nothing() {
    let scratch = Scratch::new();
    let db = quick()
        .freelist(FreelistStorage::Never)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| tx.create_bucket("data").map(drop)).unwrap();
    db.close().unwrap();
    drop(db);
    let before = std::fs::read(&scratch.path).unwrap();
    for read_only in [false, true] {
        let db = quick().read_only(read_only).open(&scratch.path).unwrap();
        db.snapshot().unwrap().bucket("data").unwrap();
        if !read_only {
            db.begin().unwrap().rollback();
        }
        db.close().unwrap();
        drop(db);
        assert_eq!(std::fs::read(&scratch.path).unwrap(), before);
    }
}
