//! Reads by what is kept beside pages, while commits move those pages: each version shows what it
//! held, however often its pages were visited and whatever took their place.

use std::collections::BTreeMap;

use crate::support::{Random, Scratch, assert_clean};

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
