//! Spaces of `kv-api` beside the engine's own buckets: one transaction, two ways to reach it.

use kv_api::{Durability, Reader, Transaction as _};
use txn::{Db, ErrorKind};

use crate::support::{Scratch, assert_kind, fill, newest};

/// `paged` has pages of its own, `inline` has not.
fn planted(scratch: &Scratch) -> Db {
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("paged")?, 0..300, 50);
        tx.create_bucket("inline")?.put("key", "old")
    })
    .unwrap();
    db
}

const NAMES: [&str; 2] = ["paged", "inline"];

#[test]
fn a_space_shows_what_was_done_to_its_bucket() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    for name in NAMES {
        let mut tx = db.begin().unwrap();
        let space = tx.space(name.as_bytes()).unwrap().unwrap();
        tx.bucket(name).unwrap().put("key", "new").unwrap();
        assert_eq!(
            Reader::get(&tx, space, b"key").unwrap(),
            Some(&b"new"[..]),
            "{name}"
        );
        tx.bucket(name).unwrap().delete("key").unwrap();
        assert_eq!(Reader::get(&tx, space, b"key").unwrap(), None, "{name}");
        tx.put(space, b"other", b"way").unwrap();
        assert_eq!(
            tx.bucket(name).unwrap().get("other").unwrap(),
            Some(&b"way"[..]),
            "{name}"
        );
    }
}

#[test]
fn a_space_whose_bucket_was_deleted_is_stale() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    for name in NAMES {
        let mut tx = db.begin().unwrap();
        let space = tx.space(name.as_bytes()).unwrap().unwrap();
        tx.delete_bucket(name).unwrap();
        assert_kind(Reader::get(&tx, space, b"key"), ErrorKind::NotFound);
        assert_kind(tx.put(space, b"key", b"value"), ErrorKind::NotFound);
        assert!(tx.space(name.as_bytes()).unwrap().is_none());
        tx.create_bucket(name)
            .unwrap()
            .put("key", "another")
            .unwrap();
        assert_kind(Reader::get(&tx, space, b"key"), ErrorKind::NotFound);
        let again = tx.space(name.as_bytes()).unwrap().unwrap();
        assert_eq!(
            Reader::get(&tx, again, b"key").unwrap(),
            Some(&b"another"[..])
        );
    }
}

#[test]
fn a_space_whose_bucket_was_moved_away_is_stale() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    for name in NAMES {
        let mut tx = db.begin().unwrap();
        let space = tx.space(name.as_bytes()).unwrap().unwrap();
        let (top, to) = (tx.root().id(), tx.create_bucket("to").unwrap().id());
        tx.move_bucket(name, top, to).unwrap();
        assert!(tx.space(name.as_bytes()).unwrap().is_none());
        assert_kind(Reader::get(&tx, space, b"key"), ErrorKind::NotFound);
        assert_kind(tx.put(space, b"key", b"value"), ErrorKind::NotFound);
        tx.commit().unwrap();
        let all = newest(&db);
        assert!(!all.buckets.contains_key(name.as_bytes()));
        db.update(|tx| {
            let (top, to) = (tx.root().id(), tx.bucket("to")?.id());
            tx.move_bucket(name, to, top)?;
            tx.delete_bucket("to")
        })
        .unwrap();
    }
}

#[test]
fn a_bucket_moved_to_the_top_is_a_space() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(
            &mut tx.create_bucket("outer")?.create_bucket("inner")?,
            0..300,
            50,
        );
        Ok(())
    })
    .unwrap();
    let mut tx = db.begin().unwrap();
    let (top, outer) = (tx.root().id(), tx.bucket("outer").unwrap().id());
    assert!(tx.space(b"inner").unwrap().is_none());
    tx.move_bucket("inner", outer, top).unwrap();
    let space = tx.space(b"inner").unwrap().unwrap();
    tx.put(space, b"key", b"value").unwrap();
    kv_api::Transaction::commit(tx, Durability::Sync).unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.bucket("inner").unwrap().range(..).count(), 301);
    assert_eq!(Reader::space_names(&snapshot).unwrap().len(), 2);
}

#[test]
fn a_snapshot_answers_for_spaces_inline_and_paged_as_its_buckets_do() {
    let scratch = Scratch::new();
    let db = planted(&scratch);
    let snapshot = db.snapshot().unwrap();
    for name in NAMES {
        let space = snapshot.space(name.as_bytes()).unwrap().unwrap();
        let bucket = snapshot.bucket(name).unwrap();
        let pairs: Vec<_> = Reader::range(&snapshot, space, ..)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(
            pairs,
            bucket.range(..).map(Result::unwrap).collect::<Vec<_>>()
        );
        for (key, value) in pairs {
            assert_eq!(Reader::get(&snapshot, space, key).unwrap(), Some(value));
            let owned = kv_api::Snapshot::get_bytes(&snapshot, space, key).unwrap();
            assert_eq!(owned.as_deref(), Some(value));
        }
        assert_kind(
            Reader::get(&snapshot.clone(), space, b"key"),
            ErrorKind::Invalid,
        );
    }
}
