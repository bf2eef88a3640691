//! Adding to values without reading them.

use std::time::{Duration, Instant};

use kv_api::{Bytes, Durability, Reader, Space, Store, Transaction};
use lsm_valuelog::ItemOptions;

use crate::conformance::small;

fn sum(old: &[u8], new: &[u8]) -> Vec<u8> {
    (number(old) + number(new)).to_be_bytes().to_vec()
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_be_bytes(bytes.try_into().unwrap())
}

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

#[test]
fn additions_count_in_their_order_before_and_behind_every_folding() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut db = small().open(&path).unwrap();
    let mut wanted = Vec::new();
    for round in 0..5_u8 {
        let log = db.merge_operator(b"log", joined, None).unwrap();
        let near = db.merge_operator(b"log\0", joined, None).unwrap();
        for letter in 0..20_u8 {
            let part = [b'a' + round, letter, b' '];
            log.add(&part).unwrap();
            near.add(b"other").unwrap();
            wanted.extend(part);
            assert_eq!(log.get().unwrap(), Some(Bytes::from(wanted.clone())));
            match letter {
                7 => assert_eq!(log.fold().unwrap(), 8 + usize::from(round > 0) * 7),
                12 => {
                    assert_eq!(log.fold().unwrap(), 5);
                    assert_eq!(log.fold().unwrap(), 0);
                }
                _ => {}
            }
        }
        let before = db.snapshot().unwrap();
        log.add(b"!").unwrap();
        assert_eq!(
            log.get_at(&before).unwrap(),
            Some(Bytes::from(wanted.clone()))
        );
        wanted.extend(b"!");
        if round % 2 == 0 {
            db.flatten().unwrap();
        }
        drop((log, near, before));
        drop(db);
        db = small().open(&path).unwrap();
        let log = db.merge_operator(b"log", joined, None).unwrap();
        assert_eq!(
            log.get().unwrap(),
            Some(Bytes::from(wanted.clone())),
            "round {round}"
        );
        wanted.pop();
        // What was added last is taken out again through the value itself.
        log.fold().unwrap();
        db.update(|tx| tx.put(Space::DEFAULT, b"log", &wanted))
            .unwrap();
        for _ in 0..7 {
            log.add(b"").unwrap();
        }
    }
}

#[test]
fn no_addition_of_eight_threads_is_lost_or_counted_twice_while_two_fold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().background(true).open(&path).unwrap();
    let period = Duration::from_millis(1);
    let counters: Vec<_> = (0..2)
        .map(|_| db.merge_operator(b"hits", sum, Some(period)).unwrap())
        .collect();
    std::thread::scope(|scope| {
        for thread in 0..8_usize {
            let counter = &counters[thread % 2];
            scope.spawn(move || {
                let mut seen = 0;
                for by in 1..=100_u64 {
                    counter
                        .add_with(&by.to_be_bytes(), Durability::Buffered)
                        .unwrap();
                    let now = number(&counter.get().unwrap().unwrap());
                    assert!(now >= seen + by, "an addition is seen by whoever made it");
                    seen = now;
                    if by % 10 == 0 {
                        counter.fold().unwrap();
                    }
                }
            });
        }
    });
    let wanted = 8 * 5_050;
    assert_eq!(number(&counters[0].get().unwrap().unwrap()), wanted);
    let began = Instant::now();
    loop {
        let folded = db
            .snapshot()
            .unwrap()
            .get(Space::DEFAULT, b"hits")
            .unwrap()
            .map(|v| number(&v));
        if folded == Some(wanted) {
            break;
        }
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "nothing is folded in the background"
        );
        std::thread::sleep(period);
    }
    drop(counters);
    drop(db);
    let db = small().open(&path).unwrap();
    let counter = db.merge_operator(b"hits", sum, None).unwrap();
    assert_eq!(number(&counter.get().unwrap().unwrap()), wanted);
}

#[test]
fn dropping_a_space_or_a_prefix_takes_its_additions_along() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let keys: [&[u8]; 3] = [b"ab", b"abc", b"b"];
    for key in keys {
        db.merge_operator(key, joined, None)
            .unwrap()
            .add(b"x")
            .unwrap();
    }
    db.drop_prefix(None, b"ab").unwrap();
    let values = keys.map(|key| db.merge_operator(key, joined, None).unwrap().get().unwrap());
    assert_eq!(values, [None, None, Some(Bytes::from_static(b"x"))]);
}

#[test]
fn additions_are_not_seen_as_pairs() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    db.merge_operator(b"key", joined, None)
        .unwrap()
        .add(b"x")
        .unwrap();
    let snapshot = db.snapshot().unwrap();
    assert_eq!(snapshot.range(Space::DEFAULT, ..).unwrap().count(), 0);
    assert_eq!(
        snapshot
            .items(Space::DEFAULT, &ItemOptions::new())
            .unwrap()
            .count(),
        0
    );
    assert!(snapshot.space_names().unwrap().is_empty());
}
