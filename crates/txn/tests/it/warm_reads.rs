//! Reads by what is kept beside pages, while commits move those pages: each version shows what it
//! held, however often its pages were visited and whatever took their place.

use std::collections::BTreeMap;

use crate::support::{Random, Scratch, assert_clean, quick};

const KEYS: u64 = 4_000;

/// Keys in an order of their own, so that neighbours in time are none in the tree.
fn key(index: u64) -> [u8; 8] {
    index.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes()
}

type Model = BTreeMap<[u8; 8], Vec<u8>>;

/// Reads every key until all that could be kept beside pages is.
fn warm_up(db: &txn::Db, model: &Model) {
    for _ in 0..20 {
        check(db, model);
    }
}

fn check(db: &txn::Db, model: &Model) {
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    for index in 0..KEYS {
        let found = bucket.get(key(index)).unwrap();
        assert_eq!(found, model.get(&key(index)).map(Vec::as_slice), "{index}");
    }
}

#[test]
fn warm_reads_follow_every_kind_of_change() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let mut model = Model::new();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..KEYS).try_for_each(|index| {
            model.insert(key(index), vec![0; 40]);
            bucket.put(key(index), [0; 40])
        })
    })
    .unwrap();
    warm_up(&db, &model);
    let mut random = Random::new(7);
    for round in 0..60_u64 {
        let old = (db.snapshot().unwrap(), model.clone());
        let changes = [1, 3, 200][(round % 3) as usize];
        db.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            for _ in 0..changes {
                let key = key(random.below(KEYS));
                // The same length keeps a page's shape; others, and removals, do not.
                let len = match round % 4 {
                    0 | 1 => 40,
                    2 => random.below(90),
                    _ => 500,
                };
                if round % 5 == 4 {
                    bucket.delete(key)?;
                    model.remove(&key);
                } else {
                    let value = vec![round as u8; len as usize];
                    bucket.put(key, &value)?;
                    model.insert(key, value);
                }
            }
            Ok(())
        })
        .unwrap();
        check(&db, &model);
        let bucket = old.0.bucket("b").unwrap();
        for index in (0..KEYS).step_by(7) {
            let found = bucket.get(key(index)).unwrap();
            assert_eq!(found, old.1.get(&key(index)).map(Vec::as_slice));
        }
    }
    assert_clean(&db);
}

/// Keys whose heads tie with a separator's: a leaf's first key, keys removed from a leaf's
/// beginning (the separator stays), and keys that differ behind the head only.
#[test]
fn keys_that_tie_with_a_separator_are_found_on_the_leaf_before_and_behind_it() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let key = |index: u64, tail: u8| {
        let head = index.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
        [&head[..], &[tail]].concat()
    };
    let mut model = BTreeMap::new();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..3000_u64).try_for_each(|index| {
            let value = vec![index as u8; 60];
            model.insert(key(index, 5), value.clone());
            bucket.put(key(index, 5), value)
        })
    })
    .unwrap();
    let mut random = Random::new(3);
    for round in 0..8 {
        for _ in 0..20 {
            let snapshot = db.snapshot().unwrap();
            let bucket = snapshot.bucket("b").unwrap();
            for index in 0..3000 {
                for tail in [4, 5, 6] {
                    let found = bucket.get(key(index, tail)).unwrap();
                    let expected = model.get(&key(index, tail)).map(Vec::as_slice);
                    assert_eq!(found, expected, "round {round}, key {index}, tail {tail}");
                }
            }
        }
        db.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            for _ in 0..400 {
                let (index, tail) = (random.below(3000), 4 + random.below(3) as u8);
                match random.below(3) {
                    0 => {
                        bucket.delete(key(index, tail))?;
                        model.remove(&key(index, tail));
                    }
                    _ => {
                        bucket.put(key(index, tail), [tail; 60])?;
                        model.insert(key(index, tail), vec![tail; 60]);
                    }
                }
            }
            Ok(())
        })
        .unwrap();
    }
    assert_clean(&db);
}

/// A leaf with nothing but one pair has nothing kept beside it, and is read all the same.
#[test]
fn leaves_of_one_pair_answer_for_their_own_key_only() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let name = |index: u64| format!("{:05}", index * 7919 % 100_000);
    for value_bytes in [3000, 4096, 70_000] {
        let bucket_name = format!("b{value_bytes}");
        db.update(|tx| {
            let mut bucket = tx.create_bucket(&bucket_name)?;
            (0..60).try_for_each(|index| bucket.put(name(index), vec![index as u8; value_bytes]))
        })
        .unwrap();
        let snapshot = db.snapshot().unwrap();
        let bucket = snapshot.bucket(&bucket_name).unwrap();
        for _ in 0..20 {
            for index in 0..60 {
                let found = bucket.get(name(index)).unwrap();
                assert_eq!(found, Some(vec![index as u8; value_bytes].as_slice()));
                for absent in [
                    format!("{}0", name(index)),
                    name(index)[..4].to_owned(),
                    "99999".into(),
                ] {
                    assert_eq!(bucket.get(&absent).unwrap(), None, "{absent}");
                }
            }
        }
    }
    assert_clean(&db);
}

/// Keys whose first eight bytes, behind those that all have in common, only tell their group.
fn grouped_key(index: u32, group_keys: u32) -> Vec<u8> {
    let group = u16::try_from(index / group_keys).unwrap();
    [&group.to_be_bytes()[..], b"........", &index.to_be_bytes()].concat()
}

#[test]
fn keys_that_tie_with_separators_at_any_height_are_found_and_those_between_are_not() {
    const COUNT: u32 = 6_000;
    for (group_keys, value_bytes) in [
        (3, 40),
        (25, 40),
        (150, 40),
        (900, 40),
        (7, 1500),
        (60, 1500),
    ] {
        let scratch = Scratch::new();
        let db = quick().page_bytes(1024).open(&scratch.path).unwrap();
        let present = (0..COUNT).step_by(2);
        db.update(|tx| {
            let mut bucket = tx.create_bucket("b")?;
            present.clone().try_for_each(|index| {
                let value = vec![index as u8; value_bytes];
                bucket.put(grouped_key(index, group_keys), value)
            })
        })
        .unwrap();
        let snapshot = db.snapshot().unwrap();
        let bucket = snapshot.bucket("b").unwrap();
        for _ in 0..20 {
            for index in 0..COUNT {
                let found = bucket.get(grouped_key(index, group_keys)).unwrap();
                let wanted = (index % 2 == 0).then(|| vec![index as u8; value_bytes]);
                assert_eq!(found, wanted.as_deref(), "{index} by {group_keys}");
            }
        }
    }
}
