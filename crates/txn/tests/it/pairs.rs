//! Keys and values: limits, overwriting, deleting, and every size on its way through pages.

use std::collections::BTreeMap;

use txn::ErrorKind;

use crate::support::{Random, Scratch, assert_clean, assert_kind, fill, newest, pairs_of, quick};

#[test]
fn keys_have_at_most_32768_bytes_and_at_least_one() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    let (longest, longer) = (vec![b'k'; 32_768], vec![b'k'; 32_769]);
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        assert_kind(bucket.put("", "value"), ErrorKind::Invalid);
        let text = assert_kind(bucket.put(&longer, ""), ErrorKind::TooLarge);
        assert!(text.contains("32769") && text.contains("32768"), "{text}");
        bucket.put(&longest, "value")?;
        bucket.delete("")?;
        bucket.delete(&longer)?;
        assert_eq!(bucket.get("")?, None);
        assert_eq!(bucket.get(&longer)?, None);
        assert_eq!(bucket.get(&longest)?, Some(&b"value"[..]));
        Ok(())
    })
    .unwrap();
    assert_eq!(newest(&db).buckets[&b"b"[..]].pairs.len(), 1);
    scratch.close_clean(db);
}

#[test]
fn long_keys_fill_branches_of_many_levels() {
    let scratch = Scratch::new();
    let db = quick()
        .page_bytes(1024)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    let key = |i: u32| {
        let mut key = vec![b'k'; 9000 + (i as usize * 37) % 20_000];
        key[..4].copy_from_slice(&(i.wrapping_mul(2_654_435_761)).to_be_bytes());
        key
    };
    for round in 0..4 {
        db.update(|tx| {
            let mut bucket = tx.create_bucket_if_missing("b")?;
            (round * 40..round * 40 + 40).try_for_each(|i| bucket.put(key(i), i.to_be_bytes()))
        })
        .unwrap();
    }
    let snapshot = db.snapshot().unwrap();
    for i in 0..160 {
        let value = snapshot.bucket("b").unwrap().get(key(i)).unwrap();
        assert_eq!(value, Some(&i.to_be_bytes()[..]));
    }
    drop(snapshot);
    for i in 0..160 {
        db.update(|tx| tx.bucket("b")?.delete(key(i))).unwrap();
    }
    assert_eq!(newest(&db).buckets[&b"b"[..]].pairs.len(), 0);
    scratch.close_clean(db);
}

#[test]
fn a_put_replaces_and_a_delete_of_nothing_is_no_error() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        assert_eq!(bucket.get("key")?, None);
        for value in [&b"one"[..], b"", b"a longer value", b"two"] {
            bucket.put("key", value)?;
            assert_eq!(bucket.get("key")?, Some(value));
        }
        bucket.delete("absent")?;
        bucket.delete("key")?;
        assert_eq!(bucket.get("key")?, None);
        bucket.delete("key")?;
        bucket.put("key", "")
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let value = snapshot.bucket("b").unwrap().get("key").unwrap();
    assert_eq!(value, Some(&b""[..]), "an empty value is a present one");
}

#[test]
fn a_transaction_that_changes_nothing_writes_nothing() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..500, 50);
        Ok(())
    })
    .unwrap();
    let (before, txid) = (db.statistics().unwrap(), db.info().unwrap().txid);
    db.update(|tx| {
        let mut bucket = tx.bucket("b")?;
        bucket.delete("absent")?;
        assert_eq!(bucket.range(..)?.count(), 500);
        tx.create_bucket_if_missing("b").map(drop)
    })
    .unwrap();
    let since = db.statistics().unwrap().since(&before);
    assert_eq!((since.bytes_written, since.syncs, since.commits), (0, 0, 1));
    assert_eq!(db.info().unwrap().txid, txid);
}

#[test]
fn values_of_every_size_around_a_page_come_back() {
    for page_bytes in [1024_usize, 4096] {
        let scratch = Scratch::new();
        let options = quick().page_bytes(page_bytes as u32).strict(true);
        let db = options.open(&scratch.path).unwrap();
        let mut sizes = Vec::new();
        // One page, four pages (above which a pair stands alone), and their neighbours.
        for pages in [1, 2, 4, 5, 20] {
            for offset in [
                -36_isize, -35, -34, -20, -19, -18, -17, -16, -1, 0, 1, 16, 17,
            ] {
                sizes.push((pages * page_bytes).saturating_add_signed(offset));
            }
        }
        let mut model = BTreeMap::new();
        let mut random = Random::new(7);
        for round in 0..3 {
            for chunk in sizes.chunks(9) {
                db.update(|tx| {
                    let mut bucket = tx.create_bucket_if_missing("b")?;
                    for size in chunk {
                        let key = random.below(40).to_be_bytes().to_vec();
                        let value = random.bytes((size + round) % (20 * page_bytes + 9));
                        bucket.put(&key, &value)?;
                        assert_eq!(bucket.get(&key)?, Some(&value[..]));
                        model.insert(key, value);
                    }
                    Ok(())
                })
                .unwrap();
                let pairs = pairs_of(db.snapshot().unwrap().bucket("b").unwrap());
                assert!(pairs.into_iter().eq(model.clone()));
            }
        }
        scratch.close_clean(db);
    }
}

#[test]
fn a_large_value_stands_alone_on_its_run() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..6).try_for_each(|i| bucket.put([i], vec![i; 400_000]))?;
        (0..6).try_for_each(|i| bucket.put([i, 0], "small"))
    })
    .unwrap();
    let before = db.statistics().unwrap();
    db.update(|tx| tx.bucket("b")?.put([3, 0], "changed"))
        .unwrap();
    let written = db.statistics().unwrap().since(&before).bytes_written;
    assert!(
        written < 100_000,
        "{written} bytes for a small neighbour's change"
    );
    scratch.close_clean(db);
}

#[test]
fn a_value_of_sixteen_mebibytes_comes_back() {
    huge(16 << 20);
}

#[test]
#[ignore = "half a gibibyte of memory"]
fn a_value_of_256_mebibytes_comes_back() {
    huge(0x1000_0000);
}

fn huge(bytes: usize) {
    let scratch = Scratch::new();
    let db = scratch.open();
    let value: Vec<u8> = (0..bytes).map(|i| (i >> 12) as u8 ^ i as u8).collect();
    db.update(|tx| tx.create_bucket("b")?.put("huge", &value))
        .unwrap();
    db.update(|tx| tx.bucket("b")?.put("small", "value"))
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.bucket("b").unwrap().get("huge").unwrap() == Some(&value[..]));
    drop(snapshot);
    db.update(|tx| tx.bucket("b")?.put("huge", "")).unwrap();
    assert!(
        db.snapshot()
            .unwrap()
            .bucket("b")
            .unwrap()
            .get("huge")
            .unwrap()
            == Some(b"")
    );
    assert_clean(&db);
}

#[test]
fn random_keys_put_and_deleted_one_by_one_match_a_map() {
    let scratch = Scratch::new();
    let db = quick()
        .page_bytes(1024)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    let mut random = Random::new(11);
    let mut model = BTreeMap::new();
    for _ in 0..150 {
        let (key_bytes, value_bytes) = (1 + random.below(200), random.below(900));
        let (key, value) = (
            random.bytes(key_bytes as usize),
            random.bytes(value_bytes as usize),
        );
        db.update(|tx| tx.bucket("b")?.put(&key, &value)).unwrap();
        model.insert(key, value);
    }
    let shown = || pairs_of(db.snapshot().unwrap().bucket("b").unwrap());
    assert!(shown().into_iter().eq(model.clone()));
    while !model.is_empty() {
        let index = random.below(model.len() as u64) as usize;
        let key = model.keys().nth(index).unwrap().clone();
        db.update(|tx| tx.bucket("b")?.delete(&key)).unwrap();
        model.remove(&key);
        if model.len() % 10 == 0 {
            assert!(shown().into_iter().eq(model.clone()));
        }
    }
    assert_eq!(db.snapshot().unwrap().bucket("b").unwrap().root_page(), 0);
    scratch.close_clean(db);
}

#[test]
fn keys_in_every_order_make_one_tree() {
    let orders: [fn(u32) -> u32; 4] = [
        |i| i,
        |i| 2999 - i,
        |i| i.wrapping_mul(1_103_515_245) % 3000,
        |i| if i % 2 == 0 { i / 2 } else { 2999 - i / 2 },
    ];
    for (page_bytes, order) in orders
        .iter()
        .flat_map(|order| [(1024, order), (4096, order)])
    {
        let scratch = Scratch::new();
        let db = quick()
            .page_bytes(page_bytes)
            .strict(true)
            .open(&scratch.path)
            .unwrap();
        for half in 0..2 {
            db.update(|tx| {
                let mut bucket = tx.create_bucket_if_missing("b")?;
                for i in half * 1500..half * 1500 + 1500 {
                    bucket.put(order(i).to_be_bytes(), i.to_be_bytes())?;
                }
                let mut last = None;
                for pair in bucket.range(..)? {
                    let key = pair?.0.to_vec();
                    assert!(last.is_none_or(|last| last < key));
                    last = Some(key);
                }
                Ok(())
            })
            .unwrap();
        }
        let mut expected = BTreeMap::new();
        for i in 0..3000 {
            expected.insert(order(i).to_be_bytes().to_vec(), i.to_be_bytes().to_vec());
        }
        let snapshot = db.snapshot().unwrap();
        let bucket = snapshot.bucket("b").unwrap();
        assert!(pairs_of(bucket).into_iter().eq(expected.clone()));
        for (key, value) in &expected {
            assert_eq!(bucket.get(key).unwrap(), Some(&value[..]));
        }
        drop(snapshot);
        scratch.close_clean(db);
    }
}

#[test]
fn keys_put_below_all_others_are_found_through_many_levels() {
    let scratch = Scratch::new();
    let db = quick()
        .page_bytes(1024)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    // Each transaction goes below everything there is, so every separator on the way is lowered,
    // and splits happen under separators that were lowered before.
    let mut next = 100_000_u32;
    while next > 90_000 {
        db.update(|tx| {
            let mut bucket = tx.create_bucket_if_missing("b")?;
            for _ in 0..250 {
                next -= 1;
                bucket.put(next.to_be_bytes(), [1; 40])?;
                assert!(bucket.get(next.to_be_bytes())?.is_some());
            }
            // And one inside the gap that the lowering opened.
            let inside = [&(next + 100).to_be_bytes()[..], b"!"].concat();
            bucket.put(&inside, "")?;
            assert!(bucket.get(&inside)?.is_some());
            bucket.delete(&inside)
        })
        .unwrap();
    }
    let keys: Vec<_> = pairs_of(db.snapshot().unwrap().bucket("b").unwrap());
    assert!(
        keys.iter()
            .map(|pair| pair.0.clone())
            .eq((next..100_000).map(|i| i.to_be_bytes().to_vec()))
    );
    scratch.close_clean(db);
}

#[test]
fn deleting_most_keys_gives_the_pages_back() {
    let scratch = Scratch::new();
    let db = scratch.strict();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..20_000, 100);
        Ok(())
    })
    .unwrap();
    let pages = || {
        let shape = db
            .snapshot()
            .unwrap()
            .bucket("b")
            .unwrap()
            .statistics()
            .unwrap();
        shape.leaf_pages + shape.branch_pages
    };
    let full = pages();
    for step in [2, 4, 8, 16] {
        db.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            (0..20_000_usize)
                .filter(|key| key % step != 0)
                .try_for_each(|key| bucket.delete(format!("{key:06}")))
        })
        .unwrap();
        // A node below a quarter full merges, so pages go with the keys.
        assert!(
            pages() <= 4 * full / step as u64 + 2,
            "{step}: {} of {full}",
            pages()
        );
    }
    let left = pairs_of(db.snapshot().unwrap().bucket("b").unwrap());
    assert_eq!(left.len(), 1250);
    scratch.close_clean(db);
}

/// What readers work out about a page is kept beside it. A reader of an old version works it out
/// anew after the page was given up, and then another page is written there.
#[test]
fn a_page_written_anew_is_not_searched_by_what_was_known_of_the_old_one() {
    let scratch = Scratch::new();
    let db = scratch.open();
    let key = |n: u32| format!("{:08}", n.wrapping_mul(2_654_435_761) % 100_000_000);
    let search_all = |snapshot: &txn::Snapshot, generation: u32| {
        let bucket = snapshot.bucket("b").unwrap();
        for _ in 0..3 {
            for n in generation..generation + 400 {
                let value = bucket.get(key(n)).unwrap();
                assert_eq!(value, Some(&n.to_le_bytes()[..]), "{n} of {generation}");
            }
        }
    };
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        (0..400).try_for_each(|n| bucket.put(key(n), n.to_le_bytes()))
    })
    .unwrap();
    for generation in 0..40 {
        let old = db.snapshot().unwrap();
        db.update(|tx| {
            let mut bucket = tx.bucket("b")?;
            bucket.delete(key(generation))?;
            bucket.put(key(generation + 400), (generation + 400).to_le_bytes())
        })
        .unwrap();
        // The old version's pages have been given up and are searched all the same.
        search_all(&old, generation);
        drop(old);
        search_all(&db.snapshot().unwrap(), generation + 1);
    }
    scratch.close_clean(db);
}
