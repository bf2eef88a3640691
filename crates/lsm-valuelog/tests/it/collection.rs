//! Space of dead values comes back, and nothing living is lost by it.

use std::path::Path;
use std::time::{Duration, Instant};

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::capability::Check;
use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;
use crate::support::assert_sound;

fn options() -> Options {
    Options::new()
        .background(false)
        .memtable_bytes(16 << 10)
        .value_threshold_bytes(100)
        .value_file_bytes(64 << 10)
}

fn put(db: &Db, round: u8, keys: std::ops::Range<u32>) {
    for key in keys {
        let value = vec![round; 1_000 + key as usize];
        let mut tx = db.begin().unwrap();
        tx.put(Space::DEFAULT, &key.to_be_bytes(), &value).unwrap();
        tx.commit(Durability::Buffered).unwrap();
    }
}

fn assert_holds(db: &Db, round: impl Fn(u32) -> u8, keys: u32) {
    let snapshot = db.snapshot().unwrap();
    for key in 0..keys {
        let value = snapshot
            .get(Space::DEFAULT, &key.to_be_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(*value, vec![round(key); 1_000 + key as usize], "{key}");
    }
}

fn bytes_in(path: &Path) -> u64 {
    // A file that goes between its listing and the look at it takes no space.
    let entries = std::fs::read_dir(path).unwrap();
    let found = entries.filter_map(|entry| entry.unwrap().metadata().ok());
    found.map(|metadata| metadata.len()).sum()
}

#[test]
fn living_values_survive_collection_and_reopening() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options().open(&path).unwrap();
    put(&db, 1, 0..200);
    put(&db, 2, 0..150);
    db.flatten().unwrap();
    assert!(db.collect().unwrap() > 0);
    let round = |key: u32| if key < 150 { 2 } else { 1 };
    assert_holds(&db, round, 200);
    assert_sound(&db);
    let moved = |db: &Db| {
        db.value_files()
            .iter()
            .filter(|file| file.id != file.physical)
            .count()
    };
    assert!(
        moved(&db) > 0,
        "some file was written anew: {:?}",
        db.value_files()
    );
    for is_closed in [false, true] {
        put(&db, 3, 199..200);
        put(&db, 1, 199..200);
        if is_closed {
            db.close().unwrap();
        }
    }
    drop(db);
    let db = options().open(&path).unwrap();
    assert!(moved(&db) > 0);
    assert_holds(&db, round, 200);
    assert_sound(&db);
}

#[test]
fn the_accounts_of_living_bytes_are_exact() {
    let directory = tempfile::tempdir().unwrap();
    let db = options().open(directory.path().join("store")).unwrap();
    put(&db, 1, 0..100);
    put(&db, 2, 0..40);
    db.update(|tx| tx.delete_range(Space::DEFAULT, 40_u32.to_be_bytes()..60_u32.to_be_bytes()))
        .unwrap();
    db.flatten().unwrap();
    let living: u64 = db.value_files().iter().map(|file| file.living_bytes).sum();
    let expected: u64 = (0..100)
        .filter(|key| !(40..60).contains(key))
        .map(|key| 1_000 + key)
        .sum();
    assert_eq!(living, expected);
}

#[test]
fn a_reader_of_before_goes_on_reading_what_was_collected() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options().open(&path).unwrap();
    put(&db, 1, 0..200);
    let before = db.snapshot().unwrap();
    for round in 2..5 {
        put(&db, round, 0..200);
    }
    db.flatten().unwrap();
    assert!(db.collect().unwrap() > 0);
    let held = bytes_in(&path);
    for key in 0..200_u32 {
        let value = before
            .get(Space::DEFAULT, &key.to_be_bytes())
            .unwrap()
            .unwrap();
        assert_eq!(*value, vec![1; 1_000 + key as usize]);
    }
    drop(before);
    assert!(
        bytes_in(&path) < held,
        "the files go with their last reader"
    );
    assert_holds(&db, |_| 4, 200);
    assert_sound(&db);
}

#[test]
fn space_comes_back_by_itself_once_nobody_writes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options()
        .background(true)
        .idle(Duration::from_millis(50))
        .open(&path)
        .unwrap();
    for round in 0..10 {
        put(&db, round, 0..200);
    }
    let living: u64 = (0..200).map(|key| 1_000 + key).sum();
    let began = Instant::now();
    while bytes_in(&path) as f64 > 1.3 * living as f64 + (16 << 10) as f64 {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{} bytes for {living} living: {:?} {:?}",
            bytes_in(&path),
            db.value_files(),
            db.levels()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_holds(&db, |_| 9, 200);
    assert_eq!(db.metrics().background_failures, 0);
}

#[test]
fn a_share_may_be_asked_for_that_is_not_the_stores_own() {
    let directory = tempfile::tempdir().unwrap();
    let db = options()
        .value_threshold_bytes(100)
        .value_file_bytes(16 << 10)
        .garbage_percent(95)
        .open(directory.path().join("store"))
        .unwrap();
    for round in 0..2_u8 {
        for number in 0..200_u8 {
            // The second time every other one, so that about half of what was written is dead.
            if round == 0 || number % 2 == 0 {
                db.update(|tx| tx.put(Space::DEFAULT, &[number], &[round; 400]))
                    .unwrap();
            }
        }
    }
    db.flatten().unwrap();
    assert_eq!(db.collect().unwrap(), 0);
    assert!(db.collect_above(30).unwrap() > 0);
    assert_eq!(db.collect_above(30).unwrap(), 0);
    let refused = db.collect_above(101).map(drop).unwrap_err();
    assert_eq!(refused.kind(), kv_api::ErrorKind::Invalid);
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 200);
}

#[test]
fn the_accounts_of_dead_bytes_are_exact_after_a_crash_too() {
    for rounds in [1_u8, 3] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let options = || options().garbage_percent(100).value_file_bytes(1 << 20);
        let db = options().open(&path).unwrap();
        let mut written = 0;
        for round in 0..rounds {
            put(&db, round, 0..50);
            written += (0..50_u64).map(|key| 1_000 + key).sum::<u64>();
            // Some of it is in tables, some only in the log.
            if round % 2 == 0 {
                db.flush().unwrap();
                put(&db, round, 0..10);
                written += (0..10_u64).map(|key| 1_000 + key).sum::<u64>();
            }
        }
        db.sync().unwrap();
        drop(db);
        let db = options().open(&path).unwrap();
        let files = db.value_files();
        let counted: u64 = files.iter().map(|file| file.value_bytes).sum();
        assert_eq!(counted, written, "{files:?}");
        db.flatten().unwrap();
        let living: u64 = db.value_files().iter().map(|file| file.living_bytes).sum();
        assert_eq!(living, (0..50_u64).map(|key| 1_000 + key).sum::<u64>());
        assert_sound(&db);
    }
}

#[test]
fn a_value_file_that_was_cut_is_told_as_damage_and_ends_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = || small().value_file_bytes(1 << 20);
    let db = options().open(&path).unwrap();
    for key in 0..4_u8 {
        db.update(|tx| tx.put(Space::DEFAULT, &[key], &[key; 40_000]))
            .unwrap();
    }
    let [file] = db.value_files().try_into().unwrap();
    db.close().unwrap();
    drop(db);
    let file = path.join(format!("{}.vlog", file.physical));
    let file = std::fs::OpenOptions::new().write(true).open(file).unwrap();
    file.set_len(50_000).unwrap();
    // It may be refused at once, or where what is gone is asked for.
    let Ok(db) = options().open(&path) else {
        return;
    };
    let snapshot = db.snapshot().unwrap();
    let kept = snapshot.get(Space::DEFAULT, &[0]).unwrap();
    assert_eq!(kept.as_deref(), Some(&[0; 40_000][..]));
    for key in 1..4_u8 {
        let lost = snapshot.get(Space::DEFAULT, &[key]).map(drop);
        assert_eq!(lost.map_err(|error| error.kind()), Err(ErrorKind::Corrupt));
    }
}

#[test]
fn the_check_finds_a_flipped_bit_in_a_value_that_nobody_has_read() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    db.update(|tx| tx.put(Space::DEFAULT, b"key", &[7; 5_000]))
        .unwrap();
    let [file] = db.value_files().try_into().unwrap();
    db.close().unwrap();
    drop(db);
    let name = format!("{}.vlog", file.physical);
    let mut bytes = std::fs::read(path.join(&name)).unwrap();
    let at = bytes
        .windows(100)
        .position(|window| window == [7; 100])
        .unwrap();
    bytes[at + 2_000] ^= 4;
    std::fs::write(path.join(&name), bytes).unwrap();
    let db = small().open(&path).unwrap();
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    let [finding] = findings.try_into().unwrap();
    assert!(finding.place.to_string().contains(&name), "{finding:?}");
}

#[test]
fn the_values_of_a_commit_too_large_for_a_memtable_are_counted_once() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.update(|tx| (0..200_u8).try_for_each(|key| tx.put(Space::DEFAULT, &[key], &[key; 300])))
        .unwrap();
    let files = db.value_files();
    let bytes: u64 = files.iter().map(|file| file.value_bytes).sum();
    let living: u64 = files.iter().map(|file| file.living_bytes).sum();
    assert_eq!((bytes, living), (200 * 300, 200 * 300), "{files:?}");
}

#[test]
fn a_collection_that_fails_anywhere_leaves_every_value_where_the_manifest_says() {
    let mut failed = 0;
    for (call, errno) in [
        (Call::AnyChange, 5),
        (Call::AnyChange, 28),
        (Call::AnySync, 5),
        (Call::AnySync, 28),
    ] {
        for nth in 1.. {
            let disk = CrashDisk::new();
            let open = |disk: &CrashDisk| {
                let options = options().disk(disk.as_dyn()).read_without_mapping(true);
                options.open("store").unwrap()
            };
            let db = open(&disk);
            put(&db, 1, 0..60);
            put(&db, 2, 0..40);
            db.flatten().unwrap();
            disk.arm(Fault::once(call, nth, Action::Fail(errno)));
            let collected = db.collect();
            let is_struck = disk.struck() > 0;
            disk.disarm();
            failed += u32::from(collected.is_err());
            let round = |key: u32| if key < 40 { 2 } else { 1 };
            assert_holds(&db, round, 60);
            // Files that nobody is to see any more go with the last handle.
            drop(db);
            for left in [
                disk.clone(),
                disk.after_crash(Survivors::Everything),
                disk.after_crash(Survivors::Synced),
            ] {
                let db = open(&left);
                assert_holds(&db, round, 60);
                assert_sound(&db);
            }
            if !is_struck {
                assert!(collected.unwrap() > 0);
                break;
            }
        }
    }
    assert!(failed > 10, "{failed}");
}
