//! Transactions: who waits for whom, what is undone, and what runs after a commit.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kv_api::Durability;
use txn::{Db, Error, ErrorKind, Options};

use crate::support::{Contents, Scratch, assert_clean, assert_kind, contents, fill, newest, quick};

fn value(db: &Db) -> Option<Vec<u8>> {
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket_if_exists("b").unwrap()?;
    bucket.get("key").unwrap().map(<[u8]>::to_vec)
}

fn put(db: &Db, value: &str) {
    db.update(|tx| tx.create_bucket_if_missing("b")?.put("key", value))
        .unwrap();
}

#[test]
fn a_rollback_a_drop_an_error_and_a_panic_all_forget_the_changes() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..2000, 60);
        Ok(())
    })
    .unwrap();
    put(&db, "kept");
    let (before, txid) = (newest(&db), db.info().unwrap().txid);
    let change = |tx: &mut txn::Transaction| -> txn::Result<()> {
        tx.bucket("b")?.put("key", "lost")?;
        tx.bucket("b")?.delete_range("000100".."001900")?;
        tx.create_bucket("lost")?.put("key", vec![1; 100_000])
    };
    let mut tx = db.begin().unwrap();
    change(&mut tx).unwrap();
    tx.rollback();
    let mut tx = db.begin().unwrap();
    change(&mut tx).unwrap();
    drop(tx);
    let refused = db.update(|tx| {
        change(tx)?;
        Err::<(), _>(Error::other(std::io::Error::other("mine")))
    });
    assert_eq!(assert_kind(refused, ErrorKind::Other), "mine");
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        db.update(|tx| {
            change(tx)?;
            if tx.id() > 0 {
                panic!("on purpose");
            }
            Ok(())
        })
    }));
    let words = panicked.unwrap_err().downcast::<&str>().unwrap();
    assert_eq!(*words, "on purpose");
    assert_eq!((newest(&db), db.info().unwrap().txid), (before, txid));
    // The writer is free and the next commit sound.
    put(&db, "after");
    assert_eq!(value(&db).unwrap(), b"after");
    scratch.close_clean(db);
}

#[test]
fn numbers_grow_with_every_commit_and_only_then() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    assert_eq!(db.info().unwrap().txid, 1);
    for expected in 2..20 {
        let tx = db.begin().unwrap();
        assert_eq!(tx.id(), expected);
        tx.rollback();
        let mut tx = db.begin().unwrap();
        assert_eq!(tx.id(), expected);
        tx.create_bucket_if_missing("b")
            .unwrap()
            .put("key", "v")
            .unwrap();
        tx.commit().unwrap();
        assert_eq!(db.snapshot().unwrap().id(), expected);
    }
}

#[test]
fn a_reader_may_not_write() {
    let scratch = Scratch::new();
    put(&scratch.open(), "value");
    let db = Options::new().read_only(true).open(&scratch.path).unwrap();
    assert!(db.is_read_only());
    let read_only = ErrorKind::ReadOnly;
    assert_kind(db.begin(), read_only);
    assert_kind(db.try_begin(), read_only);
    assert_kind(db.update(|_| Ok(())), read_only);
    assert_kind(db.batch(|_| Ok(())), read_only);
    assert_kind(db.update_grouped(|_| Ok(())), read_only);
    assert_kind(db.sync(), read_only);
    assert_eq!(value(&db).unwrap(), b"value");
    assert_clean(&db);
}

#[test]
fn there_is_one_write_transaction_at_a_time() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let mut tx = db.begin().unwrap();
    assert!(db.try_begin().unwrap().is_none());
    tx.create_bucket("b").unwrap().put("key", "first").unwrap();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| {
            db.update(|tx| {
                assert_eq!(tx.bucket("b")?.get("key")?, Some(&b"first"[..]));
                tx.bucket("b")?.put("key", "second")
            })
        });
        std::thread::sleep(Duration::from_millis(100));
        assert!(!second.is_finished());
        assert_eq!(value(&db), None, "readers see neither");
        tx.commit().unwrap();
        second.join().unwrap().unwrap();
    });
    assert_eq!(value(&db).unwrap(), b"second");
    drop(db.try_begin().unwrap().expect("no one writes"));
}

#[test]
fn syncing_and_listing_versions_do_not_wait_for_an_open_transaction() {
    let scratch = Scratch::new();
    let db = Options::new().open(&scratch.path).unwrap();
    let commit = |durability| {
        let mut tx = db.begin().unwrap();
        tx.create_bucket_if_missing("b")
            .unwrap()
            .put("key", "deferred")
            .unwrap();
        tx.commit_with(durability).unwrap();
    };
    for deferred in 0..4 {
        (0..deferred).for_each(|_| commit(Durability::Deferred));
        let mut tx = db.begin().unwrap();
        db.sync().unwrap();
        assert_eq!(db.held_versions().unwrap(), []);
        tx.create_bucket_if_missing("b")
            .unwrap()
            .put("open", "value")
            .unwrap();
        // The commits before it are in the file already, and this one is not.
        let copy = scratch.beside("copy.db");
        std::fs::copy(&scratch.path, &copy).unwrap();
        let synced = Db::open(&copy).unwrap();
        assert_eq!(newest(&synced), newest(&db));
        assert_clean(&synced);
        drop(synced);
        let number = tx.id();
        tx.commit().unwrap();
        // Its number's slot is where it stands, as every other program expects.
        let bytes = std::fs::read(&scratch.path).unwrap();
        let at = (number % 2) as usize * 4096 + 64;
        assert_eq!(bytes[at..at + 8], number.to_le_bytes());
        std::fs::copy(&scratch.path, &copy).unwrap();
        assert_eq!(Db::open(&copy).unwrap().info().unwrap().txid, number);
    }
    scratch.close_clean(db);
}

#[test]
fn handlers_run_in_order_after_the_commit_and_never_after_a_rollback() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = |tx: &mut txn::Transaction, word: &'static str| {
        let (db, seen) = (db.clone(), Arc::clone(&seen));
        tx.on_commit(move || {
            // Everything is visible, and a handler may begin a transaction of its own.
            let visible = value(&db);
            db.update(|tx| tx.create_bucket_if_missing("log")?.put(word, ""))
                .unwrap();
            seen.lock().unwrap().push((word, visible));
        });
    };
    db.update(|tx| {
        note(tx, "one");
        tx.create_bucket("b")?.put("key", "value")?;
        note(tx, "two");
        note(tx, "three");
        Ok(())
    })
    .unwrap();
    let all = seen.lock().unwrap().drain(..).collect::<Vec<_>>();
    let visible = Some(b"value".to_vec());
    assert_eq!(
        all,
        ["one", "two", "three"].map(|word| (word, visible.clone()))
    );
    let refused = db.update(|tx| {
        note(tx, "never");
        Err::<(), _>(Error::Conflict)
    });
    assert_kind(refused, ErrorKind::Conflict);
    let mut tx = db.begin().unwrap();
    note(&mut tx, "never");
    drop(tx);
    assert_eq!(seen.lock().unwrap().len(), 0);
    assert_eq!(newest(&db).buckets[&b"log"[..]].pairs.len(), 3);
}

#[test]
fn handles_move_between_threads() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    put(&db, "old");
    let (mut tx, snapshot) = (db.begin().unwrap(), db.snapshot().unwrap());
    tx.bucket("b").unwrap().put("key", "half").unwrap();
    let tx = std::thread::spawn(move || {
        tx.bucket("b").unwrap().put("key", "new").unwrap();
        tx
    })
    .join()
    .unwrap();
    std::thread::spawn(move || tx.commit())
        .join()
        .unwrap()
        .unwrap();
    let shown = std::thread::spawn(move || contents(&snapshot))
        .join()
        .unwrap();
    assert_eq!(shown.buckets[&b"b"[..]].pairs[&b"key"[..]], b"old");
    assert_eq!(value(&db).unwrap(), b"new");
}

#[test]
fn a_reader_never_waits_for_a_writer_nor_a_writer_for_a_reader() {
    let scratch = Scratch::new();
    let db = scratch.open();
    put(&db, "start");
    let held = db.snapshot().unwrap();
    let before = contents(&held);
    let reads = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let tx = db.begin().unwrap();
        let readers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..200 {
                        assert!(value(&db).is_some());
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        readers
            .into_iter()
            .for_each(|reader| reader.join().unwrap());
        tx.rollback();
        // The file and its mapping grow a thousandfold under the held snapshot.
        for round in 0..20 {
            db.update(|tx| {
                fill(
                    &mut tx.bucket("b")?,
                    round * 1000..round * 1000 + 1000,
                    1000,
                );
                Ok(())
            })
            .unwrap();
        }
    });
    assert_eq!(reads.load(Ordering::Relaxed), 800);
    assert_eq!(contents(&held), before);
    drop(held);
    scratch.close_clean(db);
}

#[test]
fn held_versions_tell_who_holds_what() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..2000, 100);
        Ok(())
    })
    .unwrap();
    let old = db.snapshot().unwrap();
    let clones = [old.clone(), old.clone()];
    assert_eq!(
        db.held_versions().unwrap(),
        [],
        "the current version pins nothing"
    );
    db.update(|tx| tx.bucket("b")?.delete_range(..)).unwrap();
    let young = db.snapshot().unwrap();
    db.update(|tx| tx.bucket("b")?.put("key", "value")).unwrap();
    // What a commit frees is counted when the next transaction begins.
    db.begin().unwrap().rollback();
    let held = db.held_versions().unwrap();
    let ids: Vec<_> = held
        .iter()
        .map(|version| (version.txid, version.holders))
        .collect();
    assert_eq!(ids, [(old.id(), 3), (young.id(), 1)]);
    assert!(held[0].pinned_pages >= 60, "{held:?}");
    assert!(held[0].age >= held[1].age);
    drop((old, clones));
    let held = db.held_versions().unwrap();
    assert_eq!((held.len(), held[0].txid), (1, young.id()));
    drop(young);
    assert_eq!(db.held_versions().unwrap(), []);
    scratch.close_clean(db);
}

#[test]
fn size_and_page_uses_are_those_of_the_version() {
    let scratch = Scratch::new();
    let strict = quick().strict(true);
    let like_bbolt = strict.freelist(txn::FreelistStorage::Always);
    let db = like_bbolt.open(&scratch.path).unwrap();
    let fresh = db.snapshot().unwrap();
    assert_eq!(fresh.size_bytes(), 4 * 4096);
    use txn::PageUse::{Free, Freelist, Leaf, Meta};
    let uses = |db: &Db| {
        let snapshot = db.snapshot().unwrap();
        let pages = (0..).map_while(|id| snapshot.page(id).unwrap());
        pages.map(|page| page.usage).collect::<Vec<_>>()
    };
    assert_eq!(uses(&db), [Meta, Meta, Freelist, Leaf]);
    drop(fresh);
    for _ in 0..11 {
        db.update(|tx| tx.create_bucket_if_missing("b")?.put("key", "value"))
            .unwrap();
    }
    let mut shown = uses(&db);
    shown.sort_by_key(|usage| format!("{usage:?}"));
    assert_eq!(shown, [Free, Free, Freelist, Leaf, Meta, Meta]);
    assert_eq!(db.begin().unwrap().size_bytes(), 6 * 4096);
    assert_eq!(newest(&db), {
        let mut expected = Contents::default();
        let mut bucket = Contents::default();
        bucket.pairs.insert(b"key".to_vec(), b"value".to_vec());
        expected.buckets.insert(b"b".to_vec(), bucket);
        expected
    });
}
