//! Isolation under threads: every reader sees exactly one version, and the right one.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use kv_api::Durability;
use txn::{Db, FreelistStorage, Result, Transaction};

use crate::support::{Contents, Random, Scratch, assert_clean, contents, quick};

/// What each version must show, by its number, and what the newest shows. A transaction without
/// changes leaves its number to the next, so the highest number need not be the newest.
#[derive(Default)]
struct Models {
    versions: BTreeMap<u64, Arc<Contents>>,
    newest: Arc<Contents>,
}

impl Models {
    fn set(&mut self, txid: u64, model: Contents) {
        self.newest = Arc::new(model);
        self.versions.insert(txid, Arc::clone(&self.newest));
    }
}

/// Changes a few random places, two or three levels deep, in `tx` and `model` alike.
fn change(tx: &mut Transaction, model: &mut Contents, random: &mut Random) -> Result<()> {
    for _ in 0..1 + random.below(12) {
        let (mut id, mut here) = (tx.root().id(), &mut *model);
        for _ in 0..1 + random.below(3) {
            let name = vec![b'A' + random.below(4) as u8];
            id = tx.at(id).create_bucket_if_missing(&name)?.id();
            here = here.buckets.entry(name).or_default();
        }
        let mut bucket = tx.at(id);
        let len = random.below(60) as usize;
        let key = [&[b'k'][..], &random.bytes(len % 4), &vec![b'x'; len]].concat();
        match random.below(10) {
            0 => {
                bucket.set_sequence(random.below(9))?;
                here.sequence = bucket.sequence()?;
            }
            1 => {
                let name = vec![b'A' + random.below(4) as u8];
                if here.buckets.remove(&name).is_some() {
                    bucket.delete_bucket(&name)?;
                }
            }
            2..=3 => {
                if let Some(key) = here.pairs.keys().next().cloned() {
                    bucket.delete(&key)?;
                    here.pairs.remove(&key);
                }
            }
            4 => {
                bucket.delete_range(key.clone()..)?;
                here.pairs.retain(|held, _| *held < key);
            }
            _ => {
                let len = random.below(3000) as usize;
                let value = random.bytes(len);
                bucket.put(&key, &value)?;
                here.pairs.insert(key, value);
            }
        }
    }
    Ok(())
}

fn write(db: &Db, models: &Mutex<Models>, random: &mut Random) {
    let mut tx = db.begin().unwrap();
    let mut model = (*models.lock().unwrap().newest).clone();
    change(&mut tx, &mut model, random).unwrap();
    if random.below(5) == 0 {
        tx.rollback();
        return;
    }
    // Before anyone can see it; nobody else can write until this has ended.
    models.lock().unwrap().set(tx.id(), model);
    let durability = [Durability::Sync, Durability::Deferred][random.below(2) as usize];
    tx.commit_with(durability).unwrap();
}

fn read(db: &Db, models: &Mutex<Models>) {
    let snapshot = db.snapshot().unwrap();
    let expected = Arc::clone(&models.lock().unwrap().versions[&snapshot.id()]);
    assert_eq!(contents(&snapshot), *expected);
    std::thread::yield_now();
    assert_eq!(contents(&snapshot), *expected, "again");
}

#[test]
fn every_reader_sees_exactly_the_version_it_began_with() {
    for freelist in [
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ] {
        let scratch = Scratch::new();
        let options = || quick().page_bytes(1024).freelist(freelist);
        let models: Mutex<Models> = Mutex::default();
        for round in 0..3_u64 {
            let db = options().open(&scratch.path).unwrap();
            let start = db.snapshot().unwrap();
            *models.lock().unwrap() = Models::default();
            models.lock().unwrap().set(start.id(), contents(&start));
            drop(start);
            std::thread::scope(|scope| {
                for thread in 0..6_u64 {
                    let (db, models) = (&db, &models);
                    scope.spawn(move || {
                        let mut random = Random::new(round * 100 + thread);
                        for _ in 0..60 {
                            if random.below(5) < 2 {
                                write(db, models, &mut random);
                            } else {
                                read(db, models);
                            }
                        }
                    });
                }
            });
            let last = Arc::clone(&models.lock().unwrap().newest);
            assert_eq!(contents(&db.snapshot().unwrap()), *last);
            assert_clean(&db);
            db.close().unwrap();
            drop(db);
            // What was deferred is durable now.
            let db = options().open(&scratch.path).unwrap();
            assert_eq!(contents(&db.snapshot().unwrap()), *last);
            assert_clean(&db);
        }
    }
}

#[test]
fn long_readers_keep_their_values_while_pages_come_back() {
    // A file with many free pages, and readers that began between writes.
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    let value = |round: u64| vec![round as u8; 900];
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..1000_u64).try_for_each(|key| bucket.put(key.to_be_bytes(), value(0)))
    })
    .unwrap();
    db.update(|tx| {
        tx.bucket("b")?
            .delete_range(10_u64.to_be_bytes().to_vec()..)
    })
    .unwrap();
    let mut readers = Vec::new();
    for round in 1..60 {
        if round % 6 == 0 {
            readers.push((round - 1, db.snapshot().unwrap()));
        }
        if round % 14 == 0 {
            // Not the oldest: the gap between two readers is what is reused.
            readers.remove(readers.len() / 2);
        }
        db.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            (0..10_u64).try_for_each(|key| bucket.put(key.to_be_bytes(), value(round)))
        })
        .unwrap();
        for (begun, reader) in &readers {
            let bucket = reader.bucket("b").unwrap();
            for key in 0..10_u64 {
                assert_eq!(
                    bucket.get(key.to_be_bytes()).unwrap(),
                    Some(&value(*begun)[..])
                );
            }
        }
    }
    drop(readers);
    scratch.close_clean(db);
}

#[test]
fn readers_beside_a_growing_file_see_whole_commits() {
    let scratch = Scratch::new();
    let db = scratch.open();
    db.update(|tx| tx.create_bucket("b")?.put("round", 0_u64.to_be_bytes()))
        .unwrap();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let snapshot = db.snapshot().unwrap();
                    let bucket = snapshot.bucket("b").unwrap();
                    let round = bucket.get("round").unwrap().unwrap();
                    let round = u64::from_be_bytes(round.try_into().unwrap());
                    assert!(round >= last, "versions never go back");
                    last = round;
                    for (index, pair) in bucket.prefix("key").enumerate() {
                        let (key, value) = pair.unwrap();
                        assert_eq!(key, format!("key {index:04}").as_bytes());
                        assert!(value.iter().all(|byte| *byte == round as u8));
                    }
                    reads.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for round in 1..120_u64 {
            db.update(|tx| {
                let mut bucket = tx.bucket("b")?;
                bucket.put("round", round.to_be_bytes())?;
                (0..round).try_for_each(|key| {
                    bucket.put(
                        format!("key {key:04}"),
                        vec![round as u8; (round * 20) as usize],
                    )
                })
            })
            .unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(reads.load(Ordering::Relaxed) > 10);
    scratch.close_clean(db);
}
