//! Commits that nobody waits for, and the callbacks that tell how they ended.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::capability::SetCommitIndex;
use kv_api::{Durability, ErrorKind, Reader, Result, Space, Store, Transaction};
use lsm_valuelog::{Db, Sequence};

use crate::conformance::small;

const PATIENCE: Duration = Duration::from_secs(60);

/// Who was told what, in the order of the calls.
type Told = Arc<Mutex<Vec<(u64, Result<Sequence>)>>>;

fn put_then(
    db: &Db,
    number: u64,
    durability: Durability,
    then: impl FnOnce(Result<Sequence>) + Send + 'static,
) {
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, &number.to_be_bytes(), &[7; 150])
        .unwrap();
    tx.commit_then(durability, then);
}

fn noting(told: &Told, number: u64) -> impl FnOnce(Result<Sequence>) + Send + 'static {
    let told = Arc::clone(told);
    move |outcome| told.lock().unwrap().push((number, outcome))
}

fn pairs(db: &Db) -> usize {
    let snapshot = db.snapshot().unwrap();
    snapshot.range(Space::DEFAULT, ..).unwrap().count()
}

#[test]
fn each_callback_is_called_once_in_the_order_of_the_commits_whoever_writes_them() {
    let directory = tempfile::tempdir().unwrap();
    for background in [true, false] {
        let path = directory.path().join(format!("store {background}"));
        let db = Arc::new(small().background(background).open(&path).unwrap());
        let told = Told::default();
        let newest = Arc::new(AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..4_u64 {
                let (db, told, newest) = (&db, &told, &newest);
                scope.spawn(move || {
                    for at in 0..200 {
                        let number = thread * 1_000 + at;
                        let note = noting(told, number);
                        let (reader, newest) = (Arc::downgrade(db), Arc::clone(newest));
                        put_then(db, number, Durability::Buffered, move |outcome| {
                            let version = outcome.clone().unwrap();
                            let before = newest.swap(version.0, Ordering::Relaxed);
                            assert!(before < version.0, "out of order");
                            if let Some(db) = reader.upgrade() {
                                let key = number.to_be_bytes();
                                let snapshot = db.snapshot().unwrap();
                                let value = snapshot.get(Space::DEFAULT, &key).unwrap();
                                assert!(value.is_some(), "told before it is visible");
                            }
                            note(outcome);
                        });
                        if at % 7 == 0 {
                            // Whoever waits stands in the same line.
                            let key = [b'w', thread as u8, at as u8];
                            let mut tx = db.begin().unwrap();
                            tx.put(Space::DEFAULT, &key, b"").unwrap();
                            tx.commit(Durability::Buffered).unwrap();
                            let snapshot = db.snapshot().unwrap();
                            let mine = snapshot.get(Space::DEFAULT, &number.to_be_bytes());
                            assert!(mine.unwrap().is_some(), "overtaken by a later commit");
                        }
                    }
                });
            }
        });
        db.close().unwrap();
        let mut told = std::mem::take(&mut *told.lock().unwrap());
        assert_eq!(db.metrics().background_failures, 0, "a callback panicked");
        told.sort_by_key(|(number, _)| *number);
        let wanted = (0..4).flat_map(|thread| (0..200).map(move |at| thread * 1_000 + at));
        assert!(told.iter().map(|(number, _)| *number).eq(wanted));
        drop(db);
        assert_eq!(pairs(&Db::open(&path).unwrap()), 4 * (200 + 29));
    }
}

#[test]
fn each_callback_is_told_the_version_that_its_records_have() {
    let directory = tempfile::tempdir().unwrap();
    for durability in [Durability::Sync, Durability::Buffered, Durability::Deferred] {
        let path = directory.path().join(format!("store {durability:?}"));
        let db = small().background(true).open(&path).unwrap();
        let told = Told::default();
        for number in 0..200 {
            put_then(&db, number, durability, noting(&told, number));
            if number % 9 == 0 {
                db.update(|tx| tx.put(Space::DEFAULT, b"waits", b""))
                    .unwrap();
            }
            if number == 100 {
                let mut tx = db.begin().unwrap();
                tx.put(Space::DEFAULT, &1_000_u64.to_be_bytes(), b"")
                    .unwrap();
                let chosen = Sequence(db.newest_version().0 + 1_000);
                tx.set_commit_index(chosen.0).unwrap();
                tx.commit_then(durability, noting(&told, 1_000));
            }
        }
        let snapshot = loop {
            if told.lock().unwrap().len() == 201 {
                break db.snapshot().unwrap();
            }
            std::thread::yield_now();
        };
        for (number, outcome) in told.lock().unwrap().iter() {
            let key = number.to_be_bytes();
            let item = snapshot.get_item(Space::DEFAULT, &key).unwrap().unwrap();
            let version = outcome.as_ref().unwrap();
            assert_eq!(*version, item.version(), "{durability:?} {number}");
        }
    }
}

#[test]
fn a_commit_is_told_once_it_is_as_durable_as_asked_for() {
    let disk = CrashDisk::new();
    let db = small().disk(disk.as_dyn()).open("store").unwrap();
    for number in 0..20 {
        let (sender, ended) = channel();
        let disk = disk.clone();
        put_then(&db, number, Durability::Sync, move |outcome| {
            // What the disk would keep if the power were cut at this moment.
            let kept = disk.after_crash(Survivors::Synced);
            sender.send((outcome.map(drop), kept)).unwrap();
        });
        let (outcome, kept) = ended.recv_timeout(PATIENCE).unwrap();
        outcome.unwrap();
        let left = small().disk(kept.as_dyn()).open("store").unwrap();
        assert_eq!(pairs(&left), number as usize + 1);
    }
}

#[test]
fn a_conflict_is_told_and_those_behind_it_are_not_touched() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("store")).unwrap();
    let told = Told::default();
    let mut crossing: Vec<_> = (0..3).map(|_| db.begin().unwrap()).collect();
    for tx in &mut crossing {
        assert!(tx.get(Space::DEFAULT, b"seat").unwrap().is_none());
        tx.put(Space::DEFAULT, b"seat", b"taken").unwrap();
    }
    for (number, tx) in (0..).zip(crossing) {
        tx.commit_then(Durability::Buffered, noting(&told, number));
    }
    put_then(&db, 3, Durability::Buffered, noting(&told, 3));
    db.begin()
        .unwrap()
        .commit_then(Durability::Sync, noting(&told, 4));
    db.close().unwrap();
    let told = told.lock().unwrap();
    let kinds = told
        .iter()
        .map(|(number, outcome)| (*number, outcome.as_ref().map_err(kv_api::Error::kind).err()));
    let mut kinds: Vec<_> = kinds.collect();
    kinds.sort_by_key(|kind| kind.0);
    let conflict = Some(ErrorKind::Conflict);
    assert_eq!(
        kinds,
        [
            (0, None),
            (1, conflict),
            (2, conflict),
            (3, None),
            (4, None)
        ]
    );
}

#[test]
fn a_callback_that_panics_is_counted_and_ends_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("store")).unwrap();
    let told = Told::default();
    for number in 0..10 {
        let note = noting(&told, number);
        put_then(&db, number, Durability::Buffered, move |outcome| {
            assert!(number % 3 != 1, "on purpose");
            note(outcome);
        });
    }
    db.update(|tx| tx.put(Space::DEFAULT, b"waits", b""))
        .unwrap();
    db.close().unwrap();
    let told: Vec<u64> = told.lock().unwrap().iter().map(|told| told.0).collect();
    assert_eq!(told, [0, 2, 3, 5, 6, 8, 9]);
    assert_eq!(db.metrics().background_failures, 3);
}

/// Has a callback that lasts until the sender is dropped or used.
fn blocked(db: &Db) -> std::sync::mpsc::Sender<()> {
    let (sender, released): (_, Receiver<()>) = channel();
    put_then(db, u64::MAX, Durability::Buffered, move |outcome| {
        outcome.unwrap();
        released.recv_timeout(PATIENCE).ok();
    });
    sender
}

#[test]
fn whoever_commits_more_than_is_told_waits() {
    let directory = tempfile::tempdir().unwrap();
    let db = Db::open(directory.path().join("store")).unwrap();
    let release = blocked(&db);
    let handed_in = AtomicUsize::new(1);
    let told = Arc::new(AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..3_000 {
                let told = Arc::clone(&told);
                put_then(&db, number, Durability::Deferred, move |outcome| {
                    outcome.unwrap();
                    told.fetch_add(1, Ordering::Relaxed);
                });
                handed_in.fetch_add(1, Ordering::Relaxed);
            }
        });
        while handed_in.load(Ordering::Relaxed) < 1_024 {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(handed_in.load(Ordering::Relaxed), 1_024);
        // Those who wait for their own commit are held up by no callback.
        db.update(|tx| tx.put(Space::DEFAULT, b"waits", b""))
            .unwrap();
        drop(release);
    });
    db.close().unwrap();
    assert_eq!(told.load(Ordering::Relaxed), 3_000);
}

#[test]
fn a_callback_may_commit_either_way_and_close_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = Arc::new(small().background(true).open(&path).unwrap());
    let (sender, ended) = channel();
    let inside = Arc::clone(&db);
    put_then(&db, 0, Durability::Buffered, move |outcome| {
        outcome.unwrap();
        for number in 1..=2_000 {
            // More than may be on their way, which only this thread could make fewer.
            put_then(&inside, number, Durability::Buffered, |outcome| {
                outcome.unwrap();
            });
        }
        inside
            .update(|tx| tx.put(Space::DEFAULT, b"waits", b""))
            .unwrap();
        inside.close().unwrap();
        assert!(inside.begin().is_err());
        sender.send(()).unwrap();
    });
    ended.recv_timeout(PATIENCE).unwrap();
    let directory_is_free = (0..600).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        Db::open(&path).is_ok_and(|db| pairs(&db) == 2_002)
    });
    assert!(directory_is_free);
}

#[test]
fn closing_and_dropping_wait_for_all_on_their_way_and_refuse_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    for is_dropped in [false, true] {
        let path = directory.path().join(format!("store {is_dropped}"));
        let db = Db::open(&path).unwrap();
        let told = Told::default();
        let release = blocked(&db);
        let mut late = db.begin().unwrap();
        late.put(Space::DEFAULT, b"late", b"").unwrap();
        for number in 0..500 {
            put_then(&db, number, Durability::Sync, noting(&told, number));
        }
        let releasing = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(20));
            drop(release);
        });
        if is_dropped {
            drop(db);
        } else {
            db.close().unwrap();
        }
        assert_eq!(told.lock().unwrap().len(), 500, "all told by now");
        assert!(told.lock().unwrap().iter().all(|told| told.1.is_ok()));
        late.commit_then(Durability::Sync, noting(&told, 500));
        let last = told.lock().unwrap().pop().unwrap();
        assert_eq!(last.1.unwrap_err().kind(), ErrorKind::Closed);
        releasing.join().unwrap();
        assert_eq!(pairs(&Db::open(&path).unwrap()), 501);
    }
}

#[test]
fn after_a_failed_sync_every_callback_is_told_the_failure_once() {
    let disk = CrashDisk::new();
    let db = small()
        .background(true)
        .disk(disk.as_dyn())
        .open("store")
        .unwrap();
    let told = Told::default();
    put_then(&db, 0, Durability::Sync, noting(&told, 0));
    db.update(|tx| tx.put(Space::DEFAULT, b"waits", b""))
        .unwrap();
    let mut waiting: Vec<_> = (1..50_u64)
        .map(|number| {
            let mut tx = db.begin().unwrap();
            tx.put(Space::DEFAULT, &number.to_be_bytes(), b"").unwrap();
            tx
        })
        .collect();
    disk.arm(Fault::from(Call::SyncData, 1, Action::Fail(5)));
    for (number, tx) in (1..).zip(waiting.drain(..)) {
        tx.commit_then(Durability::Sync, noting(&told, number));
    }
    drop(db.close());
    let mut told = std::mem::take(&mut *told.lock().unwrap());
    told.sort_by_key(|told| told.0);
    assert!(told.iter().map(|told| told.0).eq(0..50));
    assert!(told[0].1.is_ok());
    for (number, outcome) in &told[1..] {
        let kind = outcome.as_ref().unwrap_err().kind();
        assert!(
            matches!(kind, ErrorKind::InDoubt | ErrorKind::Poisoned),
            "{number}: {kind:?}"
        );
    }
}
