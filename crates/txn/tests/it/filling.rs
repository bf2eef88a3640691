//! A bucket that one transaction makes and fills: whatever order the pairs come in, and whoever
//! looks in between.

use std::collections::BTreeMap;

use txn::{BucketMut, ErrorKind, Options};

use crate::support::{Random, Scratch, assert_clean, assert_kind, pairs_of, quick};

type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A key of one of four shapes: few that come again, many, with a long common beginning, and with
/// zeros where others end.
fn key(shape: u64, random: &mut Random) -> Vec<u8> {
    match shape % 4 {
        0 => format!("{}", random.below(50)).into_bytes(),
        1 => random.below(u64::MAX).to_be_bytes().to_vec(),
        2 => format!("user:{:030}", random.below(3000)).into_bytes(),
        _ => {
            let zeros = random.below(12) as usize;
            [b"z".to_vec(), vec![0; zeros]].concat()
        }
    }
}

fn value(random: &mut Random) -> Vec<u8> {
    let bytes = match random.below(40) {
        0 => random.below(9000),
        1 => 0,
        _ => random.below(200),
    };
    vec![random.below(256) as u8; bytes as usize]
}

/// What a transaction may do with a bucket beside filling it.
fn interrupt(bucket: &mut BucketMut<'_>, pairs: &mut Pairs, shape: u64, random: &mut Random) {
    let key = key(shape, random);
    match random.below(6) {
        0 => assert_eq!(
            bucket.get(&key).unwrap().map(<[u8]>::to_vec),
            pairs.get(&key).cloned()
        ),
        1 => assert_eq!(bucket.remove(&key).unwrap(), pairs.remove(&key).is_some()),
        2 => {
            let seen: Pairs = bucket
                .range(..)
                .unwrap()
                .map(|pair| pair.unwrap())
                .map(|(key, value)| (key.to_vec(), value.to_vec()))
                .collect();
            assert_eq!(&seen, pairs);
        }
        3 => bucket.set_sequence(random.below(100)).unwrap(),
        4 => {
            let name = format!("a bucket {}", random.below(3));
            bucket
                .create_bucket_if_missing(&name)
                .unwrap()
                .put("inside", "x")
                .unwrap();
            assert_kind(bucket.put(&name, "a pair"), ErrorKind::Incompatible);
        }
        _ => bucket.set_fill_share(0.7).unwrap(),
    }
}

#[test]
fn holds_what_was_put_last_under_every_key_whatever_happens_in_between() {
    for seed in 0..120 {
        let mut random = Random::new(seed);
        let (count, interruptions) = (
            [1, 4, 25, 400, 4000][seed as usize % 5],
            [0, 0, 1, 30][random.below(4) as usize],
        );
        let page_bytes = [1024, 4096][random.below(2) as usize];
        let scratch = Scratch::new();
        let db = quick()
            .page_bytes(page_bytes)
            .strict(true)
            .open(&scratch.path)
            .unwrap();
        let (mut pairs, shape) = (Pairs::new(), random.below(4));
        let mut tx = db.begin().unwrap();
        let mut bucket = tx.create_bucket("b").unwrap();
        for _ in 0..count {
            let (key, value) = (key(shape, &mut random), value(&mut random));
            bucket.put(&key, &value).unwrap();
            pairs.insert(key, value);
            if random.below(count) < interruptions {
                interrupt(&mut bucket, &mut pairs, shape, &mut random);
            }
        }
        tx.commit().unwrap();
        let snapshot = db.snapshot().unwrap();
        let seen: Pairs = pairs_of(snapshot.bucket("b").unwrap())
            .into_iter()
            .collect();
        drop(snapshot);
        assert_eq!(seen, pairs, "seed {seed}");
        scratch.close_clean(db);
    }
}

#[test]
fn takes_as_few_pages_in_any_order_as_in_the_order_of_its_keys() {
    let pages = |step: u64| {
        let scratch = Scratch::new();
        let db = scratch.open();
        db.update(|tx| {
            let mut bucket = tx.create_bucket("b")?;
            (0..10_007).try_for_each(|index| {
                let key = format!("{:024}", index * step % 10_007);
                bucket.put(key, [7; 150])
            })
        })
        .unwrap();
        db.statistics().unwrap().pages_allocated
    };
    let (in_order, shuffled) = (pages(1), pages(5003));
    assert_eq!(in_order, shuffled);
    // 21 pairs of 190 bytes fit a page, and 102 children of 40.
    let leaves = 10_007_u64.div_ceil(21);
    assert!(shuffled <= leaves + leaves.div_ceil(102) + 6, "{shuffled}");
}

#[test]
fn can_be_deleted_or_moved_by_the_transaction_that_fills_it() {
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    let fill = |bucket: &mut BucketMut<'_>| {
        (0..3000).for_each(|index| {
            let key = format!("{:06}", index * 7 % 3000);
            bucket.put(key, [1; 90]).unwrap();
        });
    };
    let mut tx = db.begin().unwrap();
    fill(&mut tx.create_bucket("gone").unwrap());
    fill(&mut tx.create_bucket("moved").unwrap());
    let (top, target) = (tx.root().id(), tx.create_bucket("target").unwrap().id());
    tx.delete_bucket("gone").unwrap();
    tx.move_bucket("moved", top, target).unwrap();
    tx.commit().unwrap();
    db.view(|snapshot| {
        let moved = snapshot.bucket("target")?.bucket("moved")?;
        assert_eq!(moved.range(..).count(), 3000);
        assert!(snapshot.bucket_if_exists("gone")?.is_none());
        Ok(())
    })
    .unwrap();
    scratch.close_clean(db);
}

#[test]
fn keys_of_the_greatest_length_have_branches_of_two_children_or_more() {
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    for count in 1..12_u8 {
        db.update(|tx| {
            let mut bucket = tx.create_bucket(vec![b'b', count])?;
            (0..count).rev().try_for_each(|index| {
                let mut key = vec![b'k'; 32_768];
                key[32_767] = index;
                bucket.put(key, [index])
            })
        })
        .unwrap();
        assert_clean(&db);
    }
    scratch.close_clean(db);
}

#[test]
fn a_shared_commit_returns_to_before_a_fill_that_failed() {
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    let put = |tx: &mut txn::Transaction, letter: u8| {
        let mut bucket = tx.bucket("b")?;
        (0..500_u32).try_for_each(|index| {
            let key = [&[letter][..], &index.wrapping_mul(97).to_be_bytes()].concat();
            bucket.put(key, [letter; 60])
        })
    };
    std::thread::scope(|scope| {
        for letter in *b"cdefgh" {
            let db = &db;
            scope.spawn(move || {
                let done = db.update_grouped(move |tx| {
                    put(tx, letter)?;
                    match letter % 2 {
                        0 => Ok(()),
                        _ => Err(txn::Error::Conflict),
                    }
                });
                assert_eq!(done.is_ok(), letter % 2 == 0);
            });
        }
    });
    db.view(|snapshot| {
        let pairs = pairs_of(snapshot.bucket("b")?);
        let letters: Vec<u8> = pairs.iter().map(|(key, _)| key[0]).collect();
        assert_eq!(letters.len(), 1500);
        assert!(letters.iter().all(|letter| b"dfh".contains(letter)));
        Ok(())
    })
    .unwrap();
    scratch.close_clean(db);
}

#[test]
fn a_bucket_left_empty_by_another_transaction_is_filled_alike() {
    let scratch = Scratch::new();
    let db = Options::new()
        .page_bytes(4096)
        .no_sync(true)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    db.update(|tx| {
        let mut bucket = tx.bucket("b")?;
        (0..2000_u32).try_for_each(|index| bucket.put((index * 7 % 2000).to_be_bytes(), [3; 100]))
    })
    .unwrap();
    let splits = db.statistics().unwrap().splits;
    assert_eq!(splits, 0, "no page was filled twice");
    db.view(|snapshot| {
        assert_eq!(snapshot.bucket("b")?.range(..).count(), 2000);
        Ok(())
    })
    .unwrap();
    scratch.close_clean(db);
}
