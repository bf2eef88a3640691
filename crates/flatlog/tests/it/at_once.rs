//! Readers beside everything that changes a store, all at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use flatlog::{Db, Options, Snapshot};
use kv_api::{Durability, Reader, Snapshot as _, Space, Transaction as _};

use crate::support::{assert_sound, fresh, pairs};

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
            rows.inspect(|row| assert!(row.is_ok())).count(),
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
