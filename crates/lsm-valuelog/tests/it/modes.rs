//! Ways of opening: for reading only, in memory, without the lock, under an external magic.

use std::path::Path;
use std::time::Duration;

use kv_api::capability::{Backup, Check};
use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;
use crate::pairs::{Pairs, pairs};

/// Names, bytes and times of change of all files.
fn files(path: &Path) -> Vec<(String, Vec<u8>, std::time::SystemTime)> {
    let mut files: Vec<_> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let changed = entry.metadata().unwrap().modified().unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap(), changed)
        })
        .collect();
    files.sort();
    files
}

/// Commits with small and large values, overwrites and deletions; answers what is there then.
fn fill(db: &Db, rounds: u8) -> Pairs {
    let mut expected = Pairs::new();
    for round in 0..rounds {
        let mut tx = db.begin().unwrap();
        for key in 0..20_u8 {
            let value = vec![round ^ key; 10 + 15 * usize::from(key)];
            tx.put(Space::DEFAULT, &[key, round % 5], &value).unwrap();
            expected.insert(vec![key, round % 5], value);
        }
        tx.delete(Space::DEFAULT, &[round, 1]).unwrap();
        expected.remove(&vec![round, 1]);
        tx.commit(Durability::Buffered).unwrap();
        // Without a large value it goes to the other log.
        let small = vec![round; 3];
        db.update(|tx| tx.put(Space::DEFAULT, b"small", &small))
            .unwrap();
        expected.insert(b"small".to_vec(), small);
    }
    expected
}

#[test]
fn a_store_that_was_not_closed_is_read_without_writing_a_byte() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    for is_closed in [false, true] {
        let db = small().open(&path).unwrap();
        let expected = fill(&db, 30);
        if is_closed {
            db.close().unwrap();
        }
        drop(db);
        let before = files(&path);
        for unmapped in [false, true] {
            let options = small().read_without_mapping(unmapped).read_only(true);
            let db = options.open(&path).unwrap();
            assert_eq!(pairs(&db), expected, "closed: {is_closed}");
            assert_eq!(db.recovery().commits > 0, !is_closed);
            let checked = db.check(&mut |finding| panic!("{finding:?}")).unwrap();
            assert_eq!(checked.findings, 0);
            db.sync().unwrap();
            db.close().unwrap();
        }
        assert_eq!(files(&path), before, "closed: {is_closed}");
    }
    let db = small().open(&path).unwrap();
    assert!(!pairs(&db).is_empty(), "and a writer takes it up again");
}

#[test]
fn whatever_would_write_is_refused_where_only_reading_is_allowed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().open(&path).unwrap();
    let expected = fill(&db, 3);
    let mut backup = Vec::new();
    db.backup(&mut backup).unwrap();
    db.close().unwrap();
    drop(db);
    let db = small().read_only(true).open(&path).unwrap();
    let refused = |result: kv_api::Result<()>| {
        assert_eq!(
            result.map_err(|error| error.kind()),
            Err(ErrorKind::ReadOnly)
        );
    };
    refused(db.begin().map(drop));
    refused(db.update(|tx| tx.put(Space::DEFAULT, b"k", b"v")));
    refused(db.flush());
    refused(db.flatten());
    refused(db.collect().map(drop));
    let mut copy = Vec::new();
    db.backup(&mut copy).unwrap();
    assert_eq!(copy, backup, "a backup only reads");
    assert_eq!(pairs(&db), expected);
}

#[test]
fn reading_needs_a_store_and_makes_none() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let missing = Options::new().read_only(true).open(&path);
    assert!(missing.is_err());
    assert!(!path.exists());
    std::fs::create_dir(&path).unwrap();
    let empty = Options::new().read_only(true).open(&path);
    assert_eq!(empty.map(drop).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(files(&path), []);
}

#[test]
fn readers_share_a_store_and_writers_do_not() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    Db::open(&path).unwrap().close().unwrap();
    // Another process, as far as the lock can tell.
    let lock = std::fs::File::open(path.join("LOCK")).unwrap();
    lock.lock_shared().unwrap();
    let readers = Options::new().read_only(true);
    readers.open(&path).unwrap().close().unwrap();
    let writer = Options::new().lock_timeout(Duration::ZERO).open(&path);
    assert_eq!(writer.map(drop).unwrap_err().kind(), ErrorKind::Locked);
    lock.unlock().unwrap();
    lock.lock().unwrap();
    let options = || Options::new().lock_timeout(Duration::ZERO);
    let reader = options().read_only(true).open(&path);
    assert_eq!(reader.map(drop).unwrap_err().kind(), ErrorKind::Locked);
    // Whoever passes the lock by neither waits for it nor keeps others out.
    let one = options().bypass_lock(true).open(&path).unwrap();
    let two = options().bypass_lock(true).read_only(true).open(&path);
    assert_eq!(pairs(&two.unwrap()), Pairs::new());
    one.close().unwrap();
}

#[test]
fn a_store_in_memory_works_as_one_on_a_disk_does() {
    for background in [false, true] {
        let options = small()
            .background(background)
            .idle(Duration::from_millis(1));
        let db = options.open_in_memory().unwrap();
        let expected = fill(&db, 120);
        assert_eq!(pairs(&db), expected);
        // One too large for a memtable goes straight to tables.
        db.update(|tx| tx.put(Space::DEFAULT, b"large", &[7; 100_000]))
            .unwrap();
        db.flatten().unwrap();
        db.update(|tx| tx.delete(Space::DEFAULT, b"large")).unwrap();
        assert_eq!(pairs(&db), expected);
        assert!(db.metrics().compactions > 0);
        assert_eq!(db.value_files(), [], "there is no value log");
        let checked = db.check(&mut |finding| panic!("{finding:?}")).unwrap();
        assert!(checked.units > 0);
        let mut backup = Vec::new();
        db.backup(&mut backup).unwrap();
        let copy = Options::new().open_in_memory().unwrap();
        copy.load(&mut backup.as_slice()).unwrap();
        assert_eq!(pairs(&copy), expected, "stores in memory are strangers");
        let snapshot = db.snapshot().unwrap();
        db.close().unwrap();
        let (key, value) = expected.first_key_value().unwrap();
        let found = snapshot.get(Space::DEFAULT, key).unwrap();
        assert_eq!(found.as_deref(), Some(&**value));
    }
}

#[test]
fn a_store_in_memory_is_new_and_leaves_nothing() {
    let before = std::fs::read_dir(".").unwrap().count();
    let db = Options::new().open_in_memory().unwrap();
    fill(&db, 10);
    db.close().unwrap();
    drop(db);
    let db = Options::new().open_in_memory().unwrap();
    assert_eq!(pairs(&db), Pairs::new());
    assert_eq!(std::fs::read_dir(".").unwrap().count(), before);
    let contradiction = Options::new().read_only(true).open_in_memory();
    assert_eq!(
        contradiction.map(drop).unwrap_err().kind(),
        ErrorKind::Invalid
    );
}

#[test]
fn another_external_magic_is_refused_in_either_direction() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = Options::new().external_magic(7).open(&path).unwrap();
    let expected = fill(&db, 2);
    db.close().unwrap();
    drop(db);
    for (magic, is_read_only) in [(0, false), (8, false), (0, true)] {
        let options = Options::new().external_magic(magic).read_only(is_read_only);
        let error = options.open(&path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("external magic"), "{error}");
    }
    let db = Options::new().external_magic(7).open(&path).unwrap();
    assert_eq!(pairs(&db), expected);
}
