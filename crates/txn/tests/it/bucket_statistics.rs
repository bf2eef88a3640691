//! The shape of buckets, against the sample that bbolt's own command line pins.

use txn::{BucketStatistics, Db};

use super::support::{Scratch, quick};

/// Three buckets of 10, 100 and 1 keys: the second takes a page, the others live inline.
fn sample(path: &std::path::Path) -> Db {
    let db = txn::Options::new().page_bytes(4096).open(path).unwrap();
    db.update(|tx| {
        let mut first = tx.create_bucket("foo")?;
        for i in 0..10 {
            first.put(i.to_string(), i.to_string())?;
        }
        let mut bar = tx.create_bucket("bar")?;
        for i in 0..100 {
            bar.put(i.to_string(), i.to_string())?;
        }
        tx.create_bucket("baz")?.put("key", "value")
    })
    .unwrap();
    db
}

#[test]
fn the_three_bucket_sample_measures_as_bbolt_measures_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = sample(&directory.path().join("sample.db"));
    let snapshot = db.snapshot().unwrap();
    let shapes = ["bar", "baz", "foo"].map(|name| {
        let bucket = snapshot.bucket(name).unwrap();
        bucket.statistics().unwrap()
    });
    let sum = |of: fn(&txn::BucketStatistics) -> u64| shapes.iter().map(of).sum::<u64>();
    assert_eq!(sum(|shape| shape.keys), 111);
    assert_eq!(sum(|shape| shape.leaf_pages), 1);
    assert_eq!(sum(|shape| shape.leaf_alloc_bytes), 4096);
    assert_eq!(sum(|shape| shape.leaf_inuse_bytes), 1996);
    assert_eq!(
        (
            sum(|shape| shape.buckets),
            sum(|shape| shape.inline_buckets)
        ),
        (3, 2)
    );
    assert_eq!(sum(|shape| shape.inline_bucket_inuse_bytes), 236);
}

#[test]
fn the_top_buckets_shape_holds_all_buckets_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let db = sample(&directory.path().join("sample.db"));
    let all = db.snapshot().unwrap().root().statistics().unwrap();
    // The three names are entries of the top bucket.
    assert_eq!((all.keys, all.buckets, all.inline_buckets), (114, 4, 2));
}

fn shape_of(db: &Db, name: &str) -> BucketStatistics {
    let snapshot = db.snapshot().unwrap();
    snapshot.bucket(name).unwrap().statistics().unwrap()
}

/// A new database with pages of `page_bytes`.
fn paged(scratch: &Scratch, page_bytes: u32) -> Db {
    let options = quick().page_bytes(page_bytes);
    options.open(&scratch.path).unwrap()
}

/// `pages` on each level, none of them with overflow.
fn plain(page_bytes: u64, branches: u64, leaves: u64) -> BucketStatistics {
    BucketStatistics {
        branch_pages: branches,
        branch_alloc_bytes: branches * page_bytes,
        leaf_pages: leaves,
        leaf_alloc_bytes: leaves * page_bytes,
        buckets: 1,
        ..BucketStatistics::default()
    }
}

#[test]
fn five_hundred_small_values_and_a_large_one_take_the_pages_that_bbolt_takes() {
    for (page_bytes, leaves, branch_inuse) in [(4096_u32, 7, 149), (16_384, 3, 73), (65_536, 2, 54)]
    {
        let scratch = Scratch::new();
        let db = paged(&scratch, page_bytes);
        let large = vec![b'*'; 10 * page_bytes as usize + 17];
        db.update(|tx| {
            let mut bucket = tx.create_bucket("woojits")?;
            bucket.set_fill_share(0.5)?;
            for i in 0..500 {
                bucket.put(format!("{i:03}"), i.to_string())?;
            }
            bucket.put("really-big-value", &large)
        })
        .unwrap();
        let values = 10 + 2 * 90 + 3 * 400 + large.len() as u64;
        let wanted = BucketStatistics {
            leaf_overflow_pages: 10,
            leaf_alloc_bytes: (leaves + 10) * u64::from(page_bytes),
            leaf_inuse_bytes: 16 * leaves + 16 * 501 + 500 * 3 + 16 + values,
            branch_inuse_bytes: branch_inuse,
            keys: 501,
            depth: 2,
            ..plain(u64::from(page_bytes), 1, leaves)
        };
        assert_eq!(shape_of(&db, "woojits"), wanted);
        scratch.close_clean(db);
    }
}

#[test]
fn a_hundred_thousand_decimal_keys_take_the_pages_that_bbolt_takes() {
    for (page_bytes, branches, leaves, depth, branch_inuse, leaf_inuse) in [
        (4096_u32, 13, 1196, 3, 25_257, 2_596_916),
        (16_384, 1, 292, 2, 6094, 2_582_452),
        (65_536, 1, 73, 2, 1534, 2_578_948),
    ] {
        let scratch = Scratch::new();
        let db = paged(&scratch, page_bytes);
        for thousand in 0..100 {
            db.update(|tx| {
                let mut bucket = tx.create_bucket_if_missing("widgets")?;
                bucket.set_fill_share(0.5)?;
                (thousand * 1000..(thousand + 1) * 1000)
                    .map(|key: u32| key.to_string())
                    .try_for_each(|key| bucket.put(&key, &key))
            })
            .unwrap();
        }
        let wanted = BucketStatistics {
            branch_inuse_bytes: branch_inuse,
            leaf_inuse_bytes: leaf_inuse,
            keys: 100_000,
            depth,
            ..plain(u64::from(page_bytes), branches, leaves)
        };
        assert_eq!(shape_of(&db, "widgets"), wanted);
        scratch.close_clean(db);
    }
}

#[test]
fn a_small_bucket_and_an_empty_one_measure_as_bbolt_measures_them() {
    let scratch = Scratch::new();
    let db = paged(&scratch, 4096);
    db.update(|tx| {
        tx.create_bucket("empty")?;
        tx.create_bucket("small")?.put("foo", "bar")
    })
    .unwrap();
    let inline = BucketStatistics {
        depth: 1,
        buckets: 1,
        inline_buckets: 1,
        inline_bucket_inuse_bytes: 16,
        ..BucketStatistics::default()
    };
    assert_eq!(shape_of(&db, "empty"), inline);
    let small = BucketStatistics {
        keys: 1,
        inline_bucket_inuse_bytes: 38,
        ..inline
    };
    assert_eq!(shape_of(&db, "small"), small);
}

#[test]
fn no_page_has_more_elements_than_its_count_can_say() {
    let scratch = Scratch::new();
    let db = paged(&scratch, 4 << 20);
    db.update(|tx| {
        let mut bucket = tx.create_bucket("tiny")?;
        (0..70_000_u32).try_for_each(|key| bucket.put(key.to_be_bytes(), ""))
    })
    .unwrap();
    let shape = shape_of(&db, "tiny");
    assert_eq!((shape.keys, shape.leaf_pages), (70_000, 2));
    scratch.close_clean(db);
}
