//! Commits of a batch that its caller does not wait for.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options, Sequence};

use crate::conformance::small;

const PATIENCE: Duration = Duration::from_secs(60);

fn pairs(db: &Db) -> u32 {
    let snapshot = db.snapshot().unwrap();
    snapshot.range(Space::DEFAULT, ..).unwrap().count() as u32
}

/// Holds up whoever begins a file.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap() = is_shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut is_shut = self.is_shut.lock().unwrap();
        while *is_shut {
            is_shut = self.opened.wait(is_shut).unwrap();
        }
    }
}

/// A store whose files need random bytes, which wait at the gate.
fn gated(gate: &Arc<Gate>) -> Options {
    let (gate, drawn) = (Arc::clone(gate), AtomicU32::new(0));
    small()
        .background(true)
        .encryption_key(&[7; 16])
        .entropy(Arc::new(move |bytes| {
            gate.pass();
            for byte in bytes {
                *byte = (drawn.fetch_add(1, Ordering::Relaxed) >> 3) as u8;
            }
            Ok(())
        }))
}

/// The most pairs that a batch was ahead of the store by while its commits could not end.
fn ahead(commits_max: usize, enough: u32, patience: Duration) -> u32 {
    let directory = tempfile::tempdir().unwrap();
    let gate = Arc::new(Gate::default());
    let db = gated(&gate).open(directory.path().join("store")).unwrap();
    gate.shut(true);
    let put = AtomicU32::new(0);
    let mut most = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut batch = db.write_batch().commits_max(commits_max);
            for number in 0..1_000_u32 {
                let key = number.to_be_bytes();
                batch.put(Space::DEFAULT, &key, &[1; 60]).unwrap();
                put.store(number + 1, Ordering::Release);
            }
            batch.flush(Durability::Buffered).unwrap();
        });
        let began = Instant::now();
        while most < enough && began.elapsed() < patience {
            let before = pairs(&db);
            most = most.max(put.load(Ordering::Acquire).saturating_sub(before));
            std::thread::sleep(Duration::from_millis(1));
        }
        gate.shut(false);
        writer.join().unwrap();
    });
    assert_eq!(pairs(&db), 1_000);
    most
}

/// Pairs of 64 bytes that fill one commit of a batch into a memtable of 8 KiB.
const PAIRS_PER_COMMIT: u32 = 16;

#[test]
fn a_batch_goes_on_while_its_commits_are_on_their_way() {
    let enough = 4 * PAIRS_PER_COMMIT;
    let most = ahead(16, enough, PATIENCE);
    assert!(most >= enough, "{most}");
}

#[test]
fn no_more_commits_of_a_batch_are_on_their_way_than_it_was_told() {
    let most = ahead(1, u32::MAX, Duration::from_millis(300));
    assert!((2..=2 * PAIRS_PER_COMMIT + 1).contains(&most), "{most}");
}

#[test]
fn what_keeps_a_commit_on_its_way_from_ending_is_told_at_the_flush_at_the_latest() {
    let disk = CrashDisk::new();
    let options = small()
        .background(true)
        .disk(disk.as_dyn())
        .read_without_mapping(true);
    let db = options.open("/store").unwrap();
    let mut batch = db.write_batch();
    batch.put(Space::DEFAULT, b"key", &[1; 500]).unwrap();
    disk.arm(Fault::from(Call::Write, 1, Action::Fail(5)));
    let mut told = None;
    for number in 0..100_u32 {
        if let Err(error) = batch.put(Space::DEFAULT, &number.to_be_bytes(), &[2; 500]) {
            told = Some(error.kind());
            break;
        }
    }
    let is_known = batch.error().map(kv_api::Error::kind);
    let failed = batch.flush(Durability::Sync).unwrap_err().kind();
    assert!(
        told.is_none_or(|told| told == failed),
        "{told:?} {failed:?}"
    );
    assert!(
        is_known.is_none_or(|known| known == failed),
        "{is_known:?} {failed:?}"
    );
    assert!(
        matches!(
            failed,
            ErrorKind::Io | ErrorKind::InDoubt | ErrorKind::Poisoned
        ),
        "{failed:?}"
    );
    assert_eq!(
        pairs(&db),
        0,
        "what failed is not seen, nor what came behind it"
    );
}

#[test]
fn a_space_dropped_under_a_batch_ends_it_and_nothing_strays_into_its_successor() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().background(true);
    let db = options.open(directory.path().join("store")).unwrap();
    let mut batch = db.write_batch();
    let space = batch.space(&db, b"space").unwrap();
    batch.put(space, b"key", b"").unwrap();
    db.update(|tx| tx.drop_space(b"space").map(drop)).unwrap();
    db.update(|tx| tx.create_space(b"space").map(drop)).unwrap();
    let failed =
        (0..10_000_u32).find_map(|number| batch.put(space, &number.to_be_bytes(), b"").err());
    assert_eq!(failed.unwrap().kind(), ErrorKind::Conflict);
    assert_eq!(batch.error().unwrap().kind(), ErrorKind::Conflict);
    let flushed = batch.flush(Durability::Sync).unwrap_err();
    assert_eq!(flushed.kind(), ErrorKind::Conflict);
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"space").unwrap().unwrap();
    assert_eq!(snapshot.range(space, ..).unwrap().count(), 0);
}

#[test]
fn of_two_changes_on_their_way_to_one_key_the_later_one_counts() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().background(true);
    let db = options.open(directory.path().join("store")).unwrap();
    for _ in 0..20 {
        let mut batch = db.write_batch();
        for number in 0..2_000_u32 {
            let value = number.to_be_bytes();
            batch
                .put(Space::DEFAULT, &[number as u8 % 7], &value)
                .unwrap();
        }
        batch.flush(Durability::Buffered).unwrap();
        let snapshot = db.snapshot().unwrap();
        for key in 0..7_u32 {
            let value = snapshot.get(Space::DEFAULT, &[key as u8]).unwrap().unwrap();
            let last = (0..2_000).rfind(|number| number % 256 % 7 == key).unwrap();
            assert_eq!(&*value, &last.to_be_bytes());
        }
    }
}

#[test]
fn a_flushed_batch_is_durable_whole_and_before_that_only_its_first_commits_are() {
    let disk = CrashDisk::new();
    let options = || small().read_without_mapping(true);
    let db = options()
        .background(true)
        .disk(disk.as_dyn())
        .open("/store")
        .unwrap();
    let promised = AtomicU32::new(0);
    let mut crashes = Vec::new();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..40_u32 {
                let mut batch = db.write_batch();
                for number in round * 300..(round + 1) * 300 {
                    let value = vec![number as u8; if number % 5 == 0 { 300 } else { 30 }];
                    let key = number.to_be_bytes();
                    batch.put(Space::DEFAULT, &key, &value).unwrap();
                }
                batch.flush(Durability::Sync).unwrap();
                promised.store((round + 1) * 300, Ordering::Release);
            }
        });
        while !writer.is_finished() && crashes.len() < 60 {
            let before = promised.load(Ordering::Acquire);
            crashes.push((disk.after_crash(Survivors::Synced), before));
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    crashes.push((disk.after_crash(Survivors::Synced), 12_000));
    for (disk, promised) in crashes {
        let db = options()
            .background(false)
            .disk(disk.as_dyn())
            .open("/store")
            .unwrap();
        let snapshot = db.snapshot().unwrap();
        let keys = snapshot.range(Space::DEFAULT, ..).unwrap();
        let mut count = 0_u32;
        for (pair, number) in keys.zip(0_u32..) {
            assert_eq!(&*pair.unwrap().0, &number.to_be_bytes(), "a gap");
            count += 1;
        }
        assert!(count >= promised, "{count} of {promised}");
    }
}

#[test]
fn a_batch_that_is_flushed_by_a_callback_gets_through_and_one_left_alone_holds_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let options = small().background(true);
    let db = Arc::new(options.open(directory.path().join("store")).unwrap());
    let (sender, ended) = std::sync::mpsc::channel();
    let (inner, mut tx) = (Arc::clone(&db), db.begin().unwrap());
    tx.put(Space::DEFAULT, b"first", b"").unwrap();
    tx.commit_then(Durability::Buffered, move |_| {
        let mut batch = inner.write_batch();
        for number in 0..1_000_u32 {
            let key = number.to_be_bytes();
            batch.put(Space::DEFAULT, &key, &[1; 60]).unwrap();
        }
        let flushed = batch.flush(Durability::Buffered);
        drop(inner);
        sender.send(flushed.map_err(|error| error.kind())).unwrap();
    });
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), Ok(()));
    assert_eq!(pairs(&db), 1_001);
    let mut left = db.write_batch();
    for number in 0..200_u32 {
        let key = [&[9][..], &number.to_be_bytes()].concat();
        left.put(Space::DEFAULT, &key, &[1; 60]).unwrap();
    }
    drop(left);
    db.close().unwrap();
    let mut late = db.write_batch();
    late.put(Space::DEFAULT, b"late", b"").unwrap();
    let refused = late.flush(Durability::Sync).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Closed);
    assert!(db.newest_version() > Sequence(0));
}
