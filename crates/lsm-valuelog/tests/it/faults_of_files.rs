//! Files that are not what they should be, and files that should not be at all.

use std::path::{Path, PathBuf};

use crash_kit::{Action, Call, CrashDisk, Fault};
use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;
use crate::pairs::pairs;
use crate::support::assert_sound;

fn put(db: &Db, key: &[u8], value: &[u8], durability: Durability) -> kv_api::Result<()> {
    let mut tx = db.begin()?;
    tx.put(Space::DEFAULT, key, value)?;
    tx.commit(durability)
}

fn files(path: &Path, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    files.sort();
    files
}

/// A closed store with one table and one file of the value log.
fn made(path: &Path, byte: u8) {
    let db = small().open(path).unwrap();
    for number in 0..10_u8 {
        put(&db, &[number], &[byte; 50], Durability::Buffered).unwrap();
    }
    put(&db, b"large", &[byte; 3_000], Durability::Buffered).unwrap();
    db.flatten().unwrap();
    db.close().unwrap();
    assert_eq!(
        (files(path, "sst").len(), files(path, "vlog").len()),
        (1, 1)
    );
}

fn read_all(path: &Path) -> kv_api::Result<usize> {
    let db = small().open(path)?;
    let snapshot = db.snapshot()?;
    let mut count = 0;
    for pair in snapshot.range(Space::DEFAULT, ..)? {
        pair?;
        count += 1;
    }
    Ok(count)
}

/// Why a store is refused: at its opening, or where a table is at fault, which an opening does not
/// look into, when that is read.
fn refused(path: &Path, end: &str) -> kv_api::Error {
    match end {
        "sst" => read_all(path).map(drop).unwrap_err(),
        _ => small().open(path).map(drop).unwrap_err(),
    }
}

#[test]
fn a_file_that_is_empty_foreign_or_of_another_kind_is_refused_by_name() {
    for end in ["sst", "vlog", "MANIFEST"] {
        let home = tempfile::tempdir().unwrap();
        let (path, other) = (home.path().join("store"), home.path().join("other"));
        made(&path, 1);
        made(&other, 2);
        let [file] = files(&path, end).try_into().unwrap();
        let sound = std::fs::read(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let of_other_kind = if end == "sst" { "vlog" } else { "sst" };
        let [kind] = files(&path, of_other_kind).try_into().unwrap();
        let strangers = [
            ("empty", Vec::new()),
            ("zeros", vec![0; sound.len()]),
            ("text", b"something else altogether ".repeat(200)),
            ("another kind", std::fs::read(kind).unwrap()),
        ];
        for (what, bytes) in strangers {
            std::fs::write(&file, bytes).unwrap();
            // Before any byte of it is taken for something else.
            let error = refused(&path, end);
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{end} {what}: {error}");
            assert!(error.to_string().contains(&name), "{end} {what}: {error}");
        }
        std::fs::write(&file, &sound).unwrap();
        assert_eq!(read_all(&path).unwrap(), 11, "and nothing was changed");
    }
}

#[test]
fn a_file_under_the_name_of_another_of_its_kind_is_refused_by_name() {
    for end in ["sst", "vlog"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let options = || {
            let options = small().level_zero_tables(50, 60, 80);
            options.value_file_bytes(4 << 10)
        };
        let db = options().open(&path).unwrap();
        for round in 0..2_u8 {
            for number in 0..20_u8 {
                put(&db, &[number], &[round; 300], Durability::Buffered).unwrap();
            }
            db.flush().unwrap();
        }
        db.close().unwrap();
        drop(db);
        let files = files(&path, end);
        let (one, other) = (files.first().unwrap(), files.last().unwrap());
        assert_ne!(one, other);
        std::fs::copy(other, one).unwrap();
        let name = one.file_name().unwrap().to_string_lossy().into_owned();
        let error = refused(&path, end);
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains(&name), "{error}");
    }
}

#[test]
fn a_missing_file_is_named_and_nothing_is_changed() {
    for end in ["sst", "vlog", "MANIFEST"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        made(&path, 1);
        let [file] = files(&path, end).try_into().unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let aside = home.path().join("aside");
        std::fs::rename(&file, &aside).unwrap();
        for _ in 0..2 {
            let error = read_all(&path).unwrap_err();
            let told = error.to_string();
            assert!(told.contains(&name) || told.contains("manifest"), "{told}");
        }
        std::fs::rename(&aside, &file).unwrap();
        assert_eq!(read_all(&path).unwrap(), 11);
    }
}

#[test]
fn an_empty_file_that_a_crash_left_is_no_obstacle_and_goes() {
    for end in ["sst", "vlog", "wal"] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let db = small().open(&path).unwrap();
        put(&db, b"key", b"value", Durability::Sync).unwrap();
        drop(db);
        let left = path.join(format!("000077.{end}"));
        std::fs::write(&left, b"").unwrap();
        let reader = small().read_only(true).open(&path).unwrap();
        assert_eq!(pairs(&reader).len(), 1, "{end}");
        drop(reader);
        let db = small().open(&path).unwrap();
        assert_eq!(pairs(&db).len(), 1, "{end}");
        assert!(!left.exists(), "{end}");
        put(&db, b"more", &[1; 500], Durability::Sync).unwrap();
        assert_sound(&db);
    }
}

#[test]
fn nothing_is_brought_back_from_behind_a_damaged_commit() {
    // As nobody was promised any of them, the row is cut there, and told.
    for (durability, is_promised) in [(Durability::Buffered, false), (Durability::Sync, true)] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let options = || Options::new().background(false);
        let db = options().open(&path).unwrap();
        for number in 0..10_u8 {
            put(&db, &[number], &[b'a' + number; 90], durability).unwrap();
        }
        drop(db);
        let [log] = files(&path, "wal").try_into().unwrap();
        let mut bytes = std::fs::read(&log).unwrap();
        let place = bytes.windows(90).position(|w| w == [b'a' + 4; 90]).unwrap();
        bytes[place + 9] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
        let opened = options().open(&path);
        if is_promised {
            let error = opened.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert_eq!(std::fs::read(&log).unwrap(), bytes, "nothing is cut off");
            continue;
        }
        let db = opened.unwrap();
        let keys: Vec<Vec<u8>> = pairs(&db).into_keys().collect();
        assert_eq!(keys, [[0], [1], [2], [3]]);
        assert_eq!(db.recovery().commits, 4);
        assert!(db.recovery().torn_bytes > 500, "{:?}", db.recovery());
    }
}

#[test]
fn a_store_that_is_opened_again_goes_on_in_the_file_of_values_it_has() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let options = || small().value_file_bytes(1 << 20).garbage_percent(100);
    for round in 0..20_u8 {
        let db = options().open(&path).unwrap();
        put(&db, &[round], &[round; 300], Durability::Sync).unwrap();
        db.close().unwrap();
    }
    assert_eq!(files(&path, "vlog").len(), 1);
    let before: Vec<PathBuf> = files(&path, "");
    for _ in 0..5 {
        options().open(&path).unwrap().close().unwrap();
    }
    assert_eq!(files(&path, ""), before, "nothing new for nothing");
}

#[test]
fn opening_a_closed_store_reads_none_of_its_blocks_and_values() {
    let disk = CrashDisk::new();
    let options = || {
        let options = Options::new().background(false).disk(disk.as_dyn());
        options
            .read_without_mapping(true)
            .value_threshold_bytes(1_000)
    };
    // Reads that an opening takes, by how much there is.
    let reads = |values: u32| {
        let name = format!("store {values}");
        let db = options().open(&name).unwrap();
        for number in 0..values {
            put(
                &db,
                &number.to_be_bytes(),
                &[7; 5_000],
                Durability::Deferred,
            )
            .unwrap();
        }
        db.flatten().unwrap();
        db.close().unwrap();
        drop(db);
        (1..).find(|nth| {
            disk.arm(Fault::once(Call::Read, *nth, Action::Fail(5)));
            let opened = options().open(&name);
            disk.disarm();
            opened.is_ok()
        })
    };
    assert_eq!(reads(10), reads(1_000));
}

#[test]
fn a_small_store_takes_little_room_open_or_closed() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let bytes = || -> u64 {
        let files = files(&path, "").into_iter();
        files.map(|file| file.metadata().unwrap().len()).sum()
    };
    let db = Db::open(&path).unwrap();
    put(&db, b"key", b"value", Durability::Sync).unwrap();
    put(&db, b"large", &[7; 100_000], Durability::Sync).unwrap();
    assert!(bytes() < 1 << 20, "{} bytes while it is open", bytes());
    db.close().unwrap();
    assert!(bytes() < 110_000, "{} bytes once it is closed", bytes());
}

#[test]
fn a_lease_of_numbers_that_did_not_become_durable_gives_none() {
    for errno in [5, 28] {
        let disk = CrashDisk::new();
        let db = small().disk(disk.as_dyn()).open("store").unwrap();
        let numbers = db.number_sequence(b"numbers", 2).unwrap();
        assert_eq!([numbers.next().unwrap(), numbers.next().unwrap()], [0, 1]);
        disk.arm(Fault::once(Call::Write, 1, Action::Fail(errno)));
        assert!(numbers.next().is_err(), "{errno}");
        disk.disarm();
        let left = disk.after_crash(crash_kit::Survivors::Synced);
        match numbers.next() {
            Ok(number) => assert_eq!((number, errno), (2, 28)),
            Err(error) => assert_eq!((error.kind(), errno), (ErrorKind::Poisoned, 5)),
        }
        let db = small().disk(left.as_dyn()).open("store").unwrap();
        assert_eq!(
            db.number_sequence(b"numbers", 2).unwrap().next().unwrap(),
            2
        );
    }
}

#[test]
fn level_zero_is_merged_past_nothing_whatever_sizes_levels_are_to_have() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let shapes = [
        (1 << 10, 2),
        (1 << 30, 10),
        (16 << 10, 3),
        (64 << 20, 2),
        (1 << 10, 10_000),
    ];
    for round in 0..6_u8 {
        let (base, multiplier) = shapes[usize::from(round) % shapes.len()];
        let options = small().base_level_bytes(base).level_multiplier(multiplier);
        let db = options.open(&path).unwrap();
        for number in 0..250_u8 {
            put(&db, &[number, 1], &[round; 90], Durability::Deferred).unwrap();
            if number % 9 == round {
                db.update(|tx| tx.delete(Space::DEFAULT, &[number, 1]))
                    .unwrap();
            }
        }
        assert_sound(&db);
        let found = pairs(&db);
        assert!(found.values().all(|value| *value == [round; 90]), "{round}");
        let deleted = (0..250_u8).filter(|number| number % 9 == round).count();
        assert_eq!(found.len(), 250 - deleted, "{round}");
        db.close().unwrap();
    }
}

#[test]
fn a_manifest_damaged_before_its_end_is_refused_and_not_cut() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().level_zero_tables(50, 60, 80).open(&path).unwrap();
    for number in 0..12_u8 {
        put(&db, &[number], b"", Durability::Sync).unwrap();
        db.flush().unwrap();
    }
    drop(db);
    let manifest = path.join("MANIFEST");
    let sound = std::fs::read(&manifest).unwrap();
    for at in [sound.len() / 2, sound.len() * 2 / 3] {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&manifest, &bytes).unwrap();
        for is_read_only in [true, false] {
            let opened = small().read_only(is_read_only).open(&path);
            assert_eq!(opened.map(drop).unwrap_err().kind(), ErrorKind::Corrupt);
        }
        assert_eq!(std::fs::read(&manifest).unwrap(), bytes);
    }
    std::fs::write(&manifest, &sound).unwrap();
    assert_eq!(pairs(&small().open(&path).unwrap()).len(), 12);
}
