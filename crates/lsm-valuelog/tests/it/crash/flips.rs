//! Damage of files at rest: every bit of a cleanly closed store.

use std::collections::BTreeMap;
use std::path::Path;

use crash_kit::CrashDisk;
use disk::{Disk, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Reader, Result, Space, Store, Transaction};
use lsm_valuelog::{Compression, Db};

use super::profile::{PROFILES, Profile};
use super::subject::{Lsm, PATH};

type Contents = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

fn contents(db: &Db) -> Result<Contents> {
    let snapshot = db.snapshot()?;
    let mut found = Contents::new();
    let mut spaces = vec![(Vec::new(), Space::DEFAULT)];
    for name in snapshot.space_names()? {
        if let Some(space) = snapshot.space(&name)? {
            spaces.push((name.to_vec(), space));
        }
    }
    for (name, space) in spaces {
        for pair in snapshot.range(space, ..)? {
            let (key, value) = pair?;
            let got = snapshot.get(space, &key)?;
            assert_eq!(got.as_deref(), Some(&*value), "a get and a scan agree");
            found.insert((name.clone(), key.to_vec()), value.to_vec());
        }
    }
    Ok(found)
}

fn flip(disk: &dyn Disk, path: &Path, offset: u64, bit: u8) {
    let file = disk.open(path, &OpenOptions::READ_WRITE).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ 1 << bit], offset).unwrap();
}

/// Flips every bit of every file of a store; answers how many flips were errors and how many
/// changed nothing.
fn flip_all(profile: Profile) -> (u64, u64) {
    let lsm = Lsm(profile);
    let disk = CrashDisk::new().as_dyn();
    let open = || lsm.keyed().disk(std::sync::Arc::clone(&disk)).open(PATH);
    let db = open().unwrap();
    for round in 0..2_u8 {
        db.update(|tx| {
            let space = tx.create_space(b"named")?;
            for key in 0..4_u8 {
                let len = 20 + usize::from(key) * 8;
                tx.put(Space::DEFAULT, &[b'k', key], &vec![round + key; len])?;
                tx.put(space, &[b'n', key], &[round; 9])?;
            }
            tx.delete(Space::DEFAULT, &[b'k', round])
        })
        .unwrap();
        db.flush().unwrap();
    }
    let expected = contents(&db).unwrap();
    db.close().unwrap();
    drop(db);
    let (mut errors, mut unchanged) = (0, 0);
    for name in disk.list(Path::new(PATH)).unwrap() {
        let path = Path::new(PATH).join(&name);
        let len = disk.open(&path, &OpenOptions::READ).unwrap().len().unwrap();
        for offset in 0..len {
            for bit in 0..8 {
                flip(&*disk, &path, offset, bit);
                match open().and_then(|db| contents(&db)) {
                    Err(_) => errors += 1,
                    Ok(found) => {
                        assert!(found == expected, "{name:?} {offset}.{bit} went unnoticed");
                        unchanged += 1;
                    }
                }
                flip(&*disk, &path, offset, bit);
            }
        }
    }
    assert_eq!(contents(&open().unwrap()).unwrap(), expected);
    (errors, unchanged)
}

#[test]
fn a_flip_of_any_bit_of_a_closed_store_is_an_error_or_changes_nothing() {
    let compressed = |compression| Profile {
        compression,
        ..PROFILES[0]
    };
    for profile in [
        PROFILES[2],
        compressed(Compression::Lz4),
        compressed(Compression::Snappy),
        compressed(Compression::Zstd(1)),
        PROFILES[6],
        Profile {
            compression: Compression::Zstd(1),
            ..PROFILES[6]
        },
    ] {
        let (errors, unchanged) = flip_all(profile);
        assert!(errors > 4_000, "{}: {errors} {unchanged}", profile.name);
    }
}
