//! Groups in which not all ask for the same, and restores that come between.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crash_kit::{CrashDisk, Survivors};
use flatlog::Options;
use kv_api::{Durability, Reader as _, Transaction as _};

use crate::group::slow_disk::SlowDisk;
use crate::group::{Key, bytes_of, has, open};

#[test]
fn one_who_asks_for_sync_has_it_whoever_shares_the_group() {
    let disk = CrashDisk::new();
    let db = open(Arc::new(SlowDisk::new(disk.as_dyn())));
    let commit = |key: Key, durability| {
        let mut tx = db.begin().unwrap();
        tx.put(bytes_of(key), "").unwrap();
        tx.commit_with(durability).unwrap();
    };
    for round in 0..30_u32 {
        thread::scope(|scope| {
            // While the first one is synced, the others gather.
            scope.spawn(|| commit((0, round), Durability::Sync));
            thread::sleep(Duration::from_millis(1));
            let after = [1_u8, 2].map(|member| {
                let durability = match (u32::from(member) + round) % 2 {
                    0 => Durability::Buffered,
                    _ => Durability::Sync,
                };
                let (commit, disk) = (&commit, &disk);
                scope.spawn(move || {
                    commit((member, round), durability);
                    let after = disk.after_crash(Survivors::Synced);
                    (durability == Durability::Sync).then_some(((member, round), after))
                })
            });
            for (key, disk) in after
                .into_iter()
                .filter_map(|thread| thread.join().unwrap())
            {
                assert!(has(&open(disk.as_dyn()), key), "{key:?} was promised");
            }
        });
    }
}

/// A stream of one pair.
fn stream() -> Vec<u8> {
    let disk = CrashDisk::new();
    let db = open(disk.as_dyn());
    db.update(|tx| tx.put("restored", "")).unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    stream
}

#[test]
fn what_was_queued_before_a_restore_is_not_there_behind_it() {
    let (disk, stream) = (CrashDisk::new(), stream());
    let db = open(Arc::new(SlowDisk::new(disk.as_dyn())));
    for round in 0..40 {
        thread::scope(|scope| {
            for member in 0..6 {
                let db = &db;
                scope.spawn(move || {
                    let mut tx = db.begin().unwrap();
                    tx.put(bytes_of((member, round)), "").unwrap();
                    tx.commit().unwrap();
                });
            }
            thread::sleep(Duration::from_millis(3));
            db.restore(&mut stream.as_slice(), |_| true).unwrap();
        });
        // Those whose turn came later are there, each with an index of its own.
        let snapshot = db.snapshot().unwrap();
        let later = snapshot.len() - 1;
        assert_eq!(snapshot.last_commit_index(), 1 + later, "round {round}");
    }
}

#[test]
fn a_restore_while_segments_are_compacted_is_all_that_is_left() {
    let (disk, stream) = (CrashDisk::new(), stream());
    let slow = SlowDisk::new(disk.as_dyn());
    let open = |disk: Arc<dyn disk::Disk>| {
        let options = Options::new().disk(disk).background(false);
        options
            .segment_bytes(4 << 10)
            .read_without_mapping(true)
            .store_id([3; 16])
            .open("/group")
            .unwrap()
    };
    let db = open(Arc::new(slow.clone()));
    for round in 0..30_u8 {
        db.update(|tx| tx.put([round], [round; 999])).unwrap();
    }
    // From here on compaction makes no new segment to write to.
    db.compact().unwrap();
    let restoring = db.clone();
    slow.before_opening("values-", move || {
        restoring.restore(&mut stream.as_slice(), |_| true).unwrap();
    });
    db.compact().unwrap();
    let only = |db: &flatlog::Db| {
        let snapshot = db.snapshot().unwrap();
        assert_eq!((snapshot.len(), snapshot.last_commit_index()), (1, 1));
        assert!(snapshot.get("restored").unwrap().is_some());
        crate::support::assert_sound(db);
    };
    only(&db);
    let left = disk.as_dyn().list(std::path::Path::new("/group")).unwrap();
    assert_eq!(
        left.len(),
        db.statistics().unwrap().segments.len() + 2,
        "{left:?}"
    );
    only(&open(disk.after_crash(Survivors::Synced).as_dyn()));
}

/// A store that is compacted, of keys, values and a space, and what hooks into its disk.
fn compacted() -> (CrashDisk, SlowDisk, flatlog::Db) {
    let disk = CrashDisk::new();
    let slow = SlowDisk::new(disk.as_dyn());
    let db = open(Arc::new(slow.clone()));
    db.update(|tx| {
        let space = tx.create_space(b"space")?;
        tx.put_in(space, "inner", "old")?;
        (0..40_u8).try_for_each(|key| tx.put([key], [key; 99]))
    })
    .unwrap();
    // From here on compaction makes no new segment to write to.
    db.compact().unwrap();
    (disk, slow, db)
}

#[test]
fn what_changes_while_segments_are_compacted_keeps_its_own_record() {
    let (disk, slow, db) = compacted();
    let writing = db.clone();
    slow.before_opening("values-", move || {
        let changed = writing.update(|tx| {
            tx.drop_space(b"space")?;
            let space = tx.create_space(b"space")?;
            tx.put_in(space, "inner", "new")?;
            tx.delete([1])?;
            tx.put([2], "new")
        });
        changed.unwrap();
    });
    db.compact().unwrap();
    let live = |db: &flatlog::Db| {
        let segments = db.statistics().unwrap().segments;
        segments
            .iter()
            .map(|segment| segment.live_bytes)
            .collect::<Vec<_>>()
    };
    let check = |db: &flatlog::Db| {
        let snapshot = db.snapshot().unwrap();
        let space = snapshot.space(b"space").unwrap().unwrap();
        let inner = kv_api::Reader::get(&snapshot, space, b"inner").unwrap();
        assert_eq!(inner.unwrap(), "new");
        assert!(snapshot.get([1]).unwrap().is_none());
        assert_eq!(snapshot.get([2]).unwrap().unwrap(), "new");
        assert_eq!(snapshot.len(), 39);
        crate::support::assert_sound(db);
    };
    check(&db);
    let after = open(disk.after_crash(Survivors::Synced).as_dyn());
    check(&after);
    assert_eq!(live(&after), live(&db));
    db.checkpoint().unwrap();
    let after = open(disk.after_crash(Survivors::Synced).as_dyn());
    check(&after);
    assert_eq!(live(&after), live(&db));
}

#[test]
fn a_checkpoint_of_segments_that_were_compacted_meanwhile_is_not_named() {
    let (disk, slow, db) = compacted();
    db.update(|tx| tx.delete([1])).unwrap();
    let compacting = db.clone();
    slow.before_opening("index-", move || compacting.compact().unwrap());
    db.checkpoint().unwrap();
    let after = open(disk.after_crash(Survivors::Synced).as_dyn());
    assert_eq!(after.snapshot().unwrap().len(), 39);
    crate::support::assert_sound(&after);
    assert!(
        after.recovery().replayed_commits > 0,
        "the log alone counts"
    );
}
