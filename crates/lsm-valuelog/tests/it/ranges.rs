//! Cutting a range of keys into parts of about the same weight.

use std::ops::Bound;

use kv_api::{KeyRange, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

fn filled(options: Options, directory: &std::path::Path) -> Db {
    let db = options.open(directory).unwrap();
    for part in 0..20_u32 {
        db.update(|tx| {
            for number in part * 200..(part + 1) * 200 {
                // The second half of the keys weighs seven times as much.
                let value = vec![1; if number < 2_000 { 50 } else { 350 }];
                tx.put(Space::DEFAULT, &number.to_be_bytes(), &value)?;
            }
            Ok(())
        })
        .unwrap();
    }
    db
}

/// They ascend, touch, and are together what was cut.
fn assert_parts_of(whole: &KeyRange, ranges: &[KeyRange]) {
    assert_eq!(ranges.first().unwrap().start(), whole.start());
    assert_eq!(ranges.last().unwrap().end(), whole.end());
    for pair in ranges.windows(2) {
        let (Bound::Excluded(end), Bound::Included(start)) = (pair[0].end(), pair[1].start())
        else {
            panic!("{pair:?}");
        };
        assert_eq!(end, start);
    }
}

#[test]
fn ranges_ascend_and_are_together_what_was_cut_wherever_the_keys_are() {
    let directory = tempfile::tempdir().unwrap();
    for (name, options) in [("in tables", small()), ("in memory", Options::new())] {
        let db = filled(options, &directory.path().join(name));
        let snapshot = db.snapshot().unwrap();
        let key = |number: u32| number.to_be_bytes().to_vec();
        let bounds = [
            KeyRange::from(..),
            KeyRange::from(key(100)..=key(3_000)),
            KeyRange::new(Bound::Excluded(key(700)), Bound::Unbounded),
            KeyRange::prefix(&[0, 0, 3]),
        ];
        for (whole, count) in bounds.iter().zip([4, 3, 9, 1]) {
            let ranges = snapshot
                .ranges(Space::DEFAULT, whole.clone(), count)
                .unwrap();
            assert_eq!(ranges.len(), count, "{name}: {ranges:?}");
            assert_parts_of(whole, &ranges);
            let keys = |range: &KeyRange| {
                let range = snapshot.range(Space::DEFAULT, range.clone()).unwrap();
                range
                    .map(|pair| pair.unwrap().0.to_vec())
                    .collect::<Vec<_>>()
            };
            let parts: Vec<Vec<u8>> = ranges.iter().flat_map(&keys).collect();
            assert_eq!(parts, keys(whole));
        }
    }
}

#[test]
fn ranges_weigh_about_the_same_though_their_keys_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let db = filled(small(), &directory.path().join("store"));
    db.flatten().unwrap();
    let snapshot = db.snapshot().unwrap();
    let ranges = snapshot.ranges(Space::DEFAULT, .., 4).unwrap();
    let weigh = |range: &KeyRange| {
        let range = snapshot.range(Space::DEFAULT, range.clone()).unwrap();
        range.map(|pair| 4 + pair.unwrap().1.len()).sum::<usize>()
    };
    let weights: Vec<usize> = ranges.iter().map(weigh).collect();
    let (least, most) = (weights.iter().min().unwrap(), weights.iter().max().unwrap());
    assert!(most * 2 < least * 3, "{weights:?}");
}

#[test]
fn there_is_no_range_of_nothing_and_one_where_nothing_is_to_be_cut() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let snapshot = db.snapshot().unwrap();
    let ranges = snapshot.ranges(Space::DEFAULT, .., 8).unwrap();
    assert_eq!(ranges, [KeyRange::from(..)]);
    let empty = KeyRange::from(b"b".to_vec()..b"a".to_vec());
    assert_eq!(snapshot.ranges(Space::DEFAULT, empty, 8).unwrap(), []);
    db.update(|tx| {
        let space = tx.create_space(b"space")?;
        (0..100_u8).try_for_each(|n| tx.put(space, &[n], b"value"))
    })
    .unwrap();
    let snapshot = db.snapshot().unwrap();
    let space = snapshot.space(b"space").unwrap().unwrap();
    let ranges = snapshot.ranges(space, .., 3).unwrap();
    assert_eq!(ranges.len(), 3);
    assert_parts_of(&KeyRange::from(..), &ranges);
    assert_eq!(snapshot.ranges(space, .., 0).unwrap().len(), 1);
}
