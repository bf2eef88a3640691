//! Hostile backups of Badger's: an error or pairs, whatever the bytes are.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::OnceLock;

use kv_api::capability::Check;
use kv_api::{Reader, Result, Space, Store};
use lsm_valuelog::{BadgerLoaded, Db, Entry, Options, Sequence, read_badger_backup};

use crate::hostile::choices::Choices;

/// A time in the middle of those that pairs expire at.
const NOW: u64 = 1_000;

fn store() -> Db {
    let options = Options::new()
        .clock(std::sync::Arc::new(|| NOW))
        .background(false)
        .memtable_bytes(4 << 10)
        .value_threshold_bytes(64)
        .value_file_bytes(4 << 10);
    options.open_in_memory().expect("a store in memory")
}

/// A sound backup of versions, deletions, expiry and marks.
fn sound() -> &'static [u8] {
    static SOUND: OnceLock<Vec<u8>> = OnceLock::new();
    SOUND.get_or_init(|| {
        let make = || -> Result<Vec<u8>> {
            let db = store();
            for round in 0..3_u8 {
                for key in 0..8_u8 {
                    let value = vec![round; 15 * usize::from(key)];
                    let entry = Entry::new(std::slice::from_ref(&key), &value).user_meta(key);
                    let entry = match key {
                        1 => entry.expires_at(NOW - 1),
                        2 => entry.expires_at(NOW + 1),
                        3 => entry.discard_earlier_versions(),
                        _ => entry,
                    };
                    db.update(|tx| tx.put_entry(Space::DEFAULT, &entry))?;
                }
            }
            let mut bytes = Vec::new();
            db.snapshot()?
                .write_badger_backup(Space::DEFAULT, Sequence(0), &mut bytes)?;
            Ok(bytes)
        };
        make().expect("a sound backup")
    })
}

/// A backup is doubled up to about so many bytes.
const BACKUP_BYTES_MAX: usize = 64 << 10;

/// The bytes that `input` stands for: itself behind a 0, else a sound backup, damaged.
pub fn hostile_backup(input: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(input);
    let kind = choices.byte();
    if kind == 0 {
        return input.get(1..).unwrap_or_default().to_vec();
    }
    let mut bytes = sound().to_vec();
    while !choices.is_done() && !bytes.is_empty() {
        let place = choices.below(bytes.len());
        match choices.below(6) {
            0 => bytes[place] ^= 1 << choices.below(8),
            1 => bytes[place] = choices.byte(),
            2 => bytes.truncate(place),
            3 => bytes.insert(place, choices.byte()),
            4 if bytes.len() < BACKUP_BYTES_MAX => {
                let again = bytes[place..].to_vec();
                bytes.extend(again);
            }
            // A frame's length, which stands at the beginning of each.
            _ => {
                let place = choices.below(bytes.len().min(8));
                bytes[place] = choices.byte();
            }
        }
    }
    if kind == 1 && bytes.len() >= 8 {
        // A length that fits, so that what is inside is looked at.
        let len = (bytes.len() - 8) as u64;
        bytes[..8].copy_from_slice(&len.to_le_bytes());
    }
    bytes
}

/// What a reader of the newest versions must find, as the bytes say; none if they say nothing.
fn expected(bytes: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut versions: BTreeMap<(Vec<u8>, Reverse<u64>), Option<Vec<u8>>> = BTreeMap::new();
    let read = read_badger_backup(&mut &*bytes, |record| {
        if !record.key.starts_with(b"!badger!") && !record.key.is_empty() {
            let is_living = record.expires_at == 0 || record.expires_at > NOW;
            let value = record.value.filter(|_| is_living).map(<[u8]>::to_vec);
            let version = Reverse(record.version.0);
            versions
                .entry((record.key.to_vec(), version))
                .or_insert(value);
        }
        Ok(())
    });
    read.ok()?;
    let mut newest = BTreeMap::new();
    for ((key, _), value) in versions {
        newest.entry(key).or_insert(value);
    }
    Some(
        newest
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
            .collect(),
    )
}

fn pairs(db: &Db) -> Result<BTreeMap<Vec<u8>, Vec<u8>>> {
    let snapshot = Store::snapshot(db)?;
    let range = Reader::range(&snapshot, Space::DEFAULT, ..)?;
    range
        .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect()
}

fn load(db: &Db, bytes: &[u8]) -> Result<BadgerLoaded> {
    db.load_badger_backup(None, &mut &*bytes, &mut |_| true)
}

/// Loads a hostile backup: all of it is there then, or nothing; and the store is sound.
///
/// # Panics
///
/// If the engine breaks its promise.
pub fn badger_backup(input: &[u8]) {
    let bytes = hostile_backup(input);
    let work = || -> Result<()> {
        let db = store();
        let loaded = load(&db, &bytes);
        let found = pairs(&db)?;
        match (loaded, expected(&bytes)) {
            (Ok(loaded), expected) => {
                assert_eq!(Some(found), expected);
                assert_eq!(loaded.bytes, bytes.len() as u64);
                // What was loaded goes out and comes in again.
                let mut again = Vec::new();
                let snapshot = db.snapshot()?;
                snapshot.write_badger_backup(Space::DEFAULT, Sequence(0), &mut again)?;
                let copy = store();
                load(&copy, &again)?;
                assert_eq!(pairs(&copy)?, pairs(&db)?);
            }
            (Err(_), _) => assert!(found.is_empty(), "a refused backup leaves nothing"),
        }
        let mut findings = Vec::new();
        db.check(&mut |finding| findings.push(finding))?;
        assert_eq!(findings, []);
        Ok(())
    };
    work().expect("a store that only this engine wrote");
}
