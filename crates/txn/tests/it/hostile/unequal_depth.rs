//! Leaves of one tree at unequal depth: no writer leaves them so, yet the format allows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crash_kit::Rng;
use disk::Disk;
use txn::{Db, FreelistStorage, Options};

use super::craft::{PAIR, branch, file, leaf};
use super::memory::MemoryDisk;
use super::reading::read_both_ways;
use super::seeds::PATH;

/// Keys `a` to `h`, each on a leaf of its own: three below the root and five deeper, on both sides
/// of them.
fn lopsided() -> Arc<dyn Disk> {
    let one = |id, key: &[u8]| leaf(id, &[(PAIR, key, b"old")]);
    let bytes = file(&[
        branch(3, &[(b"a", 4), (b"b", 5), (b"d", 6), (b"e", 7), (b"h", 8)]),
        one(4, b"a"),
        branch(5, &[(b"b", 9), (b"c", 10)]),
        one(6, b"d"),
        branch(7, &[(b"e", 11), (b"f", 12)]),
        one(8, b"h"),
        one(9, b"b"),
        one(10, b"c"),
        one(11, b"e"),
        branch(12, &[(b"f", 13), (b"g", 14)]),
        one(13, b"f"),
        one(14, b"g"),
    ]);
    MemoryDisk::with(PATH, bytes).as_dyn()
}

/// Every commit is checked, free pages included.
fn open(disk: &Arc<dyn Disk>) -> Db {
    let options = Options::new().freelist(FreelistStorage::Always);
    let options = options.strict(true).disk(Arc::clone(disk));
    options.open(PATH).unwrap()
}

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

fn pairs(db: &Db) -> Pairs {
    let snapshot = db.snapshot().unwrap();
    let own = |pair: txn::Result<(&[u8], &[u8])>| pair.map(|(k, v)| (k.to_vec(), v.to_vec()));
    let forward: Vec<_> = snapshot
        .root()
        .range(..)
        .map(own)
        .map(Result::unwrap)
        .collect();
    let mut backward: Vec<_> = (snapshot.root().range(..).rev().map(own))
        .map(Result::unwrap)
        .collect();
    backward.reverse();
    assert_eq!(forward, backward);
    forward.into_iter().collect()
}

#[test]
fn such_a_tree_is_sound_and_read_whole() {
    let disk = lopsided();
    assert!(read_both_ways(&disk, PATH));
    assert_eq!(pairs(&open(&disk)).len(), 8);
}

/// Every set of keys deleted in one transaction, each from a fresh file.
#[test]
fn whatever_is_deleted_the_rest_stays() {
    for gone in 0..=255_u8 {
        let disk = lopsided();
        let db = open(&disk);
        let mut wanted = pairs(&db);
        db.update(|tx| {
            for key in (0..8).filter(|key| gone & 1 << key != 0) {
                tx.root().delete([b'a' + key])?;
                wanted.remove(&[b'a' + key][..]);
            }
            Ok(())
        })
        .unwrap();
        assert_eq!(pairs(&db), wanted, "{gone:08b}");
        drop(db);
        assert!(read_both_ways(&disk, PATH), "{gone:08b}");
    }
}

#[test]
fn random_writes_agree_with_a_map() {
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let disk = lopsided();
        let db = open(&disk);
        let mut wanted = pairs(&db);
        for _ in 0..12 {
            db.update(|tx| {
                for _ in 0..rng.below(20) {
                    let mut key = vec![b'a' + rng.below(9) as u8];
                    key.extend(vec![b'x'; rng.below(2) * rng.below(30)]);
                    if rng.below(3) == 0 {
                        let value = vec![b'v'; rng.below(200)];
                        tx.root().put(&key, &value)?;
                        wanted.insert(key, value);
                    } else {
                        tx.root().delete(&key)?;
                        wanted.remove(&key);
                    }
                }
                Ok(())
            })
            .unwrap();
            assert_eq!(pairs(&db), wanted, "seed {seed}");
        }
    }
}
