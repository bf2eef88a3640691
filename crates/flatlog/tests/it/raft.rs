//! Commit indexes, snapshot streams and restore.

use flatlog::{Db, Error, ErrorKind, Options};
use kv_api::Durability;

use crate::support::{assert_sound, fresh, pairs};

#[test]
fn an_entry_is_applied_once_also_after_a_restart() {
    let (_directory, path) = fresh();
    for _ in 0..2 {
        let db = Db::open(&path).unwrap();
        for index in [3, 4, 9] {
            match db.begin_at(index) {
                Ok(mut tx) => {
                    tx.put(b"count", index.to_string()).unwrap();
                    assert_eq!(tx.commit().unwrap(), index);
                }
                Err(Error::AlreadyApplied { index: asked, last }) => {
                    assert_eq!((asked, last), (index, 9));
                }
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(db.last_commit_index().unwrap(), 9);
        assert_eq!(db.snapshot().unwrap().commit_index_of("count"), Some(9));
        db.close().unwrap();
    }
}

#[test]
fn an_entry_without_changes_moves_the_index_and_a_commit_takes_the_next_one() {
    let (_directory, path) = fresh();
    let db = Db::open(&path).unwrap();
    db.begin_at(7).unwrap().commit().unwrap();
    drop(db);
    let db = Db::open(&path).unwrap();
    assert_eq!(db.last_commit_index().unwrap(), 7);
    let mut tx = db.begin().unwrap();
    tx.put(b"a", b"").unwrap();
    assert_eq!(tx.commit().unwrap(), 8);
}

#[test]
fn indexes_survive_compaction_checkpoint_and_restore() {
    let (_directory, path) = fresh();
    let db = Db::open(&path).unwrap();
    for index in 1..=300_u64 {
        let mut tx = db.begin_at(index * 10).unwrap();
        tx.put((index % 50).to_be_bytes(), index.to_be_bytes())
            .unwrap();
        tx.commit_with(Durability::Buffered).unwrap();
    }
    let check = |db: &Db| {
        let snapshot = db.snapshot().unwrap();
        for index in 251..=300_u64 {
            let found = snapshot.commit_index_of((index % 50).to_be_bytes());
            assert_eq!(found, Some(index * 10));
        }
        assert_eq!(snapshot.last_commit_index(), 3_000);
    };
    db.compact().unwrap();
    check(&db);
    db.checkpoint().unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    drop(db);
    let db = Db::open(&path).unwrap();
    check(&db);
    let other = Db::open(path.with_file_name("other")).unwrap();
    other.restore(&mut stream.as_slice(), |_| true).unwrap();
    check(&other);
    assert_eq!(pairs(&other), pairs(&db));
    assert_sound(&other);
}

#[test]
fn a_broken_or_cancelled_stream_leaves_the_old_state() {
    let (_directory, path) = fresh();
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| (0..100_u8).try_for_each(|number| tx.put([number], [number; 99])))
        .unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    db.update(|tx| tx.put(b"newer", b"")).unwrap();
    let before = pairs(&db);
    for cut in (0..stream.len()).step_by(97) {
        let error = db.restore(&mut &stream[..cut], |_| true).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{cut}");
    }
    for byte in (0..stream.len()).step_by(31) {
        let mut damaged = stream.clone();
        damaged[byte] ^= 4;
        assert!(
            db.restore(&mut damaged.as_slice(), |_| true).is_err(),
            "{byte}"
        );
    }
    assert_eq!(pairs(&db), before);
    let held = db.snapshot().unwrap();
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    assert_eq!(pairs(&db).len(), 100);
    assert_eq!(
        held.range(..).count(),
        101,
        "an old snapshot stays what it is"
    );
}

#[test]
fn the_last_index_outlives_all_records_of_its_commit() {
    let (_directory, path) = fresh();
    let open = || Options::new().background(false).open(&path).unwrap();
    let db = open();
    let mut tx = db.begin_at(40).unwrap();
    tx.put("a", "1").unwrap();
    tx.commit().unwrap();
    let mut tx = db.begin_at(70).unwrap();
    tx.delete("a").unwrap();
    tx.commit().unwrap();
    db.compact().unwrap();
    // Neither put nor tombstone is left, and the store is not closed.
    drop(db);
    let db = open();
    assert_eq!(db.last_commit_index().unwrap(), 70);
    let error = db.begin_at(70).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyApplied);
}

#[test]
fn the_last_index_of_a_restored_stream_is_the_stores_own_also_after_a_restart() {
    let (_directory, path) = fresh();
    let open = |name: &str| {
        let options = Options::new().background(false);
        options.open(path.with_file_name(name)).unwrap()
    };
    let put_at = |db: &Db, index: u64, key: &str| {
        let mut tx = db.begin_at(index).unwrap();
        tx.put(key, "1").unwrap();
        tx.commit().unwrap();
    };
    let source = open("source");
    put_at(&source, 40, "a");
    // No pair has this index.
    source.begin_at(70).unwrap().commit().unwrap();
    let mut stream = Vec::new();
    source.snapshot_to(&mut stream, |_| true).unwrap();
    for (name, before) in [("behind", 5), ("ahead", 900)] {
        let db = open(name);
        put_at(&db, before, "b");
        db.restore(&mut stream.as_slice(), |_| true).unwrap();
        assert_eq!(db.last_commit_index().unwrap(), 70, "{name}");
        let error = db.begin_at(70).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyApplied, "{name}");
        drop(db);
        let db = open(name);
        assert_eq!(db.last_commit_index().unwrap(), 70, "{name}");
        put_at(&db, 71, "c");
        drop(db);
        let db = open(name);
        assert_eq!(pairs(&db).len(), 2, "{name}");
        assert_eq!(db.last_commit_index().unwrap(), 71, "{name}");
    }
}
