//! At the edges: the last index there is, records that changed places, a proof far behind, ids of
//! spaces behind a restore.

use flatlog::{Db, ErrorKind, Options};
use kv_api::{Reader, Transaction as _};

use crate::support::{assert_sound, fresh, pairs};

#[test]
fn behind_the_last_index_there_is_no_commit() {
    let (_directory, path) = fresh();
    let options = Options::new().background(false).value_index(true);
    let db = options.open(&path).unwrap();
    let mut tx = db.begin_at(u64::MAX).unwrap();
    (0..100_u8)
        .try_for_each(|key| tx.put([key], "red"))
        .unwrap();
    tx.commit().unwrap();
    let held = db.snapshot().unwrap();
    let mut tx = db.begin().unwrap();
    tx.put([7], "blue").unwrap();
    assert_eq!(tx.commit().unwrap_err().kind(), ErrorKind::Unsupported);
    let red = held.query("value like 'red'").unwrap().count();
    assert_eq!(red, 100, "an older version answers for itself");
    assert_eq!(db.last_commit_index().unwrap(), u64::MAX);
    assert_eq!(db.begin().unwrap().commit().unwrap(), u64::MAX);
    // A snapshot of another store is the way out.
    let other = Options::new()
        .background(false)
        .open(path.with_file_name("other"));
    let mut stream = Vec::new();
    other.unwrap().snapshot_to(&mut stream, |_| true).unwrap();
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    db.update(|tx| tx.put("a", "1")).unwrap();
}

/// Where `part` first stands in `bytes`.
fn place_of(bytes: &[u8], part: &[u8]) -> usize {
    let mut windows = bytes.windows(part.len());
    windows.position(|window| window == part).unwrap()
}

#[test]
fn records_of_one_commit_that_changed_places_are_damage() {
    for closes in [true, false] {
        let (_directory, path) = fresh();
        let open = || Options::new().background(false).open(&path);
        let db = open().unwrap();
        db.update(|tx| tx.put("before", "")).unwrap();
        // The later one counts.
        db.update(|tx| {
            tx.put("key", "the value that leaves")?;
            tx.put("key", "the value that counts")
        })
        .unwrap();
        if closes {
            db.close().unwrap();
        }
        drop(db);
        let file = path.join("values-000001.data");
        let mut bytes = std::fs::read(&file).unwrap();
        let (first, second) = (
            place_of(&bytes, b"keythe value that leaves"),
            place_of(&bytes, b"keythe value that counts"),
        );
        let len = second - first;
        let head = 4 + 1 + 1 + 1;
        let (from, to) = (first - head, second - head);
        let record = bytes[from..from + len].to_vec();
        bytes.copy_within(to..to + len, from);
        bytes[to..to + len].copy_from_slice(&record);
        std::fs::write(&file, &bytes).unwrap();
        match open() {
            Err(error) => assert_eq!((error.kind(), closes), (ErrorKind::Corrupt, true)),
            Ok(db) => {
                assert!(!closes, "a closed store is whole");
                assert!(db.recovery().torn.is_some());
                assert_eq!(pairs(&db).len(), 1);
            }
        }
    }
}

#[test]
fn a_later_commit_is_seen_behind_a_damaged_one_wherever_it_begins() {
    const WINDOW: usize = 1 << 20;
    const HEAD: usize = 36;
    // The next head begins so many bytes before the second window does.
    for before in 0..6 {
        let (_directory, path) = fresh();
        let open = || Options::new().background(false).open(&path);
        let db = open().unwrap();
        db.update(|tx| tx.put("first", "")).unwrap();
        let damaged = db.statistics().unwrap().log_bytes as usize;
        // A record with a key of one byte and a value of three bytes' length.
        let value = WINDOW - before - HEAD - (4 + 1 + 1 + 3 + 1);
        db.update(|tx| tx.put("k", vec![1; value])).unwrap();
        let next = db.statistics().unwrap().log_bytes as usize;
        assert_eq!(next - damaged, WINDOW - before);
        db.update(|tx| tx.put("last", "")).unwrap();
        drop(db);
        let file = path.join("values-000001.data");
        let mut bytes = std::fs::read(&file).unwrap();
        bytes[damaged + 100] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let error = open().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{before}");
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "nothing is cut");
    }
}

#[test]
fn a_space_made_behind_a_restore_is_none_of_those_restored() {
    let (_directory, path) = fresh();
    let open = |name: &str| {
        let options = Options::new().background(false).value_index(true);
        options.open(path.with_file_name(name)).unwrap()
    };
    let put = |db: &Db, space: &str, value: &str| {
        db.update(|tx| {
            let space = tx.create_space(space.as_bytes())?;
            tx.put_in(space, "key", value)
        })
        .unwrap();
    };
    let source = open("source");
    for space in ["a", "b", "c"] {
        put(&source, space, space);
    }
    let mut stream = Vec::new();
    source.snapshot_to(&mut stream, |_| true).unwrap();
    let db = open("target");
    for key in 0..2000_u32 {
        let word = format!("word{key}");
        db.update(|tx| tx.put(key.to_be_bytes(), word)).unwrap();
        if key > 40 {
            break;
        }
    }
    db.restore(&mut stream.as_slice(), |_| true).unwrap();
    let held = |db: &Db| db.statistics().unwrap().value_index_bytes;
    let twice = (held(&db), {
        db.restore(&mut stream.as_slice(), |_| true).unwrap();
        held(&db)
    });
    assert_eq!(twice.0, twice.1, "the index over values begins anew");
    put(&db, "new", "new");
    for reopens in [false, true] {
        let db = if reopens {
            db.close().unwrap();
            open("target")
        } else {
            db.clone()
        };
        let snapshot = db.snapshot().unwrap();
        for space in ["a", "b", "c", "new"] {
            let found = snapshot.space(space.as_bytes()).unwrap().unwrap();
            let value = Reader::get(&snapshot, found, b"key").unwrap().unwrap();
            assert_eq!(&*value, space.as_bytes());
        }
        assert_eq!(snapshot.space_names().unwrap().len(), 4);
        assert_sound(&db);
    }
}

/// Segments, the second of which is mostly tombstones.
fn with_tombstones(path: &std::path::Path, dead_percent: u32) -> Db {
    let options = Options::new().segment_bytes(8 << 10).background(false);
    let db = options.dead_percent(dead_percent).open(path).unwrap();
    let key = |number: u32| format!("key {number:05}");
    db.update(|tx| (0..50).try_for_each(|n| tx.put(key(n), [1; 140])))
        .unwrap();
    db.update(|tx| (100..300).try_for_each(|n| tx.delete(key(n))))
        .unwrap();
    db.update(|tx| (50..100).try_for_each(|n| tx.put(key(n), [1; 140])))
        .unwrap();
    db.update(|tx| tx.put("last", [1; 8000])).unwrap();
    assert!(db.statistics().unwrap().segments.len() >= 3);
    db
}

#[test]
fn what_was_compacted_and_is_needed_is_not_compacted_again_and_again() {
    for dead_percent in [50, 0] {
        let (_directory, path) = fresh();
        let db = with_tombstones(&path, dead_percent);
        db.tidy().unwrap();
        let before = db.statistics().unwrap().segments;
        db.tidy().unwrap();
        assert_eq!(db.statistics().unwrap().segments, before);
    }
}

#[test]
fn a_segment_that_was_damaged_meanwhile_is_not_compacted_in_part() {
    let (_directory, path) = fresh();
    let db = with_tombstones(&path, 50);
    let before = db.statistics().unwrap().segments;
    let worst = before
        .iter()
        .max_by_key(|segment| segment.bytes - segment.live_bytes);
    let file = path.join(&worst.unwrap().file);
    let writing = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    // In place: the store has it mapped.
    std::os::unix::fs::FileExt::write_all_at(&writing, &[0xFF; 8], 80).unwrap();
    let error = db.tidy().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(db.statistics().unwrap().segments, before);
    assert!(file.exists());
}

#[test]
fn bytes_behind_the_end_of_a_checkpoint_are_damage() {
    let (_directory, path) = fresh();
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| tx.put("key", "value")).unwrap();
    db.checkpoint().unwrap();
    db.close().unwrap();
    drop(db);
    let file = path.join("index-000001.checkpoint");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes.push(0);
    std::fs::write(&file, &bytes).unwrap();
    let error = Db::open(&path).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
}

#[test]
fn keys_that_differ_by_zeros_at_their_end_are_different_keys() {
    for without_mapping in [false, true] {
        let (_directory, path) = fresh();
        let options = Options::new().read_without_mapping(without_mapping);
        let db = options.open(&path).unwrap();
        db.update(|tx| tx.put("ab\0", "a value that is long enough to have a bit"))
            .unwrap();
        let snapshot = db.snapshot().unwrap();
        for _ in 0..2 {
            // Before its record was compared with its sum, and after.
            for key in ["ab", "ab\0\0", "a", ""] {
                assert!(snapshot.get(key).unwrap().is_none(), "{key:?}");
                assert!(snapshot.commit_index_of(key).is_none(), "{key:?}");
            }
            assert!(snapshot.get("ab\0").unwrap().is_some());
        }
    }
}

#[test]
fn a_damaged_end_that_an_opening_made_certain_is_damage_although_nothing_came_behind_it() {
    let (_directory, path) = fresh();
    let open = || Options::new().background(false).open(&path);
    let db = open().unwrap();
    db.update(|tx| tx.put("first", "value")).unwrap();
    db.update(|tx| tx.put("last", "value")).unwrap();
    drop(db);
    drop(open().unwrap());
    let file = path.join("values-000001.data");
    let mut bytes = std::fs::read(&file).unwrap();
    let at = bytes.len() - 1;
    bytes[at] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    for _ in 0..2 {
        let error = open().map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt);
        assert_eq!(std::fs::read(&file).unwrap(), bytes, "nothing is cut");
    }
}

#[test]
fn queries_are_right_although_the_index_over_values_could_not_read_what_was_replaced() {
    let (_directory, path) = fresh();
    let options = Options::new().background(false).value_index(true);
    let options = options.read_without_mapping(true).cache_bytes(0);
    let db = options.open(&path).unwrap();
    let key = |number: u32| format!("key {number:03}");
    db.update(|tx| (0..100).try_for_each(|n| tx.put(key(n), format!("red {n:03}"))))
        .unwrap();
    let file = path.join("values-000001.data");
    let at = place_of(&std::fs::read(&file).unwrap(), b"red 007");
    let file = std::fs::OpenOptions::new().write(true).open(&file).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"r", at as u64 + 1).unwrap();
    assert!(db.snapshot().unwrap().get(key(7)).is_err());
    db.update(|tx| tx.put(key(7), "blue")).unwrap();
    let snapshot = db.snapshot().unwrap();
    for (query, rows) in [("red", 99), ("blue", 1), ("007", 0)] {
        let query = format!("value like '{query}'");
        let found = snapshot.query(&query).unwrap();
        assert_eq!(
            found.inspect(|row| assert!(row.is_ok())).count(),
            rows,
            "{query}"
        );
    }
}

#[test]
fn a_checkpoint_is_not_written_again_for_nothing() {
    let (_directory, path) = fresh();
    let options = Options::new().background(false).checkpoint_bytes(100);
    let db = options.open(&path).unwrap();
    db.update(|tx| tx.put("key", [1; 200])).unwrap();
    db.tidy().unwrap();
    let before = crate::support::files(&path);
    assert!(before.iter().any(|name| name.starts_with("index-")));
    db.tidy().unwrap();
    assert_eq!(crate::support::files(&path), before);
}
