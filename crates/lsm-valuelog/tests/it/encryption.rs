//! Encryption at rest: nothing in clear, no store without its key, keys that change.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crash_kit::{Action, Call, CrashDisk, Fault, Survivors};
use kv_api::capability::Check;
use kv_api::{Durability, ErrorKind, Space, Transaction};
use lsm_valuelog::{Compression, Db, Options, rotate_master_key};

use crate::conformance::small;
use crate::pairs::{Pairs, pairs};

const KEY: [u8; 32] = [7; 32];
const OTHER: [u8; 16] = [9; 16];

/// Keys and values that are easy to look for, small and large, some overwritten.
fn fill(db: &Db, rounds: u32) -> Pairs {
    for round in 0..rounds {
        let mut tx = db.begin().unwrap();
        for number in 0..30 {
            let key = format!("telltale key {number:04} {}", round % 3);
            let value = "telltale value ".repeat(1 + number * 2 + round as usize % 7);
            tx.put(Space::DEFAULT, key.as_bytes(), value.as_bytes())
                .unwrap();
        }
        tx.delete(Space::DEFAULT, b"telltale key 0004 1").unwrap();
        let space = tx.create_space(b"telltale space").unwrap();
        tx.put(space, b"telltale", b"telltale").unwrap();
        tx.commit(Durability::Buffered).unwrap();
    }
    // One that goes straight to tables.
    let mut tx = db.begin().unwrap();
    for number in 0..200 {
        let key = format!("telltale bulk {number}");
        tx.put(Space::DEFAULT, key.as_bytes(), &[b'z'; 150])
            .unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
    pairs(db)
}

fn has_telltale(bytes: &[u8]) -> bool {
    let finds = |what: &[u8]| bytes.windows(what.len()).any(|window| window == what);
    finds(b"telltale") || finds(&[b'z'; 16]) || finds(b"elltal")
}

fn files_with_telltale(path: &Path) -> Vec<String> {
    let files = std::fs::read_dir(path).unwrap().map(Result::unwrap);
    let telling = files.filter(|file| has_telltale(&std::fs::read(file.path()).unwrap()));
    telling
        .map(|file| file.file_name().into_string().unwrap())
        .collect()
}

#[test]
fn nothing_of_keys_and_values_stands_in_any_file() {
    let home = tempfile::tempdir().unwrap();
    for (name, key) in [("plain", None), ("sealed", Some(KEY))] {
        for compression in [Compression::None, Compression::Lz4] {
            let path = home.path().join(format!("{name} {compression:?}"));
            let keyed = || match key {
                Some(key) => small().compression(compression).encryption_key(&key),
                None => small().compression(compression),
            };
            let db = keyed().open(&path).unwrap();
            let expected = fill(&db, 20);
            assert!(db.metrics().compactions > 0 && !db.value_files().is_empty());
            let open = files_with_telltale(&path);
            assert_eq!(open.is_empty(), key.is_some(), "{open:?}");
            db.collect().unwrap();
            let files = db.value_files();
            let is_moved = files.iter().any(|file| file.id != file.physical);
            assert!(is_moved, "some values were moved: {files:?}");
            assert_eq!(pairs(&db), expected);
            drop(db);
            // Left open: the logs are replayed.
            let db = keyed().open(&path).unwrap();
            assert_eq!(pairs(&db), expected);
            let checked = db.check(&mut |finding| panic!("{finding:?}")).unwrap();
            assert_eq!(checked.findings, 0);
            db.close().unwrap();
            drop(db);
            let closed = files_with_telltale(&path);
            assert_eq!(closed.is_empty(), key.is_some(), "{closed:?}");
            assert_eq!(pairs(&keyed().open(&path).unwrap()), expected);
        }
    }
}

#[test]
fn a_wrong_key_and_none_are_refused_in_so_many_words_and_change_nothing() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().encryption_key(&KEY).open(&path).unwrap();
    let expected = fill(&db, 3);
    drop(db);
    let refused = |options: Options, words: &str| {
        let error = options.open(&path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    };
    for is_read_only in [false, true] {
        let options = || small().read_only(is_read_only);
        refused(options(), "no encryption key was given");
        refused(options().encryption_key(&OTHER), "is not this store's");
        refused(options().encryption_key(&[8; 32]), "is not this store's");
        refused(options().encryption_key(&[7; 31]), "16, 24 or 32 bytes");
        let db = options().encryption_key(&KEY).open(&path).unwrap();
        assert_eq!(pairs(&db), expected);
    }
}

#[test]
fn every_length_of_key_works() {
    let home = tempfile::tempdir().unwrap();
    for len in [16, 24, 32] {
        let (path, key) = (home.path().join(len.to_string()), vec![3; len]);
        let db = small().encryption_key(&key).open(&path).unwrap();
        let expected = fill(&db, 2);
        db.close().unwrap();
        drop(db);
        let db = small().encryption_key(&key).open(&path).unwrap();
        assert_eq!(pairs(&db), expected);
    }
}

#[test]
fn a_store_in_clear_is_encrypted_from_the_opening_with_a_key_on() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().open(&path).unwrap();
    let expected = fill(&db, 5);
    db.close().unwrap();
    drop(db);
    let db = small().encryption_key(&KEY).open(&path).unwrap();
    assert_eq!(pairs(&db), expected);
    assert!(!files_with_telltale(&path).is_empty(), "old files stay");
    let expected = fill(&db, 20);
    db.flatten().unwrap();
    while db.collect().unwrap() > 0 {}
    assert_eq!(pairs(&db), expected);
    db.close().unwrap();
    drop(db);
    let error = small().open(&path).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    let db = small().encryption_key(&KEY).open(&path).unwrap();
    assert_eq!(pairs(&db), expected);
}

#[test]
fn a_file_in_clear_is_refused_in_a_store_that_was_always_encrypted() {
    let home = tempfile::tempdir().unwrap();
    let (plain, sealed) = (home.path().join("plain"), home.path().join("sealed"));
    let db = small().open(&plain).unwrap();
    fill(&db, 2);
    db.close().unwrap();
    let db = small().encryption_key(&KEY).open(&sealed).unwrap();
    fill(&db, 2);
    db.close().unwrap();
    drop(db);
    std::fs::copy(plain.join("MANIFEST"), sealed.join("MANIFEST")).unwrap();
    let error = small().encryption_key(&KEY).open(&sealed).map(drop);
    let error = error.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.to_string().contains("in clear"), "{error}");
}

#[test]
fn a_missing_registry_is_told_and_none_is_made_in_its_place() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().encryption_key(&KEY).open(&path).unwrap();
    fill(&db, 2);
    db.close().unwrap();
    drop(db);
    std::fs::remove_file(path.join("KEYS")).unwrap();
    for options in [small(), small().encryption_key(&KEY)] {
        let error = options.open(&path).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        assert!(error.to_string().contains("registry is missing"), "{error}");
    }
    assert!(!path.join("KEYS").exists());
}

#[test]
fn a_data_key_grows_old_and_another_follows_and_both_open_their_files() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let time = Arc::new(AtomicU64::new(1_000));
    let options = || {
        let time = Arc::clone(&time);
        let clock = Arc::new(move || time.load(Ordering::Relaxed));
        let options = small().encryption_key(&KEY).clock(clock);
        options.data_key_period(Duration::from_secs(100))
    };
    let db = options().open(&path).unwrap();
    fill(&db, 3);
    assert_eq!(db.data_keys(), 1);
    time.store(1_099, Ordering::Relaxed);
    fill(&db, 3);
    assert_eq!(db.data_keys(), 1);
    time.store(1_100, Ordering::Relaxed);
    let expected = fill(&db, 3);
    assert_eq!(db.data_keys(), 2);
    db.close().unwrap();
    drop(db);
    let db = options().open(&path).unwrap();
    assert_eq!((db.data_keys(), pairs(&db)), (2, expected));
}

#[test]
fn another_master_key_takes_over_in_an_open_store_and_in_a_closed_one() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("store");
    let db = small().encryption_key(&KEY).open(&path).unwrap();
    fill(&db, 3);
    db.rotate_master_key(&OTHER).unwrap();
    assert_eq!(
        db.rotate_master_key(b"short").unwrap_err().kind(),
        ErrorKind::Invalid
    );
    let expected = fill(&db, 3);
    let busy = rotate_master_key(&small().encryption_key(&OTHER), &path, &KEY);
    assert_eq!(busy.unwrap_err().kind(), ErrorKind::AlreadyOpen);
    db.close().unwrap();
    drop(db);
    assert!(small().encryption_key(&KEY).open(&path).is_err());
    let wrong = rotate_master_key(&small().encryption_key(&KEY), &path, &OTHER);
    assert_eq!(wrong.unwrap_err().kind(), ErrorKind::Invalid);
    rotate_master_key(&small().encryption_key(&OTHER), &path, &[5; 24]).unwrap();
    assert!(small().encryption_key(&OTHER).open(&path).is_err());
    let db = small().encryption_key(&[5; 24]).open(&path).unwrap();
    assert_eq!(pairs(&db), expected);
    let missing = rotate_master_key(&small(), home.path().join("none"), &KEY);
    assert_eq!(missing.unwrap_err().kind(), ErrorKind::Invalid);
    assert!(!home.path().join("none").exists());
}

#[test]
fn whatever_call_fails_while_keys_change_one_of_both_opens_the_store() {
    let options = |disk: &CrashDisk| small().disk(disk.as_dyn()).read_without_mapping(true);
    let mut failures = 0;
    for nth in 1..40 {
        for action in [Action::Fail(5), Action::FailAndRevert(5), Action::Fail(28)] {
            let disk = CrashDisk::new();
            let db = options(&disk).encryption_key(&KEY).open("/s").unwrap();
            let expected = fill(&db, 1);
            db.close().unwrap();
            drop(db);
            disk.arm(Fault::once(Call::Any, nth, action));
            let old = options(&disk).encryption_key(&KEY);
            let rotated = rotate_master_key(&old, "/s", &OTHER);
            let is_struck = disk.struck() > 0;
            disk.disarm();
            failures += u32::from(rotated.is_err());
            for survivors in [Survivors::Synced, Survivors::Everything] {
                let after = disk.after_crash(survivors);
                let open = |key: &[u8]| options(&after).encryption_key(key).open("/s");
                let (with_old, with_new) = (open(&KEY).map(|db| pairs(&db)), open(&OTHER));
                let with_new = with_new.map(|db| pairs(&db));
                assert!(
                    with_old.is_ok() != with_new.is_ok(),
                    "call {nth} {action:?}"
                );
                if rotated.is_ok() {
                    assert!(with_new.is_ok(), "call {nth} {action:?}");
                }
                assert_eq!(with_old.or(with_new).unwrap(), expected);
            }
            if !is_struck {
                assert!(rotated.is_ok());
            }
        }
    }
    assert!(failures >= 15, "only {failures} calls failed");
}
