//! At the edges: the last index there is, records that changed places, a proof far behind, and
//! everything at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flatlog::{Db, ErrorKind, Options, Snapshot};
use kv_api::{Durability, Reader, Snapshot as _, Space, Transaction as _};

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
            tx.put("key", "the value that goes")?;
            tx.put("key", "the value that counts"[..19].as_bytes())
        })
        .unwrap();
        if closes {
            db.close().unwrap();
        }
        drop(db);
        let file = path.join("values-000001.data");
        let mut bytes = std::fs::read(&file).unwrap();
        let (first, second) = (
            place_of(&bytes, b"keythe value that goes"),
            place_of(&bytes, b"keythe value that c"),
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

const KEYS: u32 = 60;

/// Sets all keys of two spaces to one word.
fn set_all(db: &Db, word: u64, durability: Durability) -> flatlog::Result<u64> {
    let mut tx = db.begin()?;
    let space = tx.create_space(b"side")?;
    for key in 0..KEYS {
        // Now and then a key goes and comes back, so that ids are given again.
        let key = (key, (word + u64::from(key)) % 7);
        let name = format!("key {:03}", key.0);
        if key.1 == 0 {
            tx.delete(&name)?;
        }
        tx.put(&name, format!("w{word} of {}", key.0))?;
        kv_api::Transaction::put(&mut tx, space, name.as_bytes(), word.to_string().as_bytes())?;
    }
    tx.commit_with(durability)
}

/// One word, wherever one looks.
fn sees_one_word(snapshot: &Snapshot) {
    let first = snapshot.get("key 000").unwrap().unwrap().to_vec();
    let first = String::from_utf8(first).unwrap();
    let word = first.split(' ').next().unwrap().to_string();
    let mut count = 0;
    for pair in snapshot.range(..) {
        let (_, value) = pair.unwrap();
        assert!(value.starts_with(format!("{word} ").as_bytes()), "{word}");
        count += 1;
    }
    assert_eq!(count, KEYS);
    let side = snapshot.space(b"side").unwrap().unwrap();
    for pair in Reader::range(snapshot, side, ..).unwrap() {
        assert_eq!(&*pair.unwrap().1, &word.as_bytes()[1..]);
    }
    for query in [
        format!("value like '{word}'"),
        format!("value like '*{word} of*'"),
        format!("value like '{word} of' and not value like '*nothing*' order by CommitIndex"),
        format!("not value != '{word} of 7' or value like '{word}'"),
    ] {
        let rows = snapshot.query(&query).unwrap();
        assert_eq!(
            rows.map(|row| row.unwrap()).count(),
            KEYS as usize,
            "{query}"
        );
    }
    let pinned = snapshot.get_bytes(Space::DEFAULT, b"key 059").unwrap();
    assert_eq!(pinned.unwrap(), format!("{word} of 59").as_bytes());
    assert!(
        snapshot
            .query("value like 'nothing'")
            .unwrap()
            .next()
            .is_none()
    );
}

fn everything_at_once(without_mapping: bool) {
    let (_directory, path) = fresh();
    let options = || {
        let options = Options::new().segment_bytes(16 << 10).value_index(true);
        options
            .checkpoint_bytes(64 << 10)
            .read_without_mapping(without_mapping)
            .cache_bytes(20_000)
    };
    let db = options().open(&path).unwrap();
    set_all(&db, 1, Durability::Sync).unwrap();
    let mut stream = Vec::new();
    db.snapshot_to(&mut stream, |_| true).unwrap();
    let (ends, seen) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for reader in 0..3_u64 {
            let (db, ends, seen) = (&db, &ends, &seen);
            scope.spawn(move || {
                let mut held = Vec::new();
                while !ends.load(Ordering::Relaxed) {
                    let snapshot = db.snapshot().unwrap();
                    sees_one_word(&snapshot);
                    held.push(snapshot);
                    if held.len() > 20 * reader as usize {
                        held.iter().for_each(sees_one_word);
                        held.clear();
                    }
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        scope.spawn(|| {
            for round in 0.. {
                if ends.load(Ordering::Relaxed) {
                    break;
                }
                match round % 4 {
                    0 => db.compact().unwrap(),
                    1 => db.checkpoint().unwrap(),
                    2 => db.tidy().unwrap(),
                    _ => {
                        let stream = &mut stream.as_slice();
                        db.restore(stream, |_| true).unwrap();
                    }
                }
            }
        });
        for word in 2..200 {
            let durability = match word % 3 {
                0 => Durability::Deferred,
                1 => Durability::Buffered,
                _ => Durability::Sync,
            };
            set_all(&db, word, durability).unwrap();
        }
        ends.store(true, Ordering::Relaxed);
    });
    assert!(seen.into_inner() > 3);
    assert_sound(&db);
    let before = pairs(&db);
    db.close().unwrap();
    drop(db);
    let db = options().open(&path).unwrap();
    assert_eq!(pairs(&db), before);
    sees_one_word(&db.snapshot().unwrap());
    assert_sound(&db);
}

#[test]
fn readers_see_one_version_beside_commits_compactions_checkpoints_and_restores() {
    everything_at_once(false);
}

#[test]
fn readers_without_a_mapping_see_one_version_beside_all_of_that() {
    everything_at_once(true);
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
