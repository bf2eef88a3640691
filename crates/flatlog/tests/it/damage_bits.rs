//! Every bit of every file, an index over values among them: what a query, a read and a check make
//! of it, in a closed store and after a crash.

use std::collections::BTreeMap;
use std::path::Path;

use disk::{Disk, MemoryDisk, OpenOptions, read_exact_at, write_all_at};
use flatlog::{Db, Error, ErrorKind, Options, Result};
use kv_api::capability::Check;

use crate::support::{Pairs, pairs};

type Files = BTreeMap<String, Vec<u8>>;
/// Keys and commit indexes.
type Rows = Vec<(Vec<u8>, u64)>;

const QUERIES: [&str; 7] = [
    "value like 'common'",
    "value like 'word3'",
    "value like '*ommo*'",
    "value like '* word*' order by key desc",
    "not value like 'word2'",
    "value = 'common word1'",
    "CommitIndex > 3 and value like 'c*'",
];

/// Enough for several segments.
const COMMITS: u8 = 14;

/// A store of every kind of record whose checkpoint holds an index over values; behind that are
/// `tail` commits, each synced by itself.
fn store(tail: u8, closed: bool) -> (Files, Vec<Pairs>) {
    let disk = MemoryDisk::default();
    let db = options(&disk).open("").unwrap();
    for number in 0..COMMITS {
        db.update(|tx| {
            let space = kv_api::Transaction::create_space(tx, &[b's', number % 2])?;
            tx.put_in(space, b"inner", [number; 9])?;
            let word = if number % 3 == 0 { "COMMON" } else { "common" };
            tx.put([b'k', number], format!("{word} word{}", number % 10))?;
            tx.put(b"same", format!("common {number}"))?;
            tx.delete([b'k', number.wrapping_sub(9)])
        })
        .unwrap();
    }
    db.checkpoint().unwrap();
    let mut states = vec![pairs(&db)];
    for number in COMMITS..COMMITS + tail {
        db.update(|tx| tx.put([b'k', number], format!("common word{number}")))
            .unwrap();
        states.push(pairs(&db));
    }
    if closed {
        db.close().unwrap();
    }
    drop(db);
    (files(&disk), states)
}

fn options(disk: &MemoryDisk) -> Options {
    Options::new()
        .disk(std::sync::Arc::new(disk.clone()))
        .store_id([3; 16])
        .segment_bytes(1 << 10)
        .prewrite_bytes(40)
        .background(false)
        .read_without_mapping(true)
        .value_index(true)
}

fn files(disk: &MemoryDisk) -> Files {
    let names = disk.list(Path::new("")).unwrap().into_iter();
    names
        .map(|name| {
            let file = disk.open(name.as_ref(), &OpenOptions::READ).unwrap();
            let mut bytes = vec![0; file.len().unwrap() as usize];
            read_exact_at(&*file, &mut bytes, 0).unwrap();
            (name.into_string().unwrap(), bytes)
        })
        .collect()
}

fn disk_of(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::default();
    for (name, bytes) in files {
        let file = disk.open(name.as_ref(), &OpenOptions::NEW).unwrap();
        write_all_at(&*file, bytes, 0).unwrap();
    }
    disk
}

fn rows(db: &Db, query: &str) -> Result<Rows> {
    let snapshot = db.snapshot()?;
    let rows = snapshot.query(query)?;
    rows.map(|row| row.map(|row| (row.key().to_vec(), row.commit_index())))
        .collect()
}

fn all_rows(db: &Db) -> Vec<Result<Rows>> {
    QUERIES.iter().map(|query| rows(db, query)).collect()
}

/// What is shown is what was written; an error may tell of damage.
fn shows_only(db: &Db, pairs: &Pairs, expected: &[Result<Rows>], what: &str) {
    let snapshot = db.snapshot().unwrap();
    for (key, value) in pairs {
        match snapshot.get(key) {
            Ok(found) => assert_eq!(found.as_deref(), Some(value.as_slice()), "{what}: {key:?}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}"),
        }
    }
    for ((query, found), expected) in QUERIES.iter().zip(all_rows(db)).zip(expected) {
        match found {
            Ok(found) => assert_eq!(&found, expected.as_ref().unwrap(), "{what}: {query}"),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}"),
        }
    }
}

fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported)
}

/// Calls `look` with each bit of each file turned.
fn each_flip(sound: &Files, mut look: impl FnMut(&Files, &str, usize)) {
    for (name, bytes) in sound {
        let mut damaged = sound.clone();
        for bit in 0..bytes.len() * 8 {
            damaged.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
            look(&damaged, name, bit);
            damaged.get_mut(name).unwrap()[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn no_flipped_bit_of_a_closed_store_changes_what_a_query_answers() {
    let (sound, states) = store(0, true);
    assert!(sound.keys().any(|name| name.ends_with(".checkpoint")));
    let db = options(&disk_of(&sound)).read_only(true).open("").unwrap();
    assert_eq!(db.recovery().values_read, 0, "the index is a stored one");
    assert_eq!(pairs(&db), states[0]);
    let expected = all_rows(&db);
    assert!(
        expected
            .iter()
            .all(|rows| !rows.as_ref().unwrap().is_empty())
    );
    let (mut refused, mut found) = (0, 0);
    each_flip(&sound, |damaged, name, bit| {
        let what = format!("{name} bit {bit}");
        let db = match options(&disk_of(damaged)).read_only(true).open("") {
            Ok(db) => db,
            Err(error) => {
                assert!(is_refusal(&error), "{what}: {error}");
                refused += 1;
                return;
            }
        };
        shows_only(&db, &states[0], &expected, &what);
        let findings = db.check(&mut |_| {}).unwrap().findings;
        assert!(findings > 0, "{what}: the check finds nothing");
        found += 1;
    });
    assert!(refused > 2_000 && found > 4_000, "{refused} {found}");
}

#[test]
fn a_flipped_bit_after_a_crash_cuts_the_last_commit_and_no_other_and_keeps_its_bytes() {
    let (sound, states) = store(3, false);
    let db = options(&disk_of(&sound)).open("").unwrap();
    assert_eq!(db.recovery().torn, None);
    assert_eq!(pairs(&db), states[3]);
    let expected = all_rows(&db);
    drop(db);
    let (mut cut, mut refused, mut same) = (0, 0, 0);
    each_flip(&sound, |damaged, name, bit| {
        let what = format!("{name} bit {bit}");
        let disk = disk_of(damaged);
        let db = match options(&disk).open("") {
            Ok(db) => db,
            Err(error) => {
                assert!(is_refusal(&error), "{what}: {error}");
                assert!(
                    files(&disk) == *damaged,
                    "{what}: a refused store was changed"
                );
                refused += 1;
                return;
            }
        };
        let Some(torn) = db.recovery().torn.clone() else {
            shows_only(&db, &states[3], &expected, &what);
            same += 1;
            return;
        };
        assert_eq!(torn.segment, name, "{what}");
        let kept = files(&disk).remove(&torn.kept_in.unwrap()).unwrap();
        let (start, end) = (torn.offset as usize, (torn.offset + torn.bytes) as usize);
        assert!(kept == damaged[name][start..end], "{what}: not its bytes");
        assert!((start..end).contains(&(bit / 8)), "{what}: cut beside it");
        // Zeros that were written ahead are no commit.
        let is_commit = sound[name][start..end].iter().any(|byte| *byte != 0);
        let state = &states[3 - usize::from(is_commit)];
        assert_eq!(&pairs(&db), state, "{what}");
        for query in QUERIES {
            let whole = rows(&db, query).unwrap();
            assert!(
                whole.iter().all(|(key, _)| state.contains_key(key)),
                "{what}"
            );
        }
        assert_eq!(db.check(&mut |_| {}).unwrap().findings, 0, "{what}");
        cut += usize::from(is_commit);
    });
    assert!(cut > 400, "{cut} cuts");
    assert!(refused > 1_000 && same > 400, "{refused} {same}");
}
