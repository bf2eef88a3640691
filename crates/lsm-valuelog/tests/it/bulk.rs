//! Bulk loads: whole or not at all, and as good as what was written one by one.

use std::sync::atomic::{AtomicBool, Ordering};

use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{BulkMode, BulkWriter, Db, Sequence, Versioned};

use crate::conformance::small;
use crate::support::{assert_sound, pairs};

fn value(number: u32) -> Vec<u8> {
    vec![number as u8; (number % 400) as usize]
}

fn load(db: &Db, mode: BulkMode, numbers: impl Iterator<Item = u32>) -> kv_api::Result<u64> {
    let mut load = db.bulk_load(mode)?;
    for number in numbers {
        load.put(
            0,
            BulkWriter::DEFAULT,
            &number.to_be_bytes(),
            &value(number),
        )?;
    }
    Ok(load.finish()?.records)
}

#[test]
fn a_load_goes_to_the_last_level_and_is_there_after_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    assert_eq!(load(&db, BulkMode::Add, 0..2_000).unwrap(), 2_000);
    let expected: Vec<_> = (0..2_000_u32)
        .map(|number| (number.to_be_bytes().to_vec(), value(number)))
        .collect();
    assert_eq!(pairs(&db), expected);
    let filled: Vec<usize> = db.levels().iter().map(|level| level.tables).collect();
    assert!(
        filled.iter().rev().skip(1).all(|tables| *tables == 0),
        "{filled:?}"
    );
    assert!(filled.last() > Some(&1), "{filled:?}");
    assert_sound(&db);
    // Killed: nothing of it was in any log.
    drop(db);
    let db = small().open(&path).unwrap();
    assert_eq!(db.recovery().commits, 0);
    assert_eq!(pairs(&db), expected);
    db.update(|tx| tx.put(Space::DEFAULT, b"behind", b"it"))
        .unwrap();
    assert_eq!(db.snapshot().unwrap().sequence(), Sequence(2));
    assert_sound(&db);
}

#[test]
fn a_second_load_lies_above_what_it_overlaps() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    load(&db, BulkMode::Add, 0..500).unwrap();
    db.update(|tx| tx.put(Space::DEFAULT, &7_u32.to_be_bytes(), b"changed"))
        .unwrap();
    let before = db.snapshot().unwrap();
    load(&db, BulkMode::Add, (0..1_000).step_by(7)).unwrap();
    assert_eq!(
        pairs(&db).len(),
        500 + (500..1_000).filter(|n| n % 7 == 0).count()
    );
    let get = |snapshot: &lsm_valuelog::Snapshot| {
        let found = snapshot.get(Space::DEFAULT, &7_u32.to_be_bytes()).unwrap();
        found.unwrap().to_vec()
    };
    assert_eq!(get(&db.snapshot().unwrap()), value(7));
    assert_eq!(get(&before), b"changed", "a reader of before sees what was");
    db.flatten().unwrap();
    assert_eq!(get(&db.snapshot().unwrap()), value(7));
    assert_sound(&db);
}

#[test]
fn streams_that_overlap_are_merged_and_a_version_that_came_twice_stays_once() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().versions_to_keep(usize::MAX);
    let db = options.open(directory.path().join("store")).unwrap();
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    for (stream, versions) in [(0, [9, 5, 1]), (1, [8, 5, 2]), (2, [7, 6, 3])] {
        for key in [b"a", b"b"] {
            for version in versions {
                let text = format!("{version}");
                let record = Versioned {
                    key,
                    value: Some(text.as_bytes()),
                    version: Sequence(version),
                    user_meta: 0,
                    expires_at: 0,
                    discards_earlier: false,
                };
                load.add(stream, BulkWriter::DEFAULT, &record).unwrap();
            }
        }
    }
    load.finish().unwrap();
    let mut seen = Vec::new();
    let snapshot = db.snapshot().unwrap();
    snapshot
        .stream()
        .versions(usize::MAX)
        .run(|batch| {
            seen.extend(batch.iter().map(|record| (record.key[0], record.version.0)));
            Ok(())
        })
        .unwrap();
    let versions = [9, 8, 7, 6, 5, 3, 2, 1];
    let expected: Vec<_> = [b'a', b'b']
        .into_iter()
        .flat_map(|key| versions.map(|version| (key, version)))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(snapshot.sequence(), Sequence(9));
    assert_sound(&db);
}

#[test]
fn what_is_out_of_order_is_refused_and_a_forgotten_load_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    load(&db, BulkMode::Add, 0..10).unwrap();
    let files = || std::fs::read_dir(&path).unwrap().count();
    let before = files();
    let mut load = db.bulk_load(BulkMode::Replace).unwrap();
    for number in 0..1_000_u32 {
        load.put(3, BulkWriter::DEFAULT, &number.to_be_bytes(), &[1; 200])
            .unwrap();
    }
    let again = load.put(3, BulkWriter::DEFAULT, &7_u32.to_be_bytes(), b"");
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Invalid);
    load.put(4, BulkWriter::DEFAULT, &7_u32.to_be_bytes(), b"")
        .unwrap();
    assert!(files() > before);
    drop(load);
    assert_eq!(files(), before);
    assert_eq!(pairs(&db).len(), 10);
    assert_sound(&db);
}

#[test]
fn a_load_that_others_wrote_beside_is_a_conflict() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    for mode in [BulkMode::Add, BulkMode::Replace] {
        let mut load = db.bulk_load(mode).unwrap();
        load.put(0, BulkWriter::DEFAULT, b"mine", &[1; 500])
            .unwrap();
        db.update(|tx| tx.put(Space::DEFAULT, b"theirs", b"kept"))
            .unwrap();
        assert_eq!(load.finish().unwrap_err().kind(), ErrorKind::Conflict);
        assert_eq!(pairs(&db), [(b"theirs".to_vec(), b"kept".to_vec())]);
        assert_sound(&db);
    }
    drop(db);
    assert_eq!(pairs(&small().open(&path).unwrap()).len(), 1);
}

#[test]
fn replacing_takes_spaces_along_and_meets_transactions_that_read_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().background(true).open(&path).unwrap();
    db.update(|tx| {
        let space = tx.create_space(b"old")?;
        (0..500_u32).try_for_each(|n| tx.put(space, &n.to_be_bytes(), &value(n)))?;
        tx.put(Space::DEFAULT, b"key", b"old")
    })
    .unwrap();
    let before = db.snapshot().unwrap();
    let mut crossing = db.begin().unwrap();
    assert!(crossing.get(Space::DEFAULT, b"key").unwrap().is_some());
    crossing.put(Space::DEFAULT, b"seen", b"old").unwrap();
    let mut load = db.bulk_load(BulkMode::Replace).unwrap();
    let space = load.space(b"new").unwrap();
    for number in 0..500_u32 {
        load.put(0, space, &number.to_be_bytes(), &value(number))
            .unwrap();
    }
    assert_eq!(load.finish().unwrap().records, 500);
    let refused = crossing.commit(Durability::Sync).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict, "what it read is gone");
    assert!(before.get(Space::DEFAULT, b"key").unwrap().is_some());
    drop(before);
    for _ in 0..2 {
        let snapshot = db.snapshot().unwrap();
        assert_eq!(snapshot.space_names().unwrap(), [&b"new"[..]]);
        assert!(snapshot.get(Space::DEFAULT, b"key").unwrap().is_none());
        let space = snapshot.space(b"new").unwrap().unwrap();
        assert_eq!(snapshot.range(space, ..).unwrap().count(), 500);
        db.flatten().unwrap();
    }
    drop(db);
    let db = small().open(&path).unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.space_names().unwrap(), [&b"new"[..]]);
    db.update(|tx| tx.create_space(b"another").map(drop))
        .unwrap();
    assert_eq!(db.snapshot().unwrap().space_names().unwrap().len(), 2);
    assert_sound(&db);
}

#[test]
fn a_whole_copy_restored_replaces_everything_or_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let (from, to) = (directory.path().join("from"), directory.path().join("to"));
    let from = small().open(&from).unwrap();
    load(&from, BulkMode::Add, 0..700).unwrap();
    from.update(|tx| {
        let space = tx.create_space(b"words")?;
        tx.put(space, b"hello", b"world")
    })
    .unwrap();
    let snapshot = from.snapshot().unwrap();
    let mut copy = Vec::new();
    snapshot.backup_since(Sequence(0), &mut copy).unwrap();
    let db = small().open(&to).unwrap();
    load(&db, BulkMode::Add, 600..900).unwrap();
    let before = pairs(&db);
    for cut in (0..copy.len()).step_by(997) {
        let cut = db.restore(&mut &copy[..cut], &mut |_, _| true);
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::Corrupt);
    }
    let stopped = db.restore(&mut &*copy, &mut |_, _| false);
    assert_eq!(stopped.unwrap_err().kind(), ErrorKind::Io);
    assert_eq!(pairs(&db), before);
    db.restore(&mut &*copy, &mut |_, _| true).unwrap();
    assert_eq!(pairs(&db), pairs(&from));
    assert_eq!(
        db.snapshot().unwrap().space_names().unwrap(),
        [&b"words"[..]]
    );
    assert_sound(&db);
    // What follows it can be loaded on top.
    from.update(|tx| tx.delete(Space::DEFAULT, &5_u32.to_be_bytes()))
        .unwrap();
    let mut changes = Vec::new();
    let newer = from.snapshot().unwrap();
    newer
        .backup_since(snapshot.sequence(), &mut changes)
        .unwrap();
    assert!(db.restore(&mut &*changes, &mut |_, _| true).is_err());
    db.load(&mut &*changes).unwrap();
    assert_eq!(pairs(&db), pairs(&from));
}

#[test]
fn replacing_everything_keeps_bans_and_ends_history_and_copies_of_changes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = || small().namespace_offset(0).keep_history(true);
    let db = options().open(&path).unwrap();
    let banned = [&7_u64.to_be_bytes()[..], b"key"].concat();
    db.update(|tx| tx.put(Space::DEFAULT, b"before", b"1"))
        .unwrap();
    db.ban_namespace(7).unwrap();
    db.snapshot()
        .unwrap()
        .get(Space::DEFAULT, b"before")
        .unwrap();
    assert_eq!(db.metrics().gets, 1);
    let (seen, before) = (db.snapshot().unwrap().sequence(), db.metrics());
    load(&db, BulkMode::Replace, 0..10).unwrap();
    for reopened in [false, true] {
        let db = match reopened {
            false => &db,
            true => {
                db.close().unwrap();
                &options().open(&path).unwrap()
            }
        };
        assert_eq!(db.banned_namespaces(), [7]);
        let refused = db.update(|tx| tx.put(Space::DEFAULT, &banned, b""));
        assert_eq!(refused.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        let refused = db.snapshot_at(seen).map(drop);
        assert_eq!(refused.map_err(|e| e.kind()), Err(ErrorKind::NotFound));
        // No deletion tells of what was replaced.
        let changes = db.snapshot().unwrap().backup_since(seen, &mut Vec::new());
        assert_eq!(changes.map_err(|e| e.kind()), Err(ErrorKind::Invalid));
        if !reopened {
            assert!(db.metrics().gets >= before.gets, "counts go on");
        }
    }
}

#[test]
fn changes_that_do_not_follow_what_a_store_holds_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let open = |name: &str| small().open(directory.path().join(name)).unwrap();
    let (from, to) = (open("from"), open("to"));
    let mut copies = Vec::new();
    let mut since = Sequence(0);
    for round in 0..3_u8 {
        from.update(|tx| tx.put(Space::DEFAULT, &[b'k', round], &[round]))
            .unwrap();
        let snapshot = from.snapshot().unwrap();
        let mut copy = Vec::new();
        snapshot.backup_since(since, &mut copy).unwrap();
        since = snapshot.sequence();
        copies.push(copy);
    }
    to.load(&mut copies[0].as_slice()).unwrap();
    for wrong in [&copies[2], &copies[0]] {
        let refused = to.load(&mut wrong.as_slice());
        assert_eq!(refused.map_err(|e| e.kind()), Err(ErrorKind::Invalid));
        assert_eq!(pairs(&to).len(), 1);
    }
    to.load(&mut copies[1].as_slice()).unwrap();
    to.load(&mut copies[2].as_slice()).unwrap();
    assert_eq!(pairs(&to), pairs(&from));
}

#[test]
fn whoever_looks_while_everything_is_replaced_sees_all_of_the_old_or_all_of_the_new() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    load(&db, BulkMode::Replace, 0..1_000).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut looks = 0;
            while !is_over.load(Ordering::Acquire) {
                let snapshot = db.snapshot().unwrap();
                let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
                let first = kv_api::Cursor::first(&mut cursor).unwrap();
                assert!(
                    first.is_some(),
                    "nothing at all, as of {}",
                    snapshot.sequence()
                );
                looks += 1;
            }
            looks
        });
        for round in 0..200 {
            load(&db, BulkMode::Replace, round..1_000 + round).unwrap();
        }
        is_over.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
    assert_eq!(pairs(&db).len(), 1_000);
}
