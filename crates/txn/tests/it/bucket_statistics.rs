//! The shape of buckets, against the sample that bbolt's own command line pins.

use txn::Db;

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
