//! Damage of a block at rest under each way to verify checksums.

use std::path::{Path, PathBuf};

use kv_api::{ErrorKind, Reader, Space, Transaction};
use lsm_valuelog::{ChecksumMode, Compression, Db, Options};

use crate::conformance::small;

const MODES: [ChecksumMode; 4] = [
    ChecksumMode::Never,
    ChecksumMode::OnOpen,
    ChecksumMode::OnRead,
    ChecksumMode::OnOpenAndRead,
];

/// A closed store of one table whose values are easy to find; answers the table's file.
fn make(path: &Path, options: Options) -> PathBuf {
    let db = options.open(path).unwrap();
    for number in 0..40_u8 {
        let mut tx = db.begin().unwrap();
        tx.put(Space::DEFAULT, &[number], &[b'v'; 60]).unwrap();
        kv_api::Transaction::commit(tx, kv_api::Durability::Sync).unwrap();
    }
    db.flatten().unwrap();
    let [table] = db.tables().try_into().unwrap();
    db.close().unwrap();
    path.join(format!("{}.sst", table.id))
}

fn read_all(db: &Db) -> kv_api::Result<Vec<Vec<u8>>> {
    let snapshot = db.snapshot()?;
    let get = |number: u8| snapshot.get(Space::DEFAULT, &[number]);
    (0..40)
        .map(|number| get(number).map(|value| value.map(|v| v.to_vec()).unwrap_or_default()))
        .collect()
}

/// Flips a bit of a value in the first block, where the store is not compressed.
fn damage(table: &Path) {
    let mut bytes = std::fs::read(table).unwrap();
    let found = bytes.windows(60).position(|window| window == [b'v'; 60]);
    bytes[found.unwrap() + 30] ^= 4;
    std::fs::write(table, bytes).unwrap();
}

#[test]
fn damage_is_found_when_the_mode_says_and_not_before() {
    for unmapped in [false, true] {
        for mode in MODES {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("store");
            let options = || small().read_without_mapping(unmapped).checksums(mode);
            let table = make(&path, options());
            damage(&table);
            let opened = options().open(&path);
            if matches!(mode, ChecksumMode::OnOpen | ChecksumMode::OnOpenAndRead) {
                let error = opened.map(drop).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{mode:?}: {error}");
                continue;
            }
            let db = opened.unwrap();
            let read = read_all(&db);
            if mode == ChecksumMode::OnRead {
                assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt);
            } else {
                let wrong = read
                    .unwrap()
                    .into_iter()
                    .filter(|value| *value != [b'v'; 60]);
                assert_eq!(wrong.count(), 1, "what was damaged is read as it is");
            }
            // Whoever looks for damage finds it in any mode.
            let mut findings = 0;
            let checked = kv_api::capability::Check::check(&db, &mut |_| findings += 1);
            assert!(checked.is_ok() && findings > 0, "{mode:?}");
        }
    }
}

#[test]
fn damage_that_comes_after_opening_is_found_by_those_who_verify_when_they_read() {
    for mode in MODES {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let table = make(&path, small());
        let options = small().read_without_mapping(true).checksums(mode);
        let db = options.block_cache_bytes(0).open(&path).unwrap();
        assert!(read_all(&db).is_ok());
        damage(&table);
        let is_found = read_all(&db).is_err();
        let verifies = matches!(mode, ChecksumMode::OnRead | ChecksumMode::OnOpenAndRead);
        assert_eq!(is_found, verifies, "{mode:?}");
    }
}

#[test]
fn a_bit_wrong_anywhere_in_a_table_is_never_more_than_an_error_or_a_wrong_value() {
    for compression in [
        Compression::None,
        Compression::Lz4,
        Compression::Snappy,
        Compression::Zstd(3),
    ] {
        for mode in [ChecksumMode::Never, ChecksumMode::OnOpen] {
            let home = tempfile::tempdir().unwrap();
            let path = home.path().join("store");
            let options = || {
                let options = small().checksums(mode).compression(compression);
                options.read_only(true)
            };
            let table = make(&path, options().read_only(false));
            let sound = std::fs::read(&table).unwrap();
            let (mut errors, mut wrong) = (0, 0);
            for at in (0..sound.len()).step_by(3) {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << (at % 8);
                std::fs::write(&table, bytes).unwrap();
                match options().open(&path).and_then(|db| read_all(&db)) {
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
                        errors += 1;
                    }
                    Ok(read) => wrong += u32::from(read.iter().any(|v| *v != [b'v'; 60])),
                }
            }
            assert!(errors > 20, "{compression:?} {mode:?}: {errors} {wrong}");
            if mode == ChecksumMode::OnOpen {
                assert_eq!(wrong, 0, "{compression:?}");
            }
        }
    }
}

#[test]
fn an_encrypted_store_authenticates_in_every_mode() {
    for mode in MODES {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        let options = || small().encryption_key(&[3; 32]).checksums(mode);
        let table = make(&path, options());
        let mut bytes = std::fs::read(&table).unwrap();
        bytes[100] ^= 1;
        std::fs::write(&table, bytes).unwrap();
        let read = options().open(&path).and_then(|db| read_all(&db));
        assert_eq!(read.unwrap_err().kind(), ErrorKind::Corrupt, "{mode:?}");
    }
}
