//! Copies of changes: loaded whole or not at all, and again after whatever came between.

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::{ErrorKind, Space, Store, Transaction};
use lsm_valuelog::{Db, Sequence};

use crate::conformance::small;
use crate::support::pairs;

/// A whole copy and one of changes large enough for many frames, with what is there after each.
struct Copies {
    whole: Vec<u8>,
    changes: Vec<u8>,
    before: Vec<(Vec<u8>, Vec<u8>)>,
    after: Vec<(Vec<u8>, Vec<u8>)>,
}

fn copies() -> Copies {
    let options = small().versions_to_keep(usize::MAX);
    let from = options.memtable_bytes(1 << 20).open_in_memory().unwrap();
    from.update(|tx| {
        (0..500_u32).try_for_each(|n| tx.put(Space::DEFAULT, &n.to_be_bytes(), &[1; 40]))
    })
    .unwrap();
    let first = from.snapshot().unwrap();
    let before = pairs(&from);
    let (mut whole, mut changes) = (Vec::new(), Vec::new());
    first.backup_since(Sequence(0), &mut whole).unwrap();
    from.update(|tx| {
        (0..250_u32).try_for_each(|n| tx.delete(Space::DEFAULT, &n.to_be_bytes()))?;
        (400..4_000_u32).try_for_each(|n| tx.put(Space::DEFAULT, &n.to_be_bytes(), &[2; 200]))
    })
    .unwrap();
    let second = from.snapshot().unwrap();
    second.backup_since(first.sequence(), &mut changes).unwrap();
    assert!(changes.len() > 2 * (256 << 10), "several frames");
    Copies {
        whole,
        changes,
        before,
        after: pairs(&from),
    }
}

#[test]
fn a_copy_of_changes_cut_short_anywhere_changes_nothing_and_can_be_loaded_again() {
    let copies = copies();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    db.load(&mut copies.whole.as_slice()).unwrap();
    let files = || std::fs::read_dir(&path).unwrap().count();
    let (version, held) = (db.newest_version(), files());
    for cut in (0..copies.changes.len()).step_by(49_999) {
        let cut = db.load(&mut &copies.changes[..cut]);
        assert_eq!(cut.unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!((db.newest_version(), files()), (version, held));
    }
    assert_eq!(pairs(&db), copies.before);
    db.load(&mut copies.changes.as_slice()).unwrap();
    assert_eq!(pairs(&db), copies.after);
    // It is there, so it does not follow any more.
    let again = db.load(&mut copies.changes.as_slice());
    assert_eq!(again.unwrap_err().kind(), ErrorKind::Invalid);
    drop(db);
    assert_eq!(pairs(&small().open(&path).unwrap()), copies.after);
}

#[test]
fn a_load_of_changes_that_a_crash_or_a_full_disk_interrupts_is_there_whole_or_not_at_all() {
    let copies = copies();
    let options = || small().read_without_mapping(true);
    let (mut nothing, mut whole) = (0, 0);
    for (call, step) in [
        (Call::Write, 5),
        (Call::SyncAll, 40),
        (Call::SyncDirectory, 1),
    ] {
        for nth in (1..400).step_by(step) {
            let disk = CrashDisk::new();
            let db = options().disk(disk.as_dyn()).open("/store").unwrap();
            db.load(&mut copies.whole.as_slice()).unwrap();
            disk.arm(Fault::from(call, nth, Action::Fail(28)));
            let loaded = db.load(&mut copies.changes.as_slice());
            let expected = match &loaded {
                Ok(()) => &copies.after,
                Err(_) => &copies.before,
            };
            assert_eq!(&pairs(&db), expected, "{call:?} {nth}");
            let left = disk.after_crash(Survivors::Synced);
            let again = options().disk(left.as_dyn()).open("/store").unwrap();
            let found = pairs(&again);
            assert!(
                found == copies.before || found == copies.after,
                "{call:?} {nth}"
            );
            if loaded.is_ok() {
                whole += 1;
                assert_eq!(found, copies.after, "{call:?} {nth}: promised");
                break;
            }
            nothing += 1;
            if found == copies.before {
                again.load(&mut copies.changes.as_slice()).unwrap();
                assert_eq!(pairs(&again), copies.after);
            }
        }
    }
    assert!(nothing > 10 && whole > 1, "{nothing} {whole}");
}

#[test]
fn a_load_of_changes_beside_which_somebody_writes_is_a_conflict_and_changes_nothing() {
    let copies = copies();
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.load(&mut copies.whole.as_slice()).unwrap();
    /// Writes to the store in the middle of what it hands on.
    struct Meddling<'a>(&'a Db, &'a [u8], usize);
    impl std::io::Read for Meddling<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.2 == 20 {
                let meddled = self.0.update(|tx| tx.put(Space::DEFAULT, b"theirs", b""));
                meddled.unwrap();
            }
            self.2 += 1;
            let limit = buffer.len().min(9_999);
            std::io::Read::read(&mut self.1, &mut buffer[..limit])
        }
    }
    let mut from = Meddling(&db, &copies.changes, 0);
    let refused = db.load(&mut from).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(pairs(&db).len(), copies.before.len() + 1);
}
