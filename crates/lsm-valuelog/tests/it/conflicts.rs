//! Conflicts: what one transaction read and another changed, above all where there was nothing.

use kv_api::{Cursor, Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Entry, ItemOptions};

use crate::conformance::small;

type Read = fn(&lsm_valuelog::Transaction);
type Write = fn(&mut lsm_valuelog::Transaction);

fn base(path: &std::path::Path) -> Db {
    let db = small().open(path).unwrap();
    db.update(|tx| {
        for key in [b"b", b"d", b"f"] {
            tx.put(Space::DEFAULT, key, b"1")?;
        }
        Ok(())
    })
    .unwrap();
    db
}

/// Ways to have read the keys from `c` to `e`, of which only `d` is there, and nothing else.
const READS: [(&str, Read); 9] = [
    ("a range", |tx| {
        tx.range(Space::DEFAULT, "c"..="e").unwrap().for_each(drop);
    }),
    ("a range from the back", |tx| {
        tx.range(Space::DEFAULT, "c"..="e")
            .unwrap()
            .rev()
            .for_each(drop);
    }),
    ("a seek and a step", |tx| {
        let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
        cursor.seek(b"c").unwrap();
        cursor.next().unwrap();
    }),
    ("a seek backward and a step", |tx| {
        let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
        cursor.seek_for_prev(b"e").unwrap();
        cursor.prev().unwrap();
    }),
    ("a cursor that turns round", |tx| {
        let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
        cursor.seek(b"d").unwrap();
        cursor.prev().unwrap();
        cursor.next().unwrap();
        cursor.next().unwrap();
    }),
    ("a walk", |tx| {
        let options = ItemOptions::new().keys("c"..="e");
        tx.items(Space::DEFAULT, &options).unwrap().for_each(drop);
    }),
    ("a walk from the back", |tx| {
        let options = ItemOptions::new()
            .keys("c"..="e")
            .reverse(true)
            .prefetch_items(1);
        tx.items(Space::DEFAULT, &options).unwrap().for_each(drop);
    }),
    ("a walk over all versions that was placed anew", |tx| {
        let options = ItemOptions::new().all_versions(true).prefetch_items(1);
        let mut items = tx.items(Space::DEFAULT, &options).unwrap();
        items.seek(b"d");
        items.next();
        items.seek(b"c");
        items.next();
        items.seek(b"d\0");
        items.next();
    }),
    ("gets", |tx| {
        for key in ["c", "cc", "d", "de", "e"] {
            tx.get(Space::DEFAULT, key.as_bytes()).unwrap();
        }
    }),
];

/// Changes between `c` and `e`.
const WRITES: [(&str, Write); 6] = [
    ("a new key before it", |tx| {
        tx.put(Space::DEFAULT, b"cc", b"").unwrap()
    }),
    ("a new key behind it", |tx| {
        tx.put(Space::DEFAULT, b"de", b"").unwrap()
    }),
    ("another value", |tx| {
        tx.put(Space::DEFAULT, b"d", b"2").unwrap()
    }),
    ("a deletion", |tx| tx.delete(Space::DEFAULT, b"d").unwrap()),
    ("a deletion of a range", |tx| {
        tx.delete_range(Space::DEFAULT, "c".."e").unwrap();
    }),
    ("a value that has expired already", |tx| {
        let entry = Entry::new(b"d", b"").expires_at(1);
        tx.put_entry(Space::DEFAULT, &entry).unwrap();
    }),
];

#[test]
fn whatever_was_read_and_however_a_change_to_it_is_a_conflict_wherever_it_lies_by_then() {
    for (read_name, read) in READS {
        for (write_name, write) in WRITES {
            for settle in 0..3 {
                let directory = tempfile::tempdir().unwrap();
                let db = base(&directory.path().join("store"));
                let mut reader = db.begin().unwrap();
                read(&reader);
                reader.put(Space::DEFAULT, b"z", b"").unwrap();
                let mut writer = db.begin().unwrap();
                write(&mut writer);
                writer.commit(Durability::Sync).unwrap();
                match settle {
                    1 => db.flush().unwrap(),
                    2 => db.flatten().unwrap(),
                    _ => {}
                }
                let kind = reader
                    .commit(Durability::Sync)
                    .map_err(|error| error.kind());
                assert_eq!(
                    kind,
                    Err(ErrorKind::Conflict),
                    "{read_name}, then {write_name}, settled {settle}"
                );
            }
        }
    }
}

#[test]
fn a_change_next_to_what_was_read_is_no_conflict() {
    let elsewhere: [&[u8]; 4] = [b"a", b"bz", b"ex", b"f\0"];
    for (read_name, read) in READS {
        if read_name.contains("step") || read_name.contains("turns") || read_name.contains("anew") {
            // These go on to the neighbours.
            continue;
        }
        for key in elsewhere {
            let directory = tempfile::tempdir().unwrap();
            let db = base(&directory.path().join("store"));
            let mut reader = db.begin().unwrap();
            read(&reader);
            reader.put(Space::DEFAULT, b"z", b"").unwrap();
            db.update(|tx| tx.put(Space::DEFAULT, key, b"")).unwrap();
            let done = reader
                .commit(Durability::Sync)
                .map_err(|error| error.kind());
            // A range from the front looks at the pair behind its end, one from the back at the
            // one before its beginning: those count as read.
            let is_looked_at = matches!(read_name, "a range")
                && (b"d".as_slice()..b"f\0").contains(&key)
                || matches!(read_name, "a range from the back")
                    && (b"b".as_slice()..b"d").contains(&key);
            if !is_looked_at {
                assert_eq!(done, Ok(()), "{read_name}, then {key:?}");
            }
        }
    }
}

#[test]
fn two_who_count_a_range_and_add_to_it_do_not_both_get_through() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .open(directory.path().join("store"))
        .unwrap();
    // At most twenty guests, whoever lets them in.
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let db = &db;
            scope.spawn(move || {
                for nth in 0..10_u8 {
                    db.update_retry(|tx| {
                        let guests = tx.prefix(Space::DEFAULT, b"guest")?.count();
                        if guests < 20 {
                            let key = [b"guest", &[thread, nth][..]].concat();
                            tx.put(Space::DEFAULT, &key, b"")?;
                        }
                        Ok(())
                    })
                    .unwrap();
                }
            });
        }
    });
    let snapshot = db.snapshot().unwrap();
    assert_eq!(
        snapshot.prefix(Space::DEFAULT, b"guest").unwrap().count(),
        20
    );
}

#[test]
fn two_on_call_do_not_both_go_home() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .background(true)
        .open(directory.path().join("store"))
        .unwrap();
    for round in 0..60_u8 {
        db.update(|tx| {
            tx.put(Space::DEFAULT, b"ann", b"on call")?;
            tx.put(Space::DEFAULT, b"bob", b"on call")
        })
        .unwrap();
        std::thread::scope(|scope| {
            for (own, other) in [(b"ann", b"bob"), (b"bob", b"ann")] {
                let db = &db;
                scope.spawn(move || {
                    db.update_retry(|tx| {
                        if tx.get(Space::DEFAULT, other)?.is_some() {
                            tx.delete(Space::DEFAULT, own)?;
                        }
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        let left = db
            .snapshot()
            .unwrap()
            .range(Space::DEFAULT, ..)
            .unwrap()
            .count();
        assert_eq!(left, 1, "round {round}");
    }
}

#[test]
fn without_detection_the_later_one_wins() {
    let directory = tempfile::tempdir().unwrap();
    let db = small()
        .detect_conflicts(false)
        .open(directory.path().join("store"))
        .unwrap();
    let (mut one, mut other) = (db.begin().unwrap(), db.begin().unwrap());
    for (tx, value) in [(&mut one, b"1"), (&mut other, b"2")] {
        assert!(tx.get(Space::DEFAULT, b"key").unwrap().is_none());
        tx.put(Space::DEFAULT, b"key", value).unwrap();
    }
    other.commit(Durability::Sync).unwrap();
    one.commit(Durability::Sync).unwrap();
    assert_eq!(
        db.snapshot()
            .unwrap()
            .get(Space::DEFAULT, b"key")
            .unwrap()
            .as_deref(),
        Some(&b"1"[..])
    );
}
