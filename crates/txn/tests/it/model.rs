//! Random work against nested ordered maps, with a full check after each commit.

use std::collections::BTreeMap;

use quickcheck::{TestResult, quickcheck};
use txn::{Db, FreelistStorage, Options, Snapshot};

#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    buckets: BTreeMap<Vec<u8>, Model>,
}

fn read(bucket: &txn::Bucket<'_>) -> Model {
    let mut model = Model::default();
    bucket
        .for_each(|key, value| {
            match value {
                Some(value) => drop(model.pairs.insert(key.to_vec(), value.to_vec())),
                None => drop(
                    model
                        .buckets
                        .insert(key.to_vec(), read(&bucket.bucket(key)?)),
                ),
            }
            Ok(())
        })
        .unwrap();
    model
}

fn clean(snapshot: &Snapshot) {
    let mut findings = Vec::new();
    txn::check(snapshot, &mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}

fn options(seed: u8) -> Options {
    let freelist = [
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ];
    Options::new()
        .page_bytes(1024)
        .no_sync(true)
        .strict(true)
        .freelist(freelist[usize::from(seed) % 3])
}

fn apply(bucket: &mut txn::BucketMut<'_>, model: &mut Model, steps: &[(u8, u8, u16)]) {
    for (action, key, len) in steps {
        let key = vec![b'k', key % 64, key / 64];
        match action % 8 {
            0 | 1 => {
                bucket.delete(&key).unwrap();
                model.pairs.remove(&key);
            }
            2 => {
                bucket
                    .delete_range(key.clone()..vec![b'k', key[1].wrapping_add(4)])
                    .unwrap();
                let end = vec![b'k', key[1].wrapping_add(4)];
                model.pairs.retain(|held, _| *held < key || *held >= end);
            }
            _ => {
                let value = vec![*action; usize::from(len % 700)];
                bucket.put(&key, &value).unwrap();
                model.pairs.insert(key, value);
            }
        }
    }
}

/// One transaction: where it works, whether it commits, and what it does.
type Round = (u8, bool, Vec<(u8, u8, u16)>);

quickcheck! {
    fn commits_match_the_model(rounds: Vec<Round>) -> TestResult {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.db");
        let mut db: Db = options(rounds.len() as u8).open(&path).unwrap();
        let mut model = Model::default();
        let mut held: Vec<(Snapshot, Model)> = Vec::new();
        for (choice, keep, steps) in &rounds {
            let mut next = model.clone();
            let mut tx = db.begin().unwrap();
            let outer = vec![b'A' + choice % 3];
            if choice % 16 == 0 && next.buckets.remove(&outer).is_some() {
                tx.delete_bucket(&outer).unwrap();
            }
            let mut bucket = tx.create_bucket_if_missing(&outer).unwrap();
            let outer_model = next.buckets.entry(outer).or_default();
            if choice % 2 == 0 {
                apply(&mut bucket, outer_model, steps);
            } else {
                let inner = vec![b'b', choice % 5];
                let mut inside = bucket.create_bucket_if_missing(&inner).unwrap();
                apply(&mut inside, outer_model.buckets.entry(inner).or_default(), steps);
            }
            if *keep {
                tx.commit().unwrap();
                model = next;
            } else {
                tx.rollback();
            }
            let snapshot = db.snapshot().unwrap();
            clean(&snapshot);
            assert_eq!(read(&snapshot.root()), model);
            for (old, old_model) in &held {
                assert_eq!(read(&old.root()), *old_model);
            }
            if choice % 3 == 0 {
                held.push((snapshot.clone(), model.clone()));
            }
            drop(snapshot);
            if choice % 5 == 0 && !held.is_empty() {
                held.remove(0);
            }
            if choice % 7 == 0 {
                held.clear();
                db.close().unwrap();
                drop(db);
                db = options(*choice).open(&path).unwrap();
            }
        }
        TestResult::passed()
    }
}
