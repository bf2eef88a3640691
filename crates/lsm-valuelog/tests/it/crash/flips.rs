//! Damage of files at rest: every bit of a cleanly closed store.

use std::collections::BTreeMap;
use std::path::Path;

use crash_kit::CrashDisk;
use disk::{Disk, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Cursor, Durability, Reader, Result, Space, Store, Transaction};
use lsm_valuelog::{BulkMode, BulkWriter, Compression, Db, Entry, Options, Sequence};

use super::profile::{PROFILES, Profile};
use super::subject::{Lsm, PATH};

type Contents = BTreeMap<(Vec<u8>, Vec<u8>), Vec<u8>>;

/// What a store shows, asked for in three ways.
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
        let mut pairs = Vec::new();
        for pair in snapshot.range(space, ..)? {
            let (key, value) = pair?;
            let got = snapshot.get(space, &key)?;
            assert_eq!(got.as_deref(), Some(&*value), "a get and a scan agree");
            pairs.push((key.to_vec(), value.to_vec()));
        }
        let mut cursor = snapshot.cursor(space)?;
        let mut moved = cursor.last()?;
        for (key, value) in pairs.iter().rev() {
            let here = moved.map(|(key, value)| (key.to_vec(), value.to_vec()));
            assert_eq!(
                here.as_ref(),
                Some(&(key.clone(), value.clone())),
                "both ways"
            );
            moved = cursor.prev()?;
        }
        assert!(moved.is_none(), "both ways");
        found.extend(
            pairs
                .into_iter()
                .map(|(key, value)| ((name.clone(), key), value)),
        );
    }
    for key in [&b"k expires"[..], b"k late"] {
        if let Some(item) = snapshot.get_item(Space::DEFAULT, key)? {
            let told = [item.version().0, item.expires_at(), item.user_meta().into()];
            let told = told.iter().flat_map(|number| number.to_be_bytes());
            found.insert((b"told".to_vec(), key.to_vec()), told.collect());
        }
    }
    // What is not there must not come to be there, nor what is banned.
    let absent = snapshot.get(Space::DEFAULT, b"k absent")?;
    assert!(absent.is_none(), "{absent:?}");
    let banned = db.banned_namespaces();
    let banned = banned.iter().map(|number| number.to_be_bytes().to_vec());
    found.extend(banned.map(|number| ((b"bans".to_vec(), number), Vec::new())));
    Ok(found)
}

fn flip(disk: &dyn Disk, path: &Path, offset: u64, bit: u8) {
    let file = disk.open(path, &OpenOptions::READ_WRITE).unwrap();
    let mut byte = [0];
    read_exact_at(&*file, &mut byte, offset).unwrap();
    write_all_at(&*file, &[byte[0] ^ 1 << bit], offset).unwrap();
}

/// A store with files of every kind: tables of two levels, values as they were appended and values
/// that were moved, a manifest with a ban in it. Answers what it shows.
fn make(open: impl Fn() -> Result<Db>) -> Contents {
    let db = open().unwrap();
    let value = |round: u8, key: u8| vec![round + key; 20 + usize::from(key) * 8];
    let put = |round: u8, keys: std::ops::Range<u8>| {
        db.update(|tx| {
            let space = tx.create_space(b"named")?;
            for key in keys {
                tx.put(Space::DEFAULT, &[b'k', key], &value(round, key))?;
                tx.put(space, &[b'n', key], &[round; 9])?;
            }
            tx.delete(Space::DEFAULT, &[b'k', round])
        })
        .unwrap();
    };
    put(0, 0..5);
    put(1, 3..5);
    db.flatten().unwrap();
    // What was overwritten is dead now, and what is left is moved.
    db.collect().unwrap();
    db.ban_namespace(7).unwrap();
    put(2, 4..6);
    db.flush().unwrap();
    let expected = contents(&db).unwrap();
    let files = db.value_files();
    let is_moved = files.iter().filter(|file| file.physical != file.id).count();
    let has_values = expected.values().any(|value| value.len() >= 40);
    assert!(
        !has_values || is_moved == 1 && files.len() == 2 || files.is_empty(),
        "{files:?}"
    );
    let levels = db.levels().iter().filter(|level| level.tables > 0).count();
    assert_eq!(levels, 2);
    db.close().unwrap();
    expected
}

/// A store of what a bulk load brought, of values that expire and have user bytes, and of versions
/// that came late.
fn make_of_loads(open: impl Fn() -> Result<Db>) -> Contents {
    let db = open().unwrap();
    let mut load = db.bulk_load(BulkMode::Add).unwrap();
    for key in 0..6_u8 {
        let value = vec![key; 20 + usize::from(key) * 8];
        load.put(0, BulkWriter::DEFAULT, &[b'l', key], &value)
            .unwrap();
    }
    let loaded = load.finish().unwrap().newest;
    let mut tx = db.begin().unwrap();
    let entry = Entry::new(b"k expires", &[7; 60]).expires_at(u64::from(u32::MAX));
    tx.put_entry(Space::DEFAULT, &entry.user_meta(9)).unwrap();
    tx.commit_at(Sequence(loaded.0 + 20), Durability::Sync)
        .unwrap();
    let mut late = db.begin().unwrap();
    late.put(Space::DEFAULT, b"k late", &[8; 60]).unwrap();
    late.commit_at(Sequence(loaded.0 + 10), Durability::Sync)
        .unwrap();
    db.flush().unwrap();
    let expected = contents(&db).unwrap();
    assert_eq!(expected.len(), 8 + 2);
    db.close().unwrap();
    expected
}

/// Flips every bit of every file of a store; answers how many flips were errors and how many
/// changed nothing, by what the file's name ends with.
fn flip_all(
    keyed: impl Fn() -> Options,
    make: impl Fn(&dyn Fn() -> Result<Db>) -> Contents,
) -> BTreeMap<String, (u64, u64)> {
    let disk = CrashDisk::new().as_dyn();
    let open = || keyed().disk(std::sync::Arc::clone(&disk)).open(PATH);
    let expected = make(&open);
    let mut flips: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for name in disk.list(Path::new(PATH)).unwrap() {
        let path = Path::new(PATH).join(&name);
        let name = name.to_string_lossy();
        let kind = name.rsplit('.').next().unwrap_or(&name).to_owned();
        let counts = flips.entry(kind).or_default();
        let len = disk.open(&path, &OpenOptions::READ).unwrap().len().unwrap();
        for offset in 0..len {
            for bit in 0..8 {
                flip(&*disk, &path, offset, bit);
                // Reading alone, so that the store is the same for the next flip.
                let options = keyed().disk(std::sync::Arc::clone(&disk));
                match options
                    .read_only(true)
                    .open(PATH)
                    .and_then(|db| contents(&db))
                {
                    Err(_) => counts.0 += 1,
                    Ok(found) => {
                        assert!(found == expected, "{name} {offset}.{bit} went unnoticed");
                        counts.1 += 1;
                    }
                }
                if offset % 8 == 0 && bit == 0 {
                    match open().and_then(|db| contents(&db)) {
                        Err(_) => {}
                        Ok(found) => assert!(found == expected, "{name} {offset}.{bit}"),
                    }
                }
                flip(&*disk, &path, offset, bit);
            }
        }
    }
    assert_eq!(contents(&open().unwrap()).unwrap(), expected);
    flips
}

#[test]
fn a_flip_of_any_bit_of_a_closed_store_is_an_error_or_changes_nothing() {
    let methods = [
        Compression::None,
        Compression::Lz4,
        Compression::Snappy,
        Compression::Zstd(1),
    ];
    for (compression, is_encrypted) in methods.into_iter().flat_map(|m| [(m, false), (m, true)]) {
        // With values in tables and with values in the value log, mapped and read piece by piece.
        for threshold in [40, 4096] {
            let profile = Profile {
                compression,
                is_encrypted,
                threshold,
                is_mapped: threshold == 40,
                ..PROFILES[0]
            };
            let flips = flip_all(|| Lsm(profile).keyed(), |open| make(open));
            let mut kinds = vec!["LOCK", "MANIFEST", "sst"];
            kinds.extend(is_encrypted.then_some("KEYS"));
            kinds.extend((threshold == 40).then_some("vlog"));
            kinds.sort_unstable();
            let found: Vec<&str> = flips.keys().map(String::as_str).collect();
            assert_eq!(found, kinds, "{profile:?}");
            for (kind, (errors, unchanged)) in flips.iter().filter(|(kind, _)| *kind != "LOCK") {
                assert!(
                    errors > unchanged,
                    "{kind}: {errors} {unchanged} {profile:?}"
                );
            }
        }
    }
}

#[test]
fn a_flip_in_what_was_loaded_or_expires_or_came_late_is_an_error_or_changes_nothing() {
    for is_encrypted in [false, true] {
        let profile = Profile {
            is_encrypted,
            threshold: 40,
            ..PROFILES[0]
        };
        let options = || {
            let options = Lsm(profile).keyed().keep_history(true);
            options.versions_in_any_order(true)
        };
        let flips = flip_all(options, |open| make_of_loads(open));
        assert!(
            flips.contains_key("sst") && flips.contains_key("vlog"),
            "{flips:?}"
        );
        for (kind, (errors, unchanged)) in flips.iter().filter(|(kind, _)| *kind != "LOCK") {
            assert!(errors > unchanged, "{kind}: {errors} {unchanged}");
        }
    }
}
