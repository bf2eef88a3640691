//! Commits of many threads that share a write and a sync, and what a failure tells each of them.

mod large;
mod mixed;
pub mod slow_disk;

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use flatlog::{Db, Error, ErrorKind, Options};
use kv_api::Durability;

use slow_disk::SlowDisk;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const THREADS: u8 = 8;

type Key = (u8, u32);
type Outcomes = BTreeMap<Key, Result<u64, Error>>;

fn bytes_of(key: Key) -> Vec<u8> {
    format!("thread {} commit {:05}", key.0, key.1).into_bytes()
}

fn open(disk: std::sync::Arc<dyn disk::Disk>) -> Db {
    Options::new()
        .disk(disk)
        .read_without_mapping(true)
        .background(false)
        .store_id([3; 16])
        .open("/group")
        .unwrap()
}

fn has(db: &Db, key: Key) -> bool {
    let snapshot = db.snapshot().unwrap();
    snapshot.get(bytes_of(key)).unwrap().is_some()
}

/// Every thread commits a key at a time, until it is refused or has done so often. An acknowledged
/// commit must be seen at once by whoever made it.
fn commit_from_all_threads(db: &Db, most: u32, goes_on: fn(&Error) -> bool) -> Outcomes {
    let outcomes = Mutex::new(Outcomes::new());
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (outcomes, ended) = (&outcomes, &ended);
            scope.spawn(move || {
                for number in 0..most {
                    let key = (thread, number);
                    let outcome = db.begin().and_then(|mut tx| {
                        tx.put(bytes_of(key), [thread; 40])?;
                        tx.commit_with(Durability::Sync)
                    });
                    assert!(outcome.is_err() || has(db, key), "{key:?} is not seen");
                    let ends = outcome.as_ref().is_err_and(|error| !goes_on(error));
                    outcomes.lock().unwrap().insert(key, outcome);
                    if ends || ended.load(Ordering::Acquire) {
                        ended.store(true, Ordering::Release);
                        break;
                    }
                }
            });
        }
    });
    outcomes.into_inner().unwrap()
}

#[test]
fn threads_share_syncs_and_every_commit_has_an_index_of_its_own() {
    let disk = CrashDisk::new();
    let slow = SlowDisk::new(disk.as_dyn());
    let db = open(std::sync::Arc::new(slow.clone()));
    let outcomes = commit_from_all_threads(&db, 30, |_| false);
    let mut indexes: Vec<u64> = outcomes.values().map(|o| *o.as_ref().unwrap()).collect();
    indexes.sort_unstable();
    let commits = u64::from(THREADS) * 30;
    assert_eq!(indexes, (1..=commits).collect::<Vec<_>>());
    assert!(slow.syncs() < commits / 2, "{} syncs", slow.syncs());
    let after = open(disk.after_crash(Survivors::Synced).as_dyn());
    assert!(outcomes.keys().all(|key| has(&after, *key)));
}

/// What was acknowledged is there after a power cut, what was not is not seen before it, and
/// nobody writes any more. Answers the size of the group that failed.
fn fail_a_sync(nth: u64, action: Action) -> usize {
    let disk = CrashDisk::new();
    let slow = SlowDisk::new(disk.as_dyn());
    let db = open(std::sync::Arc::new(slow));
    db.update(|tx| tx.put("before", "")).unwrap();
    disk.arm(Fault::once(Call::SyncData, nth, action));
    let outcomes = commit_from_all_threads(&db, 10_000, |_| false);
    let in_doubt = |error: &Error| error.kind() == ErrorKind::InDoubt;
    let doubtful = outcomes
        .values()
        .filter(|o| o.as_ref().is_err_and(in_doubt));
    let doubtful = doubtful.count();
    for (key, outcome) in &outcomes {
        match outcome {
            Ok(_) => {}
            Err(error) => {
                let kind = error.kind();
                let told = matches!(kind, ErrorKind::InDoubt | ErrorKind::Poisoned);
                assert!(told, "{key:?}: {error}");
                assert!(!has(&db, *key), "{key:?} is seen and may be lost");
            }
        }
    }
    assert_eq!(db.begin().unwrap_err().kind(), ErrorKind::Poisoned);
    assert_eq!(db.sync().unwrap_err().kind(), ErrorKind::Poisoned);
    for survivors in [Survivors::Synced, Survivors::Everything] {
        let after = open(disk.after_crash(survivors).as_dyn());
        for (key, outcome) in &outcomes {
            match outcome {
                Ok(_) => assert!(has(&after, *key), "{key:?} was acknowledged"),
                Err(error) if in_doubt(error) => {}
                Err(_) => assert!(!has(&after, *key), "{key:?} was refused"),
            }
        }
    }
    doubtful
}

#[test]
fn a_failed_sync_acknowledges_no_member_of_its_group() {
    let mut members = 0;
    for nth in [1, 2, 5, 9] {
        members += fail_a_sync(nth, Action::Fail(EIO));
        members += fail_a_sync(nth, Action::FailAndRevert(EIO));
    }
    assert!(members > 16, "groups of one say little: {members}");
}

#[test]
fn a_refusal_for_space_takes_the_whole_group_with_it_and_the_store_goes_on() {
    let disk = CrashDisk::new();
    let db = open(std::sync::Arc::new(SlowDisk::new(disk.as_dyn())));
    db.update(|tx| tx.put("before", "")).unwrap();
    for nth in [3, 7, 12] {
        disk.arm(Fault::once(Call::Write, nth, Action::Fail(ENOSPC)));
    }
    let outcomes = commit_from_all_threads(&db, 40, |error| error.kind() == ErrorKind::NoSpace);
    let refused = outcomes.values().filter(|outcome| outcome.is_err()).count();
    assert!(refused >= 3, "{refused} refused");
    let check = |db: &Db| {
        for (key, outcome) in &outcomes {
            assert_eq!(has(db, *key), outcome.is_ok(), "{key:?}: {outcome:?}");
        }
    };
    check(&db);
    check(&open(disk.after_crash(Survivors::Synced).as_dyn()));
    check(&open(disk.after_crash(Survivors::Everything).as_dyn()));
}

#[test]
fn what_was_built_on_a_refused_commit_is_refused_too() {
    let disk = CrashDisk::new();
    let db = open(std::sync::Arc::new(SlowDisk::new(disk.as_dyn())));
    db.update(|tx| tx.put("count", "0")).unwrap();
    // Each commit adds one to what it reads: one that counts on from a refused commit shows.
    for nth in (2..40).step_by(3) {
        disk.arm(Fault::once(Call::Write, nth, Action::Fail(ENOSPC)));
    }
    let count_of = |db: &Db| -> u64 {
        let snapshot = db.snapshot().unwrap();
        let count = snapshot.get("count").unwrap().unwrap().to_vec();
        String::from_utf8(count).unwrap().parse().unwrap()
    };
    let added = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                scope.spawn(|| {
                    let mut added = 0;
                    for _ in 0..40 {
                        let done = db.update(|tx| {
                            let count = tx.get("count")?.map(|count| count.to_vec());
                            let count = String::from_utf8(count.unwrap_or_default()).unwrap();
                            let count: u64 = count.parse().unwrap();
                            // The commit it counts on may be refused meanwhile.
                            thread::sleep(Duration::from_millis(6));
                            tx.put("count", (count + 1).to_string())
                        });
                        match done {
                            Ok(()) => added += 1,
                            Err(error) => assert_eq!(error.kind(), ErrorKind::NoSpace, "{error}"),
                        }
                    }
                    added
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum::<u64>()
    });
    assert!(added < u64::from(THREADS) * 40, "nothing was refused");
    assert_eq!(count_of(&db), added);
    assert_eq!(
        count_of(&open(disk.after_crash(Survivors::Synced).as_dyn())),
        added
    );
}

#[test]
fn a_refused_commit_that_was_written_whole_is_taken_back() {
    let disk = CrashDisk::new();
    let open = |disk: &CrashDisk| {
        let options = Options::new().disk(disk.as_dyn()).background(false);
        options
            .prewrite_bytes(1_000)
            .store_id([3; 16])
            .open("/group")
            .unwrap()
    };
    let db = open(&disk);
    db.update(|tx| tx.put("before", "")).unwrap();
    // The frame is written, and the zeros behind it find no room.
    disk.arm(Fault::once(Call::Write, 1, Action::Short(1_250)));
    disk.arm(Fault::once(Call::Write, 2, Action::Fail(ENOSPC)));
    let refused = db.update(|tx| tx.put("refused", [1; 1_100]));
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::NoSpace);
    assert_eq!(disk.struck(), 2);
    assert!(db.snapshot().unwrap().get("refused").unwrap().is_none());
    for survivors in [Survivors::Synced, Survivors::Everything] {
        let after = open(&disk.after_crash(survivors));
        let snapshot = after.snapshot().unwrap();
        assert!(snapshot.get("refused").unwrap().is_none(), "{survivors:?}");
        assert!(snapshot.get("before").unwrap().is_some());
    }
    db.update(|tx| tx.put("next", "")).unwrap();
    let after = open(&disk.after_crash(Survivors::Synced));
    assert_eq!(after.snapshot().unwrap().len(), 2);
}
