//! Damage: an error or no difference, never wrong data.

use std::path::Path;

use flatlog::{Db, ErrorKind, Options, Result};
use kv_api::capability::Check;

use crate::support::{Pairs, files, fresh, pairs};

/// A small store of every kind of record, closed; with a checkpoint if `checkpoint`.
fn closed_store(path: &Path, checkpoint: bool) -> Pairs {
    let db = Options::new()
        .segment_bytes(1024)
        .background(false)
        .open(path)
        .unwrap();
    for number in 0..9_u8 {
        db.update(|tx| {
            let space = kv_api::Transaction::create_space(tx, &[b's', number % 2])?;
            tx.put_in(space, b"inner", [number; 9])?;
            tx.put([b'k', number], [number; 40])?;
            tx.put(b"same", [number])?;
            tx.delete([b'k', number.wrapping_sub(2)])
        })
        .unwrap();
    }
    if checkpoint {
        db.checkpoint().unwrap();
        db.update(|tx| tx.put(b"after the checkpoint", b"1"))
            .unwrap();
    }
    let before = pairs(&db);
    db.close().unwrap();
    before
}

/// What a reader of the whole store sees, the check's findings being errors.
fn look(path: &Path) -> Result<Pairs> {
    let db = Options::new().read_only(true).open(path)?;
    let mut finding = None;
    db.check(&mut |found| finding = Some(found))?;
    if let Some(found) = finding {
        return Err(flatlog::Error::corrupt(found.place, found.what));
    }
    let snapshot = db.snapshot()?;
    let mut pairs = Pairs::new();
    for pair in snapshot.range(..) {
        let (key, value) = pair?;
        pairs.insert(key.to_vec(), value.to_vec());
    }
    Ok(pairs)
}

/// Reading alone, without a check, never shows what was not written either.
fn read_only(path: &Path, expected: &Pairs) {
    let Ok(db) = Options::new().read_only(true).open(path) else {
        return;
    };
    let snapshot = db.snapshot().unwrap();
    for (key, value) in expected {
        if let Ok(found) = snapshot.get(key) {
            assert_eq!(found.as_deref(), Some(value.as_slice()), "wrong data");
        }
    }
}

#[test]
fn every_flipped_bit_of_a_closed_store_is_an_error_or_changes_nothing() {
    for checkpoint in [false, true] {
        let (_directory, path) = fresh();
        let expected = closed_store(&path, checkpoint);
        assert_eq!(look(&path).unwrap(), expected);
        let mut flips = 0;
        for name in files(&path) {
            let file = path.join(&name);
            let sound = std::fs::read(&file).unwrap();
            for bit in 0..sound.len() * 8 {
                let mut damaged = sound.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                std::fs::write(&file, &damaged).unwrap();
                read_only(&path, &expected);
                match look(&path) {
                    Ok(seen) => panic!("{name}: bit {bit} went unnoticed: {}", seen == expected),
                    Err(error) => assert!(
                        matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported),
                        "{name}: bit {bit}: {error}"
                    ),
                }
                flips += 1;
            }
            std::fs::write(&file, &sound).unwrap();
        }
        assert!(flips > 10_000, "{flips}");
    }
}

/// Commits without closing, so that the log has a tail.
fn dropped_store(path: &Path, commits: u8) {
    let db = Options::new().background(false).open(path).unwrap();
    for number in 0..commits {
        db.update(|tx| tx.put([number], [number; 100])).unwrap();
    }
}

#[test]
fn a_damaged_last_commit_is_cut_reported_and_kept() {
    let (_directory, path) = fresh();
    dropped_store(&path, 5);
    let file = path.join("values-000001.data");
    let mut bytes = std::fs::read(&file).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let db = Db::open(&path).unwrap();
    let torn = db.recovery().torn.clone().unwrap();
    assert_eq!(torn.segment, "values-000001.data");
    let kept = std::fs::read(path.join(torn.kept_in.unwrap())).unwrap();
    assert_eq!(kept, bytes[torn.offset as usize..=end]);
    assert_eq!(pairs(&db).len(), 4);
    crate::support::assert_sound(&db);
    db.update(|tx| tx.put(b"goes on", b"")).unwrap();
    drop(db);
    assert_eq!(pairs(&Db::open(&path).unwrap()).len(), 5);
}

#[test]
fn a_damaged_commit_before_a_later_one_is_corruption_and_nothing_is_cut() {
    let (_directory, path) = fresh();
    dropped_store(&path, 5);
    let file = path.join("values-000001.data");
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[200] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    let error = Db::open(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(
        error.to_string().contains("values-000001.data at byte"),
        "{error}"
    );
    assert_eq!(std::fs::read(&file).unwrap(), bytes);
    assert!(files(&path).iter().all(|name| !name.starts_with("torn-")));
}

#[test]
fn a_missing_state_beside_data_is_not_taken_for_a_new_store() {
    let (_directory, path) = fresh();
    dropped_store(&path, 2);
    std::fs::remove_file(path.join("meta.state")).unwrap();
    assert_eq!(Db::open(&path).unwrap_err().kind(), ErrorKind::Corrupt);
    assert!(
        std::fs::read(path.join("values-000001.data"))
            .unwrap()
            .len()
            > 200
    );
}

#[test]
fn a_whole_commit_that_does_not_follow_the_one_before_it_is_none() {
    let (_directory, path) = fresh();
    let store = |path: &Path, values: &[&str]| {
        let options = Options::new().background(false).store_id([9; 16]);
        let db = options.open(path).unwrap();
        for (number, value) in values.iter().enumerate() {
            db.update(|tx| tx.put(format!("key {number}"), value))
                .unwrap();
        }
        drop(db);
        std::fs::read(path.join("values-000001.data")).unwrap()
    };
    let other = store(&path.with_file_name("other"), &["one", "two"]);
    let mut bytes = store(&path, &["uno"]);
    // What a write of several commits may leave behind the one that took the first one's place.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes[end..].copy_from_slice(&other[end..]);
    std::fs::write(path.join("values-000001.data"), &bytes).unwrap();
    let db = Db::open(&path).unwrap();
    assert_eq!(db.recovery().torn.as_ref().unwrap().offset, end as u64);
    let expected = Pairs::from([(b"key 0".to_vec(), b"uno".to_vec())]);
    assert_eq!(pairs(&db), expected);
}

#[test]
fn a_state_that_could_name_a_file_twice_is_refused() {
    let (_directory, path) = fresh();
    closed_store(&path, true);
    let file = path.join("meta.state");
    let sound = std::fs::read(&file).unwrap();
    let first_segment = 68;
    let second_segment = first_segment + 17;
    let of = |at: usize| u32::from_le_bytes(sound[at..at + 4].try_into().unwrap());
    let (next_segment, next_checkpoint, checkpoint) = (48, 56, 60);
    assert!(of(64) >= 2 && of(checkpoint) > 0);
    for (at, number) in [
        (next_segment, of(first_segment)),
        (next_segment, of(next_segment) - 1),
        (next_segment, 0),
        (next_checkpoint, of(checkpoint)),
        (next_checkpoint, u32::MAX),
        (second_segment, of(first_segment)),
    ] {
        let mut damaged = sound.clone();
        damaged[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let end = damaged.len() - 4;
        let sum = crc32fast::hash(&damaged[..end]);
        damaged[end..].copy_from_slice(&sum.to_le_bytes());
        std::fs::write(&file, &damaged).unwrap();
        let before = files(&path);
        let error = Db::open(&path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{number} at {at}");
        let place = error.to_string();
        assert!(place.contains("meta.state"), "{number} at {at}: {error}");
        assert_eq!(files(&path), before);
    }
}

#[test]
fn a_short_record_beside_one_that_was_read_is_compared_with_its_own_sum() {
    let (_directory, path) = fresh();
    let db = Options::new().background(false).open(&path).unwrap();
    db.update(|tx| {
        tx.put("a", "")?;
        tx.put("b", "")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.get("a").unwrap().is_some());
    let file = path.join("values-000001.data");
    let mut bytes = std::fs::read(&file).unwrap();
    // Records of eight bytes, one behind the other; the last ends with its key.
    let last = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[last - 7] ^= 1;
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(
        snapshot.get("b").unwrap_err().kind(),
        ErrorKind::Corrupt,
        "the sum of the second record was not looked at"
    );
}
