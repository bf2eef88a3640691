//! Space: what comes back, how the file grows, and what a commit costs.

use std::time::{Duration, Instant};

use txn::{Db, ErrorKind, FreelistKind, FreelistStorage, Options};

use crate::support::{Random, Scratch, assert_clean, assert_kind, fill, newest, quick};

#[test]
fn one_long_reader_does_not_blow_the_file_up() {
    for freelist in [
        FreelistStorage::Deferred,
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ] {
        let scratch = Scratch::new();
        let db = quick().freelist(freelist).open(&scratch.path).unwrap();
        db.update(|tx| {
            fill(&mut tx.create_bucket("b")?, 0..36_000, 110);
            Ok(())
        })
        .unwrap();
        assert!((4 << 20..6 << 20).contains(&db.info().unwrap().size_bytes));
        let reader = db.snapshot().unwrap();
        let before = reader.bucket("b").unwrap().get("017000").unwrap();
        let mut random = Random::new(1);
        let mut one = |db: &Db| {
            let key = format!("{:06}", random.below(36_000));
            db.update(|tx| tx.bucket("b")?.put(key, [9; 110])).unwrap();
        };
        (0..2000).for_each(|_| one(&db));
        let used = db.info().unwrap().size_bytes;
        assert!(used < 15_000_000, "{freelist:?}: {used}");
        assert_eq!(reader.bucket("b").unwrap().get("017000").unwrap(), before);
        drop(reader);
        // Its pages come back: nothing grows any more, and little stays pending.
        (0..500).for_each(|_| one(&db));
        assert_eq!(db.info().unwrap().size_bytes, used);
        let statistics = db.statistics().unwrap();
        assert!(statistics.pending_pages < 20, "{statistics:?}");
        assert!(statistics.free_pages > 500, "{statistics:?}");
        assert_clean(&db);
    }
}

#[test]
fn without_readers_a_file_stays_as_long_as_its_contents() {
    for kind in [FreelistKind::Hashmap, FreelistKind::Array] {
        let scratch = Scratch::new();
        let db = quick().freelist_kind(kind).open(&scratch.path).unwrap();
        let mut largest = 0;
        for round in 0..30 {
            db.update(|tx| {
                fill(
                    &mut tx.create_bucket_if_missing("b")?,
                    0..5000,
                    100 + round % 3,
                );
                Ok(())
            })
            .unwrap();
            if round == 3 {
                largest = db.info().unwrap().size_bytes;
            }
        }
        let size = db.info().unwrap().size_bytes;
        assert!(
            size <= largest + largest / 10,
            "{kind:?}: {largest} grew to {size}"
        );
        scratch.close_clean(db);
    }
}

#[test]
fn pages_of_a_rolled_back_or_refused_commit_are_not_lost() {
    let scratch = Scratch::new();
    let db = quick()
        .strict(true)
        .file_bytes_max(3 << 20)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..8000, 110);
        Ok(())
    })
    .unwrap();
    db.update(|tx| tx.bucket("b")?.delete_range("002000"..))
        .unwrap();
    db.update(|tx| tx.bucket("b")?.put("settle", "")).unwrap();
    let free = |db: &Db| {
        let statistics = db.statistics().unwrap();
        statistics.free_pages + statistics.pending_pages
    };
    let (before, contents) = (free(&db), newest(&db));
    assert!(before > 100);
    for _ in 0..5 {
        let refused = db.update(|tx| {
            // Takes all the free pages, and then more than there may be.
            fill(&mut tx.bucket("b")?, 0..40_000, 110);
            Ok(())
        });
        assert_kind(refused, ErrorKind::NoSpace);
        assert_eq!(newest(&db), contents);
    }
    db.update(|tx| tx.bucket("b")?.put("settle", "again"))
        .unwrap();
    let after = free(&db);
    assert!(before.abs_diff(after) < 10, "{before} and {after}");
    scratch.close_clean(db);
}

#[test]
fn a_size_limit_is_kept_to_the_byte_and_the_handle_lives() {
    for step in [64 << 10, 4 << 20, 16 << 20] {
        let scratch = Scratch::new();
        let max = 5 << 20;
        let options = || quick().file_bytes_max(max).growth_step_bytes(step);
        let db = options().open(&scratch.path).unwrap();
        let refused = db.update(|tx| tx.create_bucket("b")?.put("large", vec![1; 6 << 20]));
        assert_kind(refused, ErrorKind::NoSpace);
        assert!(scratch.file_bytes() <= max);
        let mut stored = 0_usize;
        let refused = loop {
            let put = db.update(|tx| {
                fill(
                    &mut tx.create_bucket_if_missing("b")?,
                    stored..stored + 100,
                    980,
                );
                Ok(())
            });
            match put {
                Ok(()) => stored += 100,
                refused => break refused,
            }
        };
        assert_kind(refused, ErrorKind::NoSpace);
        assert!(
            scratch.file_bytes() <= max,
            "{} of {max}",
            scratch.file_bytes()
        );
        assert!(stored * 980 > 4_500_000, "{step}: full at {stored}");
        assert_eq!(newest(&db).buckets[&b"b"[..]].pairs.len(), stored);
        // Free pages are still used, and deleting makes room.
        db.update(|tx| tx.bucket("b")?.delete_range("000500"..))
            .unwrap();
        db.update(|tx| tx.bucket("b")?.put("more", vec![1; 1 << 20]))
            .unwrap();
        scratch.close_clean(db);
        // A file above its limit opens, and what fits into it is taken.
        let db = quick().file_bytes_max(1 << 20).open(&scratch.path).unwrap();
        db.update(|tx| tx.bucket("b")?.put("still", vec![1; 100_000]))
            .unwrap();
        let refused = db.update(|tx| tx.bucket("b")?.put("large", vec![1; 6 << 20]));
        assert_kind(refused, ErrorKind::NoSpace);
        scratch.close_clean(db);
    }
}

#[test]
fn a_file_grows_by_the_seeds_rule() {
    let scratch = Scratch::new();
    let db = quick().open(&scratch.path).unwrap();
    let mut lengths = vec![scratch.file_bytes()];
    for round in 0..40 {
        db.update(|tx| {
            tx.create_bucket_if_missing("b")?
                .put([round], vec![1; 1 << 20])
        })
        .unwrap();
        if lengths.last() != Some(&scratch.file_bytes()) {
            lengths.push(scratch.file_bytes());
        }
        assert!(db.info().unwrap().size_bytes <= scratch.file_bytes());
    }
    let doubling: Vec<_> = lengths
        .iter()
        .take_while(|len| **len <= 16 << 20)
        .copied()
        .collect();
    assert!(
        doubling.len() > 3 && doubling.iter().all(|len| len.is_power_of_two()),
        "{lengths:?}"
    );
    let steps = lengths.windows(2).skip(doubling.len() - 1);
    for step in steps {
        assert!(
            (16 << 20..20 << 20).contains(&(step[1] - step[0])),
            "{lengths:?}"
        );
    }
    drop(db);
    let scratch = Scratch::new();
    let db = quick().no_grow_sync(true).open(&scratch.path).unwrap();
    for round in 0..10 {
        db.update(|tx| {
            tx.create_bucket_if_missing("b")?
                .put([round], vec![1; 100_000])
        })
        .unwrap();
        assert!(scratch.file_bytes() <= db.info().unwrap().size_bytes);
    }
    scratch.close_clean(db);
}

#[test]
fn equal_inputs_give_equal_files() {
    for page_bytes in [1024, 4096] {
        let files: Vec<Vec<u8>> = (0..2).map(|_| history(page_bytes)).collect();
        assert!(files[0] == files[1], "{page_bytes}");
    }
}

fn history(page_bytes: u32) -> Vec<u8> {
    let scratch = Scratch::new();
    let db = quick().page_bytes(page_bytes).open(&scratch.path).unwrap();
    let mut random = Random::new(9);
    let mut held = Vec::new();
    for round in 0..60 {
        let mut tx = db.begin().unwrap();
        for _ in 0..20 {
            let mut id = tx.root().id();
            for _ in 0..1 + random.below(3) {
                let name = format!("bucket {}", random.below(12));
                id = tx.at(id).create_bucket_if_missing(name).unwrap().id();
            }
            let mut bucket = tx.at(id);
            let key = format!("{:04}", random.below(500));
            if random.below(4) == 0 {
                bucket.delete(key).unwrap();
            } else {
                let len = random.below(900) as usize;
                bucket.put(key, random.bytes(len)).unwrap();
            }
            bucket.next_sequence().unwrap();
        }
        if round % 7 == 3 {
            tx.rollback();
        } else {
            tx.commit().unwrap();
        }
        if round % 5 == 0 {
            held.push(db.snapshot().unwrap());
        }
        if round % 11 == 0 {
            held.clear();
        }
    }
    drop(held);
    db.close().unwrap();
    drop(db);
    std::fs::read(&scratch.path).unwrap()
}

/// Bytes written by fifty small commits, per commit.
fn cost(db: &Db) -> u64 {
    db.update(|tx| tx.create_bucket_if_missing("small")?.put("key", "0"))
        .unwrap();
    let before = db.statistics().unwrap();
    for round in 0..50_u8 {
        db.update(|tx| tx.bucket("small")?.put("key", [round]))
            .unwrap();
    }
    db.statistics().unwrap().since(&before).bytes_written / 50
}

#[test]
fn a_commit_does_not_pay_for_free_pages() {
    let scratch = Scratch::new();
    let db = quick().page_bytes(1024).open(&scratch.path).unwrap();
    let few = cost(&db);
    // One run of pages per value, every second one freed, so that the runs stay apart.
    for part in 0..4_u32 {
        db.update(|tx| {
            let mut bucket = tx.create_bucket_if_missing("holes")?;
            (part * 2250..part * 2250 + 2250)
                .try_for_each(|key| bucket.put(key.to_be_bytes(), vec![1; 15_000]))
        })
        .unwrap();
    }
    db.update(|tx| {
        let mut bucket = tx.bucket("holes")?;
        (0..9000_u32)
            .filter(|key| key % 2 == 1)
            .try_for_each(|key| bucket.delete(key.to_be_bytes()))
    })
    .unwrap();
    let many = cost(&db);
    let free = db.statistics().unwrap().free_pages;
    assert!(free > 67_000, "{free}");
    assert!(
        many <= few + 1024,
        "{few} bytes a commit with few free pages, {many} with many"
    );
    // Stored in whole when closed, in the form for more ids than the header can count.
    scratch.close_clean(db);
    let db = quick().open(&scratch.path).unwrap();
    assert!(db.info().unwrap().freelist_page.is_some());
    db.update(|tx| tx.bucket("small")?.put("key", "after"))
        .unwrap();
    let statistics = db.statistics().unwrap();
    assert!((statistics.free_pages + statistics.pending_pages).abs_diff(free) < 700);
}

fn seconds_for(keys: u64, fill_share: Option<f64>) -> Duration {
    let scratch = Scratch::new();
    let db = scratch.open();
    let mut random = Random::new(keys);
    let began = Instant::now();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        if let Some(share) = fill_share {
            bucket.set_fill_share(share)?;
        }
        (0..keys).try_for_each(|_| bucket.put(random.next().to_be_bytes(), [7; 100]))
    })
    .unwrap();
    began.elapsed()
}

/// On a busy machine one measurement says little; a quadratic load would fail all of them.
fn assert_linear(fill_share: Option<f64>) {
    let seconds = |keys| seconds_for(keys, fill_share).as_secs_f64();
    let ratio = || seconds(200_000) / seconds(100_000);
    let ratios: Vec<f64> = (0..4)
        .map(|_| ratio())
        .take_while(|ratio| *ratio >= 3.0)
        .collect();
    assert!(ratios.len() < 4, "{ratios:?}");
}

#[test]
fn a_random_bulk_load_in_one_transaction_is_linear() {
    assert_linear(None);
}

#[test]
fn a_random_bulk_load_under_a_fill_share_is_linear() {
    assert_linear(Some(0.5));
}

#[test]
#[ignore = "a million keys"]
fn a_million_random_keys_in_one_transaction_are_loaded() {
    let took = seconds_for(1_000_000, None);
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn reopening_and_one_put_hardly_grow_a_file() {
    let scratch = Scratch::new();
    let db = Options::new()
        .no_sync(true)
        .page_bytes(4096)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..10_000, 1000);
        Ok(())
    })
    .unwrap();
    db.close().unwrap();
    drop(db);
    let before = scratch.file_bytes();
    let db = quick().open(&scratch.path).unwrap();
    db.update(|tx| tx.bucket("b")?.put("000000", "")).unwrap();
    db.close().unwrap();
    drop(db);
    assert!(scratch.file_bytes() <= before + 5 * 4096);
}

#[test]
fn a_small_commit_writes_two_runs_and_its_meta_and_lengthens_the_file_by_no_more_than_an_eighth() {
    let scratch = Scratch::new();
    let db = quick().open(&scratch.path).unwrap();
    db.update(|tx| {
        fill(&mut tx.create_bucket("b")?, 0..60_000, 150);
        Ok(())
    })
    .unwrap();
    scratch.close_clean(db);
    // Each commit is compared with the whole tree.
    let db = quick().strict(true).open(&scratch.path).unwrap();
    let loaded = db.info().unwrap().size_bytes;
    let mut random = Random::new(5);
    let mut commits = |count: u64| {
        let before = db.statistics().unwrap();
        for _ in 0..count {
            let key = format!("{:06}", random.below(60_000));
            db.update(|tx| tx.bucket("b")?.put(key, [9; 150])).unwrap();
        }
        db.statistics().unwrap().since(&before).writes
    };
    commits(30);
    let used = db.info().unwrap().size_bytes;
    assert!(
        used > loaded && used <= loaded + loaded / 8,
        "{loaded} {used}"
    );
    assert!(
        db.statistics().unwrap().free_pages > 100,
        "pages ahead are free"
    );
    // One for the leaf, one for what stands above it, one for the meta; now and then the file grows.
    let writes = commits(100);
    assert!(writes <= 310, "{writes}");
    let used = db.info().unwrap().size_bytes;
    assert!(used <= loaded + loaded / 8, "{loaded} {used}");
    assert_clean(&db);
    scratch.close_clean(db);
}
