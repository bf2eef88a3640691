//! Older versions, versions of the caller's choice, and what gives history up.

use kv_api::{Durability, Error, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, ItemOptions, Sequence};

use crate::conformance::small;

fn value_at(db: &Db, version: u64, key: &[u8]) -> Result<Option<Vec<u8>>, ErrorKind> {
    let snapshot = db
        .snapshot_at(Sequence(version))
        .map_err(|error| error.kind())?;
    let value = snapshot.get(Space::DEFAULT, key).unwrap();
    Ok(value.map(|value| value.to_vec()))
}

fn put_at(db: &Db, version: u64, key: &[u8], value: &[u8]) -> Result<(), Error> {
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, key, value)?;
    tx.commit_at(Sequence(version), Durability::Sync)
}

fn versions(db: &Db, key: &[u8]) -> Vec<u64> {
    let snapshot = db.snapshot().unwrap();
    let items = snapshot.versions_of(Space::DEFAULT, key).unwrap();
    items.map(|item| item.unwrap().version().0).collect()
}

#[test]
fn a_store_with_history_shows_every_version_whatever_is_written_and_merged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || small().keep_history(true).open(&path).unwrap();
    let mut db = open();
    for version in 1..=200_u64 {
        let key = [b'a' + (version % 3) as u8];
        let value = vec![version as u8; if version % 4 == 0 { 300 } else { 20 }];
        db.update(|tx| match version % 10 {
            7 => tx.delete(Space::DEFAULT, &key),
            _ => tx.put(Space::DEFAULT, &key, &value),
        })
        .unwrap();
    }
    let wanted = |version: u64, key: u8| {
        let newest = (1..=version).rfind(|version| b'a' + (version % 3) as u8 == key)?;
        let len = if newest % 4 == 0 { 300 } else { 20 };
        (newest % 10 != 7).then(|| vec![newest as u8; len])
    };
    for round in 0..3 {
        for version in 0..=200 {
            for key in [b'a', b'b', b'c'] {
                assert_eq!(
                    value_at(&db, version, &[key]),
                    Ok(wanted(version, key)),
                    "{version} {key} in round {round}"
                );
            }
        }
        db.flatten().unwrap();
        db.collect().unwrap();
        if round == 1 {
            db.close().unwrap();
            drop(db);
            db = open();
        }
    }
    assert_eq!(db.oldest_version(), Sequence(0));
    assert_eq!(db.newest_version(), Sequence(200));
}

#[test]
fn history_that_was_given_up_is_refused_and_its_space_comes_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || small().keep_history(true).open(&path).unwrap();
    let db = open();
    for version in 1..=50_u64 {
        put_at(&db, version, b"key", &[version as u8; 20]).unwrap();
    }
    let held = db.snapshot_at(Sequence(10)).unwrap();
    let missing = db.discard_before(Sequence(51)).unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::Invalid);
    db.discard_before(Sequence(40)).unwrap();
    db.discard_before(Sequence(30)).unwrap();
    assert_eq!(
        db.oldest_version(),
        Sequence(40),
        "the mark never goes back"
    );
    db.flatten().unwrap();
    assert_eq!(versions(&db, b"key"), (40..=50).rev().collect::<Vec<_>>());
    assert_eq!(value_at(&db, 39, b"key"), Err(ErrorKind::NotFound));
    assert_eq!(value_at(&db, 40, b"key"), Ok(Some(vec![40; 20])));
    let refused = db.begin_at(Sequence(39)).map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    assert_eq!(
        held.get(Space::DEFAULT, b"key").unwrap().as_deref(),
        Some(&[10; 20][..])
    );
    db.close().unwrap();
    drop((held, db));
    let db = open();
    assert_eq!(db.oldest_version(), Sequence(40), "and is remembered");
    assert_eq!(value_at(&db, 39, b"key"), Err(ErrorKind::NotFound));
    assert_eq!(value_at(&db, 45, b"key"), Ok(Some(vec![45; 20])));
}

#[test]
fn a_store_without_history_refuses_what_its_tables_may_have_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    put_at(&db, 1, b"key", b"1").unwrap();
    put_at(&db, 2, b"key", b"2").unwrap();
    assert_eq!(
        value_at(&db, 1, b"key"),
        Ok(Some(b"1".to_vec())),
        "still in memory"
    );
    db.flush().unwrap();
    assert_eq!(value_at(&db, 1, b"key"), Err(ErrorKind::NotFound));
    assert_eq!(value_at(&db, 2, b"key"), Ok(Some(b"2".to_vec())));
    assert_eq!(db.oldest_version(), Sequence(2));
    assert_eq!(
        db.discard_before(Sequence(2)).unwrap_err().kind(),
        ErrorKind::Invalid
    );
    drop(db);
    // History that began late does not pretend to reach back further.
    let db = small().keep_history(true).open(&path).unwrap();
    put_at(&db, 3, b"key", b"3").unwrap();
    db.flatten().unwrap();
    assert_eq!(value_at(&db, 1, b"key"), Err(ErrorKind::NotFound));
    assert_eq!(value_at(&db, 2, b"key"), Ok(Some(b"2".to_vec())));
}

#[test]
fn as_many_versions_are_kept_as_were_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .versions_to_keep(3)
        .open(directory.path().join("store"))
        .unwrap();
    for version in 1..=10_u64 {
        put_at(&db, version, b"key", &[version as u8; 20]).unwrap();
    }
    db.flatten().unwrap();
    assert_eq!(versions(&db, b"key"), [10, 9, 8]);
    let mut tx = db.begin().unwrap();
    let entry = Entry::new(b"key", b"the only one").discard_earlier_versions();
    tx.put_entry(Space::DEFAULT, &entry).unwrap();
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(
        versions(&db, b"key"),
        [11],
        "garbage is not shown, merged or not"
    );
    db.flatten().unwrap();
    assert_eq!(versions(&db, b"key"), [11]);
    assert_eq!(
        db.tables().iter().map(|table| table.entries).sum::<u64>(),
        1
    );
}

#[test]
fn versions_of_the_callers_choice_may_leave_gaps_and_never_go_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().keep_history(true).open(&path).unwrap();
    put_at(&db, 100, b"a", &[1; 300]).unwrap();
    put_at(&db, 1_000, b"a", b"2").unwrap();
    for old in [0, 100, 999, 1_000] {
        match put_at(&db, old, b"a", b"never") {
            Err(Error::AlreadyApplied { index, last }) => assert_eq!((index, last), (old, 1_000)),
            other => panic!("{old}: {other:?}"),
        }
    }
    db.update(|tx| tx.put(Space::DEFAULT, b"b", b"the next one"))
        .unwrap();
    assert_eq!(versions(&db, b"b"), [1_001]);
    put_at(&db, 5_000, b"c", &[3; 9_000]).unwrap();
    put_at(&db, 6_000, b"d", b"4").unwrap();
    let check = |db: &Db| {
        assert_eq!(versions(db, b"a"), [1_000, 100]);
        assert_eq!(value_at(db, 999, b"a"), Ok(Some(vec![1; 300])));
        assert_eq!(value_at(db, 99, b"a"), Ok(None));
        assert_eq!(versions(db, b"c"), [5_000]);
        assert_eq!(db.newest_version(), Sequence(6_000));
    };
    check(&db);
    drop(db);
    let db = small().keep_history(true).open(&path).unwrap();
    check(&db);
    db.flatten().unwrap();
    check(&db);
}

#[test]
fn commits_behind_gaps_come_back_from_both_logs_and_only_up_to_one_that_is_missing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = || small().memtable_bytes(1 << 20).value_file_bytes(1 << 20);
    let db = options().open(&path).unwrap();
    for (nth, version) in [3_u64, 10, 11, 40, 41, 90].into_iter().enumerate() {
        let len = if nth % 2 == 0 { 10 } else { 400 };
        put_at(&db, version, &[b'a' + nth as u8], &vec![nth as u8; len]).unwrap();
    }
    drop(db);
    let db = options().open(&path).unwrap();
    assert_eq!((db.recovery().commits, db.recovery().cut_commits), (6, 0));
    assert_eq!(db.newest_version(), Sequence(90));
    for nth in 0..6 {
        assert_eq!(versions(&db, &[b'a' + nth]).len(), 1, "{nth}");
    }
}

#[test]
fn a_commit_that_changes_nothing_is_remembered_by_its_version() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    db.begin()
        .unwrap()
        .commit_at(Sequence(40), Durability::Sync)
        .unwrap();
    assert_eq!(db.newest_version(), Sequence(40));
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(db.newest_version(), Sequence(40));
    let snapshot = db.snapshot().unwrap();
    assert!(
        snapshot
            .items(Space::DEFAULT, &ItemOptions::new())
            .unwrap()
            .next()
            .is_none()
    );
    assert!(snapshot.space_names().unwrap().is_empty());
}

#[test]
fn a_transaction_at_an_older_version_meets_whatever_was_changed_since() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .keep_history(true)
        .open(directory.path().join("store"))
        .unwrap();
    for version in 1..=5 {
        put_at(&db, version, &[version as u8], b"v").unwrap();
    }
    db.update(|tx| tx.delete(Space::DEFAULT, &[1])).unwrap();
    db.flatten().unwrap();
    let mut reads_deleted = db.begin_at(Sequence(3)).unwrap();
    assert_eq!(reads_deleted.sequence(), Sequence(3));
    assert!(reads_deleted.get(Space::DEFAULT, &[1]).unwrap().is_some());
    assert!(reads_deleted.get(Space::DEFAULT, &[4]).unwrap().is_none());
    reads_deleted.put(Space::DEFAULT, b"x", b"").unwrap();
    db.flatten().unwrap();
    let refused = reads_deleted.commit(Durability::Sync).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    let mut reads_unchanged = db.begin_at(Sequence(3)).unwrap();
    assert!(reads_unchanged.get(Space::DEFAULT, &[2]).unwrap().is_some());
    reads_unchanged.put(Space::DEFAULT, b"x", b"").unwrap();
    reads_unchanged.commit(Durability::Sync).unwrap();
    let newest = db.begin_at(Sequence(u64::MAX)).unwrap();
    assert_eq!(newest.sequence(), Sequence(7));
}

#[test]
fn of_many_who_want_one_version_one_gets_it_and_the_order_is_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .keep_history(true)
        .open(directory.path().join("store"))
        .unwrap();
    let won: u64 = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8_u8)
            .map(|thread| {
                let db = &db;
                scope.spawn(move || {
                    let mut won = 0;
                    for version in 1..=60_u64 {
                        let mut tx = db.begin().unwrap();
                        let key = version.to_be_bytes();
                        tx.put(Space::DEFAULT, &key, &[thread]).unwrap();
                        match tx.commit_at(Sequence(version * 10), Durability::Buffered) {
                            Ok(()) => won += 1,
                            Err(Error::AlreadyApplied { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    won
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .sum()
    });
    let snapshot = db.snapshot().unwrap();
    let items: Vec<u64> = snapshot
        .items(Space::DEFAULT, &ItemOptions::new().all_versions(true))
        .unwrap()
        .map(|item| {
            let item = item.unwrap();
            let key = u64::from_be_bytes(item.key().try_into().unwrap());
            assert_eq!(item.version().0, key * 10);
            key
        })
        .collect();
    assert_eq!(items.len() as u64, won);
    assert_eq!(db.newest_version(), Sequence(600));
}
