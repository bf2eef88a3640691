//! Dropping prefixes and everything, banning namespaces, and flattening.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, ItemOptions, Sequence};

use crate::conformance::small;
use crate::pairs::pairs;
use crate::support::{assert_sound, tombstones};

fn keys(reader: &impl Reader) -> Vec<Vec<u8>> {
    let range = reader.range(Space::DEFAULT, ..).unwrap();
    range.map(|pair| pair.unwrap().0.to_vec()).collect()
}

fn fill(db: &Db, rounds: u32) {
    for round in 0..rounds {
        db.update(|tx| {
            for prefix in ["a", "b", "ba", "c"] {
                let key = format!("{prefix}{:03}", round * 7 % 100);
                let len = if round % 3 == 0 { 200 } else { 30 };
                tx.put(Space::DEFAULT, key.as_bytes(), &vec![round as u8; len])?;
            }
            Ok(())
        })
        .unwrap();
    }
}

#[test]
fn a_dropped_prefix_is_gone_wherever_it_lay_and_nothing_else_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    fill(&db, 150);
    let old = db.snapshot().unwrap();
    let mut wanted = pairs(&db);
    let before = db.newest_version();
    db.drop_prefixes(None, &[b"b0", b"ba", b"nothing"]).unwrap();
    wanted.retain(|key, _| !key.starts_with(b"b0") && !key.starts_with(b"ba"));
    assert!(!wanted.is_empty());
    assert_eq!(pairs(&db), wanted);
    assert_eq!(keys(&old).len(), 400, "an open reader keeps what it has");
    assert_eq!(db.newest_version(), Sequence(before.0 + 1));
    assert_sound(&db);
    db.update(|tx| tx.put(Space::DEFAULT, b"b000", b"new"))
        .unwrap();
    wanted.insert(b"b000".to_vec(), b"new".to_vec());
    drop((old, db));
    let db = small().open(&path).unwrap();
    assert_eq!(pairs(&db), wanted);
    db.flatten().unwrap();
    assert_eq!(pairs(&db), wanted);
    let missing = db.drop_prefix(Some(b"no such space"), b"").unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[test]
fn dropping_everything_leaves_an_empty_store_and_gives_its_space_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    fill(&db, 150);
    db.update(|tx| {
        let space = tx.create_space(b"space")?;
        tx.put(space, b"key", b"value")
    })
    .unwrap();
    db.drop_all().unwrap();
    db.drop_all().unwrap();
    let check = |db: &Db| {
        let snapshot = db.snapshot().unwrap();
        assert!(keys(&snapshot).is_empty() && snapshot.space_names().unwrap().is_empty());
        assert!(db.tables().is_empty());
        assert_eq!(
            db.value_files()
                .iter()
                .map(|file| file.value_bytes)
                .sum::<u64>(),
            0
        );
        assert_sound(db);
    };
    check(&db);
    drop(db);
    let db = small().open(&path).unwrap();
    check(&db);
    fill(&db, 10);
    assert_eq!(pairs(&db).len(), 40);
}

#[test]
fn a_drop_in_a_space_keeps_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    for name in [&b"one"[..], b"two"] {
        db.update(|tx| {
            let space = tx.create_space(name)?;
            tx.put(space, b"key 1", name)?;
            tx.put(Space::DEFAULT, b"key 1", b"default")
        })
        .unwrap();
    }
    db.drop_prefix(Some(b"one"), b"").unwrap();
    let snapshot = db.snapshot().unwrap();
    let one = snapshot
        .space(b"one")
        .unwrap()
        .expect("the space itself stays");
    let two = snapshot.space(b"two").unwrap().unwrap();
    assert!(snapshot.get(one, b"key 1").unwrap().is_none());
    assert!(snapshot.get(two, b"key 1").unwrap().is_some());
    assert!(snapshot.get(Space::DEFAULT, b"key 1").unwrap().is_some());
}

#[test]
fn a_transaction_that_read_what_was_dropped_meets_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    fill(&db, 20);
    let read_one = |key: &[u8]| {
        let mut tx = db.begin().unwrap();
        tx.get(Space::DEFAULT, key).unwrap();
        tx.put(Space::DEFAULT, b"z", b"").unwrap();
        tx
    };
    let (of_dropped, of_other) = (read_one(b"b007"), read_one(b"c007"));
    let absent_of_dropped = read_one(b"bb");
    let mut ranged = db.begin().unwrap();
    let gap = ItemOptions::new().keys("az".."b");
    assert!(ranged.items(Space::DEFAULT, &gap).unwrap().next().is_none());
    ranged.put(Space::DEFAULT, b"z", b"").unwrap();
    let mut overlapping = db.begin().unwrap();
    overlapping
        .range(Space::DEFAULT, "a0".."b1")
        .unwrap()
        .for_each(drop);
    overlapping.put(Space::DEFAULT, b"z", b"").unwrap();
    let mut blind = db.begin().unwrap();
    blind.put(Space::DEFAULT, b"b007", b"blind").unwrap();
    db.drop_prefix(None, b"b").unwrap();
    let kind =
        |tx: lsm_valuelog::Transaction| tx.commit(Durability::Sync).map_err(|error| error.kind());
    assert_eq!(kind(of_dropped), Err(ErrorKind::Conflict));
    assert_eq!(
        kind(absent_of_dropped),
        Err(ErrorKind::Conflict),
        "absence was read, too"
    );
    assert_eq!(kind(overlapping), Err(ErrorKind::Conflict));
    assert_eq!(kind(blind), Ok(()));
    assert_eq!(
        kind(read_one(b"b001")),
        Ok(()),
        "one that began behind it does not"
    );
    // "z" was written meanwhile by others, but nobody read it.
    assert_eq!(kind(of_other), Ok(()));
    assert_eq!(kind(ranged), Ok(()));
}

#[test]
fn history_and_copies_of_changes_end_at_a_drop() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().keep_history(true).open(&path).unwrap();
    fill(&db, 10);
    db.drop_prefix(None, b"a").unwrap();
    let check = |db: &Db| {
        let old = db.snapshot_at(Sequence(10)).map(drop).unwrap_err();
        assert_eq!(old.kind(), ErrorKind::NotFound);
        assert_eq!(db.oldest_version(), Sequence(11));
        let snapshot = db.snapshot().unwrap();
        let refused = snapshot
            .backup_since(Sequence(5), &mut Vec::new())
            .unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
        snapshot
            .backup_since(Sequence(11), &mut Vec::new())
            .unwrap();
        snapshot.backup_since(Sequence(0), &mut Vec::new()).unwrap();
    };
    check(&db);
    drop(db);
    check(&small().keep_history(true).open(&path).unwrap());
}

#[test]
fn writers_and_readers_race_drops_and_every_reader_sees_all_or_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .open(directory.path().join("store"))
        .unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6_u8)
            .map(|thread| {
                let db = &db;
                scope.spawn(move || {
                    for round in 0..40_u8 {
                        // Each commit puts or replaces a whole set, so a set is whole or absent.
                        db.update(|tx| {
                            for part in 0..5_u8 {
                                let key = [b'p', thread, part];
                                tx.put(Space::DEFAULT, &key, &[round; 60])?;
                            }
                            tx.put(Space::DEFAULT, &[b'q', thread], &[round])
                        })
                        .unwrap();
                    }
                })
            })
            .collect();
        let reader = scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let snapshot = db.snapshot().unwrap();
                let mut sets: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
                for pair in snapshot.prefix(Space::DEFAULT, b"p").unwrap() {
                    let (key, value) = pair.unwrap();
                    sets.entry(key[1]).or_default().push(value[0]);
                }
                for set in sets.values() {
                    assert!(
                        set.len() == 5 && set.iter().all(|round| *round == set[0]),
                        "{set:?}"
                    );
                }
            }
        });
        for nth in 0..12 {
            match nth % 3 {
                2 => db.drop_all().unwrap(),
                _ => db.drop_prefix(None, b"p").unwrap(),
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    db.drop_prefix(None, b"p").unwrap();
    assert!(
        keys(&db.snapshot().unwrap())
            .iter()
            .all(|key| key[0] == b'q')
    );
    assert_sound(&db);
}

fn of_namespace(namespace: u64, rest: &[u8]) -> Vec<u8> {
    [b"x", &namespace.to_be_bytes()[..], rest].concat()
}

#[test]
fn a_banned_namespace_is_refused_hidden_dropped_and_stays_banned() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let open = || small().namespace_offset(1).open(&path).unwrap();
    let db = open();
    for rest in 0..30_u8 {
        db.update(|tx| {
            for namespace in [1, 2, 3] {
                let key = of_namespace(namespace, &[rest]);
                tx.put(Space::DEFAULT, &key, &[rest; 120])?;
            }
            tx.put(Space::DEFAULT, &[b'x', rest], b"of none")
        })
        .unwrap();
    }
    let old = db.snapshot().unwrap();
    let mut open_tx = db.begin().unwrap();
    open_tx
        .put(Space::DEFAULT, &of_namespace(2, b"late"), b"")
        .unwrap();
    db.ban_namespace(2).unwrap();
    db.ban_namespace(2).unwrap();
    assert_eq!(
        open_tx.commit(Durability::Sync).unwrap_err().kind(),
        ErrorKind::NotFound
    );
    assert_eq!(keys(&old).len(), 120, "an open reader keeps what it has");
    let check = |db: &Db| {
        assert_eq!(db.banned_namespaces(), [2]);
        let key = of_namespace(2, &[7]);
        let snapshot = db.snapshot().unwrap();
        let kinds = [
            snapshot.get(Space::DEFAULT, &key).map(drop),
            kv_api::Snapshot::get_bytes(&snapshot, Space::DEFAULT, &key).map(drop),
            snapshot.get_item(Space::DEFAULT, &key).map(drop),
            db.begin().unwrap().get(Space::DEFAULT, &key).map(drop),
            db.update(|tx| tx.put(Space::DEFAULT, &key, b"")),
            db.update(|tx| tx.delete(Space::DEFAULT, &key)),
            db.write_batch().put(Space::DEFAULT, &key, b""),
        ];
        for (nth, kind) in kinds.into_iter().enumerate() {
            assert_eq!(
                kind.map_err(|error| error.kind()),
                Err(ErrorKind::NotFound),
                "{nth}"
            );
        }
        let all = ItemOptions::new().all_versions(true);
        let lists = [
            keys(&snapshot),
            {
                let mut back = Vec::new();
                let range = snapshot.range(Space::DEFAULT, ..).unwrap().rev();
                range.for_each(|pair| back.insert(0, pair.unwrap().0.to_vec()));
                back
            },
            keys(&db.begin().unwrap()),
            snapshot
                .items(Space::DEFAULT, &all)
                .unwrap()
                .map(|item| item.unwrap().key().to_vec())
                .collect(),
        ];
        for list in lists {
            assert_eq!(list.len(), 90);
            assert!(list.iter().all(|key| key.len() < 9 || key[8] != 2));
        }
    };
    check(&db);
    drop((old, db));
    let db = open();
    check(&db);
    db.flatten().unwrap();
    check(&db);
    assert_eq!(
        db.tables().iter().map(|table| table.entries).sum::<u64>(),
        90
    );
    db.drop_all().unwrap();
    assert_eq!(db.banned_namespaces(), [2], "a ban is for good");
    assert_sound(&db);
    drop(db);
    let other_place = small()
        .namespace_offset(2)
        .open(&path)
        .map(drop)
        .unwrap_err();
    assert_eq!(other_place.kind(), ErrorKind::Invalid);
    let without = small().open(&path).unwrap();
    assert_eq!(without.banned_namespaces(), [2]);
    let refused = without.ban_namespace(3).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[test]
fn flattening_with_many_threads_leaves_one_level_and_the_same_pairs() {
    let directory = tempfile::tempdir().unwrap();
    for workers in [1, 4] {
        let path = directory.path().join(format!("store {workers}"));
        let db = small().background(true).open(&path).unwrap();
        fill(&db, 300);
        db.update(|tx| tx.delete_range(Space::DEFAULT, "a".."a5"))
            .unwrap();
        let before = pairs(&db);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for number in 0..50_u8 {
                    db.update(|tx| tx.put(Space::DEFAULT, &[b'z', number], b""))
                        .unwrap();
                }
            });
            db.flatten_with(workers).unwrap();
            writer.join().unwrap();
        });
        db.flatten_with(workers).unwrap();
        let levels: Vec<usize> = db.levels().iter().map(|level| level.tables).collect();
        assert_eq!(
            levels.iter().filter(|tables| **tables > 0).count(),
            1,
            "{levels:?}"
        );
        let mut after = pairs(&db);
        after.retain(|key, _| key[0] != b'z');
        assert_eq!(after, before);
        let tables = db.tables();
        assert_eq!(tables.iter().map(|table| table.tombstones).sum::<u64>(), 0);
        let entries: u64 = tables.iter().map(|table| table.entries).sum();
        assert_eq!(entries as usize, pairs(&db).len());
        assert_sound(&db);
    }
}

#[test]
fn deletions_of_a_commit_that_merges_in_its_own_time_leave_nothing_behind() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let key = |number: u32| format!("key {number:06}").into_bytes();
    db.update(|tx| (0..6_000).try_for_each(|number| tx.put(Space::DEFAULT, &key(number), b"v")))
        .unwrap();
    db.flatten().unwrap();
    // One commit that goes straight to tables, and down from there before it returns.
    let doomed = || (0..6_000_u32).filter(|number| !number.is_multiple_of(10));
    db.update(|tx| doomed().try_for_each(|number| tx.delete(Space::DEFAULT, &key(number))))
        .unwrap();
    let tables = db.tables();
    let last = tables.iter().map(|table| table.level).max().unwrap();
    let entries = |level: usize| {
        let tables = tables.iter().filter(|table| table.level == level);
        tables.map(|table| table.entries).sum::<u64>()
    };
    let tombstones = tables.iter().filter(|table| table.level == last);
    let tombstones: u64 = tombstones.map(|table| table.tombstones).sum();
    assert!(entries(last) < 5_000, "some of it was merged: {tables:?}");
    assert_eq!(tombstones, 0, "{tables:?}");
    assert_eq!(pairs(&db).len(), 600);
    assert_sound(&db);
}

#[test]
fn deletions_that_had_to_stay_for_a_reader_go_by_themselves_once_nobody_writes() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().background(true).idle(Duration::from_millis(20));
    let db = options.open(directory.path().join("store")).unwrap();
    fill(&db, 5);
    db.flatten().unwrap();
    let reader = db.begin().unwrap();
    db.update(|tx| tx.delete_range(Space::DEFAULT, "a".."b"))
        .unwrap();
    db.flatten().unwrap();
    assert!(
        tombstones(&db) > 0,
        "an open transaction may have to be told"
    );
    // Nobody writes any more, neither before the reader ends nor after it.
    std::thread::sleep(Duration::from_millis(600));
    drop(reader);
    let began = Instant::now();
    while tombstones(&db) > 0 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{:?}",
            db.tables()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_sound(&db);
}
