//! A checkpoint whose sums fit and whose places do not: refused when it is read or when the record
//! is, never wrong data.

use std::path::Path;

use flatlog::{Db, ErrorKind, Options, Result, Snapshot};
use kv_api::capability::Check;
use kv_api::{Cursor as _, Reader as _, Snapshot as _, Space, Transaction as _};

use crate::support::{blocks, fresh, payloads, put_number, take_number};

const HEAD_NUMBERS: usize = 5;

/// An entry of a checkpoint, but for what it shares with the one before.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    is_key: bool,
    /// Space, segment, offset, header length, length, commit index; of a space, its id first.
    numbers: [u64; 6],
    key: Vec<u8>,
}

/// A checkpoint of one block.
struct Checkpoint {
    bytes: Vec<u8>,
    head: Vec<u8>,
    entries: Vec<Entry>,
}

impl Checkpoint {
    fn read(file: &Path) -> Checkpoint {
        let bytes = std::fs::read(file).unwrap();
        let payload = payloads(&bytes).remove(0);
        let mut rest = &payload[16..];
        for _ in 0..HEAD_NUMBERS {
            take_number(&mut rest);
        }
        let head = payload[..payload.len() - rest.len()].to_vec();
        let (mut entries, mut last) = (Vec::new(), Vec::new());
        while rest[0] < 3 {
            let is_key = rest[0] == 2;
            rest = &rest[1..];
            let numbers = [0; 6].map(|_| take_number(&mut rest));
            let shared = if is_key { take_number(&mut rest) } else { 0 };
            last.truncate(shared as usize);
            let added = take_number(&mut rest) as usize;
            last.extend_from_slice(&rest[..added]);
            rest = &rest[added..];
            let key = last.clone();
            entries.push(Entry {
                is_key,
                numbers,
                key,
            });
        }
        Checkpoint {
            bytes,
            head,
            entries,
        }
    }

    fn with(&self, entries: &[Entry]) -> Vec<u8> {
        let mut payload = self.head.clone();
        for entry in entries {
            payload.push(if entry.is_key { 2 } else { 1 });
            entry
                .numbers
                .iter()
                .for_each(|n| put_number(&mut payload, *n));
            if entry.is_key {
                put_number(&mut payload, 0);
            }
            put_number(&mut payload, entry.key.len() as u64);
            payload.extend_from_slice(&entry.key);
        }
        payload.push(3);
        let keys = entries.iter().filter(|entry| entry.is_key).count();
        put_number(&mut payload, keys as u64);
        blocks(&self.bytes, &[payload])
    }
}

const KEYS: u8 = 6;

fn key(number: u8) -> Vec<u8> {
    // Some that heads tell apart and some that they do not.
    match number % 2 {
        0 => vec![b'k', number],
        _ => format!("user:00000000{number}").into_bytes(),
    }
}

fn value(space: u8, number: u8) -> Vec<u8> {
    vec![b'a' + space * 8 + number; 5 + 20 * usize::from(number)]
}

/// A closed store of one checkpoint: two spaces with the same keys, and a record of each kind.
fn store(path: &Path) {
    let db = Options::new().background(false).open(path).unwrap();
    db.update(|tx| {
        let other = tx.create_space(b"other")?;
        for number in 0..KEYS {
            tx.put(key(number), "older")?;
            tx.put_in(other, key(number), value(1, number))?;
        }
        tx.put(key(0), "older")
    })
    .unwrap();
    db.update(|tx| {
        // The tombstone of a key that comes again.
        tx.delete(key(0))?;
        (0..KEYS).try_for_each(|number| tx.put(key(number), value(0, number)))
    })
    .unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
}

/// Whether an error told of it; anything shown is what was written.
fn told<T>(what: &str, shown: Result<T>, right: impl FnOnce(&T) -> bool) -> bool {
    match shown {
        Ok(shown) => {
            assert!(right(&shown), "{what}: wrong data");
            false
        }
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
            true
        }
    }
}

/// Reads every key in one way; answers whether an error told of the damage.
fn look(snapshot: &Snapshot, way: usize, what: &str) -> bool {
    let spaces = [Space::DEFAULT, snapshot.space(b"other").unwrap().unwrap()];
    let mut any = false;
    for (space, number) in (0..2).flat_map(|space| (0..KEYS).map(move |number| (space, number))) {
        let (asked, key, right) = (spaces[space as usize], key(number), value(space, number));
        let is_right = |found: &Option<Vec<u8>>| found.as_ref() == Some(&right);
        any |= match way {
            0 => {
                let found = kv_api::Reader::get(snapshot, asked, &key);
                told(what, found.map(|found| found.map(|v| v.to_vec())), is_right)
            }
            1 => {
                let found = snapshot.get_bytes(asked, &key);
                told(what, found.map(|found| found.map(|v| v.to_vec())), is_right)
            }
            2 => {
                let mut cursor = kv_api::Reader::cursor(snapshot, asked).unwrap();
                let found = cursor.seek(&key).map(|pair| pair.map(|(_, v)| v.to_vec()));
                told(what, found, is_right)
            }
            _ => {
                let rows = snapshot.space_rows(asked).unwrap();
                let limits = flatlog::query::Limits::default();
                let text = format!("value = '{}'", String::from_utf8_lossy(&right));
                let query = flatlog::query::parse(&text, &limits).unwrap();
                let rows = flatlog::query::run(&query, &rows, &limits).unwrap();
                let keys: Result<Vec<_>> =
                    rows.map(|row| row.map(|row| row.key().to_vec())).collect();
                told(what, keys, |keys| *keys == [key.clone()])
            }
        };
    }
    any
}

/// What the forged store shows, in every way; answers in how many it was noticed.
fn noticed(path: &Path, what: &str) -> usize {
    let mut noticed = 0;
    for (way, without) in (0..5).flat_map(|way| [(way, false), (way, true)]) {
        let options = Options::new().read_only(true).value_index(way == 4);
        let opened = options.read_without_mapping(without).open(path);
        noticed += usize::from(match opened {
            Ok(db) => look(&db.snapshot().unwrap(), way, what),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Corrupt, "{what}: {error}");
                true
            }
        });
    }
    noticed
}

/// Every way in which the place of one entry may be another's, or nobody's.
fn forgeries(entries: &[Entry]) -> Vec<(String, Vec<Entry>)> {
    let mut forged = Vec::new();
    let keys = |&(_, entry): &(usize, &Entry)| entry.is_key;
    for (at, entry) in entries.iter().enumerate().filter(keys) {
        let mut with = |what: String, numbers: [u64; 6]| {
            let mut entries = entries.to_vec();
            entries[at].numbers = numbers;
            forged.push((format!("entry {at} {what}"), entries));
        };
        for (number, other) in entries
            .iter()
            .enumerate()
            .filter(|(number, _)| *number != at)
        {
            let mut numbers = entry.numbers;
            numbers[1..5].copy_from_slice(&other.numbers[1..5]);
            with(format!("has the place of {number}"), numbers);
        }
        for (field, name) in [(1, "segment"), (2, "offset"), (3, "header"), (4, "length")] {
            let own = entry.numbers[field];
            for other in [
                own + 1,
                own.wrapping_sub(1),
                0,
                20,
                2 * own,
                1 << 20,
                u64::from(u32::MAX),
            ] {
                let mut numbers = entry.numbers;
                numbers[field] = other;
                if other != own {
                    with(format!("has {name} {other} instead of {own}"), numbers);
                }
            }
        }
    }
    // One of these is a tombstone: a header of six bytes and a key of four.
    for offset in 64..700 {
        let mut at = entries.to_vec();
        at[1].numbers[2..5].copy_from_slice(&[offset, 6, 10]);
        forged.push((format!("entry 1 is at {offset}"), at));
    }
    for left in 0..entries.len() {
        for right in left + 1..entries.len() {
            let mut swapped = entries.to_vec();
            let place = entries[left].numbers;
            swapped[left].numbers[1..5].copy_from_slice(&entries[right].numbers[1..5]);
            swapped[right].numbers[1..5].copy_from_slice(&place[1..5]);
            if swapped[left].is_key && swapped[right].is_key {
                forged.push((format!("{left} and {right} swapped places"), swapped));
            }
        }
    }
    forged
}

#[test]
fn a_checkpoint_whose_places_are_others_shows_no_wrong_data() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    assert_eq!(sound.entries.len(), 1 + 2 * usize::from(KEYS));
    std::fs::write(&file, sound.with(&sound.entries)).unwrap();
    assert_eq!(noticed(&path, "sound"), 0);
    for (what, entries) in forgeries(&sound.entries) {
        std::fs::write(&file, sound.with(&entries)).unwrap();
        // With an index over values, the forged row is looked at, or the index gives up.
        assert!(noticed(&path, &what) >= 8, "{what}: went unnoticed");
    }
}

#[test]
fn compaction_does_not_make_a_sound_store_of_a_forged_checkpoint() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    let mut entries = sound.entries.clone();
    let place = entries[1].numbers;
    entries[1].numbers[1..5].copy_from_slice(&sound.entries[2].numbers[1..5]);
    entries[2].numbers[1..5].copy_from_slice(&place[1..5]);
    std::fs::write(&file, sound.with(&entries)).unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(db.compact().unwrap_err().kind(), ErrorKind::Corrupt);
    let streamed = db.snapshot_to(&mut std::io::sink(), |_| true);
    assert_eq!(streamed.unwrap_err().kind(), ErrorKind::Corrupt);
}

#[test]
fn a_check_finds_a_checkpoint_that_leads_to_older_records_or_tells_another_index() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    let findings = |entries: &[Entry]| {
        std::fs::write(&file, sound.with(entries)).unwrap();
        let db = Options::new().read_only(true).open(&path).unwrap();
        db.check(&mut |_| {}).unwrap().findings
    };
    assert_eq!(findings(&sound.entries), 0);
    let first = sound.entries[1].clone();
    // The first commit: its head behind the segment's, then the space, then this key's older value.
    let older = [
        first.numbers[0],
        first.numbers[1],
        64 + 36 + 5 + 1 + 1 + 5,
        7,
        14,
        1,
    ];
    let mut entries = sound.entries.clone();
    entries[1].numbers = older;
    assert!(findings(&entries) > 0, "an older record");
    let mut entries = sound.entries.clone();
    entries[1].numbers[5] += 1;
    assert!(findings(&entries) > 0, "a later index");
    let mut entries = sound.entries.clone();
    entries[1].numbers[5] -= 1;
    assert!(findings(&entries) > 0, "an earlier index");
}

#[test]
fn a_place_outside_of_the_log_is_refused_at_opening() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    let log_bytes = std::fs::read(path.join("values-000001.data"))
        .unwrap()
        .len() as u64;
    let (segment, offset, len) = (1, 2, 4);
    for (at, entry) in sound.entries.iter().enumerate() {
        let end = log_bytes - entry.numbers[len];
        for (field, number, refused) in [
            (segment, 0, true),
            (segment, 2, true),
            (segment, u64::from(u32::MAX), true),
            (offset, end, false),
            (offset, end + 1, true),
            (offset, u64::from(u32::MAX), true),
            (len, log_bytes, true),
        ] {
            let mut entries = sound.entries.clone();
            entries[at].numbers[field] = number;
            std::fs::write(&file, sound.with(&entries)).unwrap();
            let opened = Options::new().read_only(true).open(&path);
            let kind = opened.as_ref().err().map(flatlog::Error::kind);
            // Where it still ends in the log, it may be refused for what else lies there.
            let told = opened.err().map(|error| error.to_string());
            let is_outside = kind == Some(ErrorKind::Corrupt)
                && told.is_some_and(|told| !told.contains("one record"));
            assert_eq!(is_outside, refused, "entry {at}, field {field}: {number}");
        }
    }
}

#[test]
fn two_entries_of_a_checkpoint_that_name_one_record_are_refused_at_opening() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    let mut refused = 0;
    for (at, other) in (1..sound.entries.len())
        .flat_map(|at| (1..sound.entries.len()).map(move |other| (at, other)))
        .filter(|(at, other)| at != other)
    {
        let mut entries = sound.entries.clone();
        let place = sound.entries[other].numbers;
        entries[at].numbers[1..5].copy_from_slice(&place[1..5]);
        std::fs::write(&file, sound.with(&entries)).unwrap();
        let opened = Options::new().read_only(true).open(&path);
        // Short records are compared whenever they are read.
        if place[4] >= 32 {
            let error = opened.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt);
            assert!(error.to_string().contains("one record"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 50, "{refused}");
}

#[test]
fn an_entry_of_a_checkpoint_that_names_a_later_record_is_refused_at_opening() {
    let (_directory, path) = fresh();
    store(&path);
    let file = path.join("index-000001.checkpoint");
    let sound = Checkpoint::read(&file);
    let log = path.join("values-000001.data");
    let (start, later) = (std::fs::read(&log).unwrap().len(), vec![b'z'; 100]);
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| tx.put("later", &later)).unwrap();
    drop(db);
    // Behind the head: a sum, the kind, the lengths of key and value.
    let offset = start as u64 + 36;
    let mut entries = sound.entries.clone();
    entries[1].numbers[2..5].copy_from_slice(&[offset, 7, 7 + 5 + 100]);
    let read = || Options::new().read_only(true).open(&path);
    let snapshot = read().unwrap().snapshot().unwrap();
    assert_eq!(snapshot.get("later").unwrap().unwrap(), later);
    drop(snapshot);
    std::fs::write(&file, sound.with(&entries)).unwrap();
    let error = read().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(
        error.to_string().contains("behind what it covers"),
        "{error}"
    );
}
