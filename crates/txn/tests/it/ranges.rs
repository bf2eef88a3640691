//! Ranges, prefixes and visits: both ways, with buckets among the keys, and stopped by errors.

use std::ops::Bound;

use txn::{Db, Error, ErrorKind, KeyRange};

use crate::support::{Scratch, assert_kind, fill, quick};

/// Keys 000000 to 000999, a bucket after every tenth of them.
fn mixed(scratch: &Scratch) -> Db {
    let db = quick()
        .page_bytes(1024)
        .strict(true)
        .open(&scratch.path)
        .unwrap();
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        fill(&mut bucket, 0..1000, 20);
        (0..1000)
            .step_by(10)
            .try_for_each(|i| bucket.create_bucket(format!("{i:06}b")).map(drop))
    })
    .unwrap();
    db
}

fn key(number: usize) -> Vec<u8> {
    format!("{number:06}").into_bytes()
}

#[test]
fn a_range_gives_its_pairs_from_either_end() {
    let scratch = Scratch::new();
    let db = mixed(&scratch);
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    let cases: [(KeyRange, std::ops::Range<usize>); 9] = [
        ((..).into(), 0..1000),
        (("000100".."000200").into(), 100..200),
        (("000100"..="000200").into(), 100..201),
        (("000995"..).into(), 995..1000),
        ((.."000003").into(), 0..3),
        ((..="000003").into(), 0..4),
        (
            KeyRange::new(Bound::Excluded(key(5)), Bound::Included(key(9))),
            6..10,
        ),
        (("0005005".."000504").into(), 501..504),
        (KeyRange::prefix(b"00077"), 770..780),
    ];
    for (range, numbers) in cases {
        let expected: Vec<_> = numbers.map(key).collect();
        let there: Vec<_> = bucket
            .range(range.clone())
            .map(|pair| pair.unwrap().0.to_vec())
            .collect();
        assert_eq!(there, expected, "{range:?}");
        let mut back: Vec<_> = bucket
            .range(range.clone())
            .rev()
            .map(|pair| pair.unwrap().0.to_vec())
            .collect();
        back.reverse();
        assert_eq!(back, expected, "{range:?} from the back");
    }
}

#[test]
fn a_range_with_its_ends_crossed_is_empty() {
    let scratch = Scratch::new();
    let db = mixed(&scratch);
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    for range in [
        KeyRange::from("000500".."000500"),
        KeyRange::from("000500".."000100"),
        KeyRange::new(Bound::Excluded(key(7)), Bound::Excluded(key(8))),
        KeyRange::from("~"..),
        KeyRange::from(.."!"),
        KeyRange::prefix(b"nothing"),
    ] {
        assert_eq!(bucket.range(range.clone()).count(), 0, "{range:?}");
        assert_eq!(bucket.range(range.clone()).rev().count(), 0, "{range:?}");
    }
}

#[test]
fn a_range_taken_from_both_ends_meets_itself_once() {
    let scratch = Scratch::new();
    let db = mixed(&scratch);
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    for pattern in [1_usize, 2, 3, 7] {
        let mut range = bucket.range("000100".."000300");
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for turn in 0.. {
            let (side, pair) = if turn % (pattern + 1) == 0 {
                (&mut back, range.next_back())
            } else {
                (&mut there, range.next())
            };
            let Some(pair) = pair else { break };
            side.push(pair.unwrap().0.to_vec());
        }
        assert!(range.next().is_none() && range.next_back().is_none());
        back.reverse();
        there.extend(back);
        assert_eq!(there, (100..300).map(key).collect::<Vec<_>>());
    }
}

#[test]
fn a_prefix_of_highest_bytes_ends_with_the_bucket() {
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    let keys: [&[u8]; 6] = [
        b"\xFE",
        b"\xFF",
        b"\xFF\x01",
        b"\xFF\xFF",
        b"\xFF\xFF\x00",
        b"\xFF\xFF\xFF",
    ];
    db.update(|tx| {
        let mut bucket = tx.create_bucket("b")?;
        keys.iter().try_for_each(|key| bucket.put(key, ""))
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    for (prefix, count) in [
        (&b""[..], 6),
        (b"\xFF", 5),
        (b"\xFF\xFF", 3),
        (b"\xFF\xFF\xFF", 1),
    ] {
        assert_eq!(bucket.prefix(prefix).count(), count, "{prefix:?}");
        assert_eq!(bucket.prefix(prefix).rev().count(), count, "{prefix:?}");
    }
}

#[test]
fn a_delete_of_a_range_leaves_buckets_and_the_rest() {
    let scratch = Scratch::new();
    let db = mixed(&scratch);
    db.update(|tx| {
        let mut bucket = tx.bucket("b")?;
        bucket.delete_range("000100".."000900")?;
        bucket.delete_range("000950".."000100")?;
        bucket.delete_range(KeyRange::prefix(b"00000"))
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let bucket = snapshot.bucket("b").unwrap();
    let left: Vec<_> = bucket
        .range(..)
        .map(|pair| pair.unwrap().0.to_vec())
        .collect();
    assert_eq!(
        left,
        (10..100).chain(900..1000).map(key).collect::<Vec<_>>()
    );
    let mut buckets = 0;
    bucket
        .for_each_bucket(|_| {
            buckets += 1;
            Ok(())
        })
        .unwrap();
    assert_eq!(buckets, 100);
    drop(snapshot);
    scratch.close_clean(db);
}

#[test]
fn a_visit_shows_entries_in_order_and_stops_at_an_error() {
    let scratch = Scratch::new();
    let db = mixed(&scratch);
    let snapshot = db.snapshot().unwrap();
    let mut tx = db.begin().unwrap();
    let tx_bucket = tx.bucket("b").unwrap();
    let mut shown = Vec::new();
    let mut see = |key: &[u8], value: Option<&[u8]>| {
        shown.push((key.to_vec(), value.is_some()));
        Ok(())
    };
    snapshot.bucket("b").unwrap().for_each(&mut see).unwrap();
    tx_bucket.for_each(&mut see).unwrap();
    assert_eq!(shown.len(), 2 * 1100);
    let (one, two) = shown.split_at(1100);
    assert_eq!(one, two);
    assert!(one.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!(one.iter().filter(|entry| !entry.1).count(), 100);
    let mut count = 0;
    let mut stop = |_: &[u8], _: Option<&[u8]>| {
        count += 1;
        if count % 5 == 0 {
            Err(Error::other(std::io::Error::other("enough")))
        } else {
            Ok(())
        }
    };
    for _ in 0..2 {
        let refused = snapshot.bucket("b").unwrap().for_each(&mut stop);
        assert_eq!(assert_kind(refused, ErrorKind::Other), "enough");
        assert_kind(tx_bucket.for_each(&mut stop), ErrorKind::Other);
    }
    assert_eq!(count, 20);
    let mut names = 0;
    let refused = tx_bucket.for_each_bucket(|name| {
        assert!(name.ends_with(b"b"));
        names += 1;
        if names == 3 {
            Err(Error::Conflict)
        } else {
            Ok(())
        }
    });
    assert_kind(refused, ErrorKind::Conflict);
    assert_eq!(names, 3);
}

#[test]
fn an_inspection_counts_the_entries_of_every_bucket() {
    let scratch = Scratch::new();
    let db = quick().strict(true).open(&scratch.path).unwrap();
    db.update(|tx| {
        let mut outer = tx.create_bucket("outer")?;
        fill(&mut outer, 0..300, 50);
        outer.create_bucket("one")?.put("key", "value")?;
        fill(
            &mut outer.create_bucket("two")?.create_bucket("three")?,
            0..500,
            50,
        );
        tx.create_bucket("empty")?;
        tx.root().put("plain", "pair")
    })
    .unwrap();
    let tree = db.snapshot().unwrap().inspect().unwrap();
    assert_eq!(
        (&tree.name[..], tree.keys, tree.buckets.len()),
        (&b"root"[..], 3, 2)
    );
    let (empty, outer) = (&tree.buckets[0], &tree.buckets[1]);
    assert_eq!(
        (&empty.name[..], empty.keys, empty.buckets.len()),
        (&b"empty"[..], 0, 0)
    );
    assert_eq!(
        (&outer.name[..], outer.keys, outer.buckets.len()),
        (&b"outer"[..], 302, 2)
    );
    assert_eq!(outer.buckets[0].keys, 1);
    assert_eq!(
        (outer.buckets[1].keys, outer.buckets[1].buckets[0].keys),
        (1, 500)
    );
}
