//! Sequences of numbers.

use std::collections::BTreeSet;

use kv_api::{ErrorKind, Reader, Space, Store, Transaction};

use crate::conformance::small;

#[test]
fn numbers_ascend_and_a_released_lease_leaves_no_gap() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = small().open(&path).unwrap();
    let orders = db.number_sequence(b"orders", 10).unwrap();
    let given: Vec<u64> = (0..25).map(|_| orders.next().unwrap()).collect();
    assert_eq!(given, (0..25).collect::<Vec<_>>());
    orders.release().unwrap();
    assert_eq!(orders.next().unwrap(), 25);
    orders.release().unwrap();
    orders.release().unwrap();
    let stored = db
        .snapshot()
        .unwrap()
        .get(Space::DEFAULT, b"orders")
        .unwrap()
        .unwrap()
        .to_vec();
    assert_eq!(stored, 26_u64.to_be_bytes());
    for (key, bandwidth) in [(&b""[..], 1), (b"key", 0)] {
        let refused = db.number_sequence(key, bandwidth).map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
}

#[test]
fn a_release_does_not_take_back_what_another_has_leased() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let one = db.number_sequence(b"key", 10).unwrap();
    let other = db.number_sequence(b"key", 10).unwrap();
    assert_eq!((one.next().unwrap(), other.next().unwrap()), (0, 10));
    one.release().unwrap();
    let third = db.number_sequence(b"key", 10).unwrap();
    assert_eq!(third.next().unwrap(), 20);
}

#[test]
fn no_number_is_given_twice_by_eight_threads_with_objects_of_their_own_nor_after_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let mut given: BTreeSet<u64> = BTreeSet::new();
    let mut highest = None;
    for _ in 0..3 {
        let db = small().background(true).open(&path).unwrap();
        let shared = db.number_sequence(b"key", 3).unwrap();
        let lists: Vec<Vec<u64>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (db, shared) = (&db, &shared);
                    scope.spawn(move || {
                        let own = db.number_sequence(b"key", 4).unwrap();
                        (0..60)
                            .map(|at| {
                                if (at + thread) % 2 == 0 {
                                    own.next()
                                } else {
                                    shared.next()
                                }
                            })
                            .map(|number| number.unwrap())
                            .collect()
                    })
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for number in lists.concat() {
            assert!(
                highest.is_none_or(|highest| number > highest),
                "{number} is not new"
            );
            assert!(given.insert(number), "{number} was given twice");
        }
        highest = given.last().copied();
        // Dropped without a close, with leases open.
    }
    assert_eq!(given.len(), 3 * 8 * 60);
}

#[test]
fn a_lease_that_meets_a_conflict_is_tried_again_and_damage_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let db = small().open(directory.path().join("store")).unwrap();
    let numbers = db.number_sequence(b"key", 1).unwrap();
    assert_eq!(numbers.next().unwrap(), 0);
    db.update(|tx| tx.put(Space::DEFAULT, b"key", b"not a number"))
        .unwrap();
    assert_eq!(numbers.next().unwrap_err().kind(), ErrorKind::Corrupt);
    db.update(|tx| tx.put(Space::DEFAULT, b"key", &u64::MAX.to_be_bytes()))
        .unwrap();
    assert_eq!(numbers.next().unwrap_err().kind(), ErrorKind::NoSpace);
    db.update(|tx| tx.put(Space::DEFAULT, b"key", &7_u64.to_be_bytes()))
        .unwrap();
    assert_eq!(numbers.next().unwrap(), 7);
}
