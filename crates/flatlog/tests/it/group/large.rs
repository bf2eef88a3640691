//! Large commits: made in place where nobody reads, in a version beside where somebody does, and
//! built while the device syncs where they are larger still.

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use flatlog::{Db, ErrorKind};

use super::{EIO, open};

/// More than a commit that is made in place may change.
const LARGEST: u32 = 9_000;

fn put(db: &Db, keys: std::ops::Range<u32>, value: &str) -> Result<(), flatlog::Error> {
    db.update(|tx| {
        keys.clone()
            .try_for_each(|key| tx.put(key.to_be_bytes(), value))
    })
}

fn values(db: &flatlog::Snapshot) -> Vec<(u32, String)> {
    db.range(..)
        .map(|pair| {
            let (key, value) = pair.unwrap();
            let key = u32::from_be_bytes(key.first_chunk().copied().unwrap());
            (key, String::from_utf8(value.to_vec()).unwrap())
        })
        .collect()
}

fn all(keys: impl Iterator<Item = u32>, value: &str) -> Vec<(u32, String)> {
    keys.map(|key| (key, value.to_owned())).collect()
}

#[test]
fn a_commit_of_any_size_changes_the_newest_version_and_no_older_one() {
    let disk = CrashDisk::new();
    let db = open(disk.as_dyn());
    put(&db, 0..LARGEST, "first").unwrap();
    for count in [1, 300, 5_000, LARGEST] {
        // Nobody reads.
        put(&db, 0..count, "alone").unwrap();
        let before = db.snapshot().unwrap();
        let seen = values(&before);
        assert_eq!(seen[..count as usize], all(0..count, "alone"));
        // Somebody does, then only an older version is held.
        put(&db, 0..count, "beside").unwrap();
        db.update(|tx| (0..count).try_for_each(|key| tx.delete(key.to_be_bytes())))
            .unwrap();
        assert_eq!(values(&before), seen, "{count}");
        drop(before);
        let left = all(count..LARGEST, "first");
        assert_eq!(values(&db.snapshot().unwrap()), left, "{count}");
        put(&db, 0..LARGEST, "first").unwrap();
    }
    let after = open(disk.after_crash(Survivors::Synced).as_dyn());
    assert_eq!(values(&after.snapshot().unwrap()), all(0..LARGEST, "first"));
}

#[test]
fn a_large_commit_whose_sync_fails_is_in_doubt_and_never_seen() {
    for action in [Action::Fail(EIO), Action::FailAndRevert(EIO)] {
        let disk = CrashDisk::new();
        let db = open(disk.as_dyn());
        put(&db, 0..10, "before").unwrap();
        disk.arm(Fault::once(Call::SyncData, 1, action));
        let failed = put(&db, 0..LARGEST, "lost").unwrap_err();
        assert_eq!(failed.kind(), ErrorKind::InDoubt, "{failed}");
        assert_eq!(values(&db.snapshot().unwrap()), all(0..10, "before"));
        assert_eq!(db.begin().unwrap_err().kind(), ErrorKind::Poisoned);
        let after = open(disk.after_crash(Survivors::Synced).as_dyn());
        let seen = values(&after.snapshot().unwrap());
        let whole = all(0..LARGEST, "lost");
        assert!(
            seen == all(0..10, "before") || seen == whole,
            "{} keys",
            seen.len()
        );
    }
}

#[test]
fn everyone_who_waits_for_the_turn_goes_on_or_learns_that_the_store_was_closed() {
    for _ in 0..20 {
        let disk = CrashDisk::new();
        let db = open(disk.as_dyn());
        let turn = db.begin().unwrap();
        std::thread::scope(|scope| {
            for number in 0..6_u32 {
                let db = &db;
                scope.spawn(move || match put(db, number..number + 1, "here") {
                    Ok(()) => {}
                    Err(error) => assert_eq!(error.kind(), ErrorKind::Closed, "{error}"),
                });
            }
            scope.spawn(|| db.close().unwrap());
            std::thread::yield_now();
            drop(turn);
        });
        assert_eq!(db.begin().unwrap_err().kind(), ErrorKind::Closed);
    }
}
