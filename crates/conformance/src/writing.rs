//! Laws about putting, deleting and swapping.

use std::ops::Bound;

use kv_api::{Durability, KeyRange, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    NAMED, Pair, commit_one, commit_pairs, newest, numbered, opened, pairs_in, pairs_of, put_pairs,
    stage, value_of,
};

/// The last put wins, whether the value grows, shrinks or becomes empty.
pub fn a_put_replaces_the_value<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    for length in [3, 5_000, 3, 0, 200_000, 1, 0] {
        let value = vec![b'v'; length];
        commit_one(&store, b"key", &value);
        assert!(newest(&store, b"key") == Some(value), "{length} bytes");
    }
    let mut tx = store.begin().unwrap();
    for length in [3, 5_000, 0, 1] {
        let value = vec![b'w'; length];
        tx.put(Space::DEFAULT, b"key", &value).unwrap();
        assert!(value_of(&tx, b"key") == Some(value), "{length} bytes");
    }
}

/// A deleted pair is gone, and only that pair.
pub fn a_delete_removes_the_pair<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &pairs_of(&[b"a", b"b", b"c"]));
    store.update(|tx| tx.delete(Space::DEFAULT, b"b")).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(pairs_in(&snapshot, Space::DEFAULT), pairs_of(&[b"a", b"c"]));
    assert_eq!(value_of(&snapshot, b"b"), None);
}

/// Deleting what is not there is no error and changes nothing.
pub fn a_delete_of_an_absent_key_is_no_error<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    store.update(|tx| tx.delete(Space::DEFAULT, b"a")).unwrap();
    commit_pairs(&store, &pairs_of(&[b"b"]));
    for key in [&b"a"[..], b"b\0", b"c"] {
        store.update(|tx| tx.delete(Space::DEFAULT, key)).unwrap();
    }
    // Twice in one transaction: the second finds it gone.
    store
        .update(|tx| {
            tx.put(Space::DEFAULT, b"c", b"")?;
            tx.delete(Space::DEFAULT, b"c")?;
            tx.delete(Space::DEFAULT, b"c")
        })
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(pairs_in(&snapshot, Space::DEFAULT), pairs_of(&[b"b"]));
}

/// A deleted key can be put again, in the same transaction and in a later one.
pub fn a_deleted_key_can_be_put_again<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"a", b"1");
    store
        .update(|tx| {
            tx.delete(Space::DEFAULT, b"a")?;
            tx.put(Space::DEFAULT, b"a", b"2")
        })
        .unwrap();
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"2"[..]));
    store.update(|tx| tx.delete(Space::DEFAULT, b"a")).unwrap();
    assert_eq!(newest(&store, b"a"), None);
    commit_one(&store, b"a", b"3");
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"3"[..]));
}

fn all_bounds(keys: &[&[u8]]) -> Vec<Bound<Vec<u8>>> {
    let mut bounds = vec![Bound::Unbounded];
    for key in keys {
        bounds.push(Bound::Included(key.to_vec()));
        bounds.push(Bound::Excluded(key.to_vec()));
    }
    bounds
}

/// `delete_range` removes what is inside its ends and nothing else, for every kind of end, on
/// keys there are and keys there are not, inverted and empty ranges included.
pub fn a_delete_range_keeps_to_its_ends<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = pairs_of(&[b"b", b"bb", b"d", b"f"]);
    let bounds = all_bounds(&[b"", b"a", b"b", b"bb", b"c", b"d", b"f", b"g"]);
    drop(stage(&store, &pairs));
    for start in &bounds {
        for end in &bounds {
            let keys = KeyRange::new(start.clone(), end.clone());
            let mut tx = store.begin().unwrap();
            tx.delete_range(Space::DEFAULT, ..).unwrap();
            put_pairs(&mut tx, Space::DEFAULT, &pairs).unwrap();
            tx.delete_range(Space::DEFAULT, keys.clone()).unwrap();
            let mut left = pairs.clone();
            left.retain(|(key, _)| !keys.contains(key));
            assert_eq!(pairs_in(&tx, Space::DEFAULT), left, "without {keys:?}");
            tx.rollback();
        }
    }
}

/// `delete_range` over committed data of many pages, at the front, in the middle, at the back
/// and over everything; what it left is there after the commit, and can be filled again.
pub fn a_delete_range_works_on_big_data<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(4_000);
    let ranges = [
        (0, 700),
        (1_500, 1_501),
        (1_000, 2_900),
        (3_999, 4_000),
        (3_000, 4_000),
    ];
    commit_pairs(&store, &pairs);
    let mut left: Vec<Pair> = pairs.clone();
    for (from, to) in ranges {
        let (first, last) = (pairs[from].0.clone(), pairs[to - 1].0.clone());
        left.retain(|(key, _)| *key < first || *key > last);
        store
            .update(|tx| tx.delete_range(Space::DEFAULT, first..=last))
            .unwrap();
        let snapshot = store.snapshot().unwrap();
        assert!(pairs_in(&snapshot, Space::DEFAULT) == left, "{from}..{to}");
    }
    store
        .update(|tx| tx.delete_range(Space::DEFAULT, ..))
        .unwrap();
    assert_eq!(pairs_in(&store.snapshot().unwrap(), Space::DEFAULT), []);
    commit_pairs(&store, &pairs);
    assert!(pairs_in(&store.snapshot().unwrap(), Space::DEFAULT) == pairs);
}

/// `delete_range` keeps to its space.
pub fn a_delete_range_keeps_to_its_space<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(200);
    let mut tx = stage(&store, &pairs);
    let named = tx.space(NAMED).unwrap().unwrap();
    tx.delete_range(named, ..).unwrap();
    assert_eq!(pairs_in(&tx, named), []);
    assert_eq!(pairs_in(&tx, Space::DEFAULT), pairs);
    tx.commit(Durability::Sync).unwrap();
    let snapshot = store.snapshot().unwrap();
    let named = snapshot.space(NAMED).unwrap().unwrap();
    assert_eq!(pairs_in(&snapshot, named), []);
    assert_eq!(pairs_in(&snapshot, Space::DEFAULT), pairs);
}

/// `insert_if_absent` sets a value only where there is none, and says whether it did.
pub fn an_insert_if_absent_keeps_what_is_there<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"empty", b"");
    commit_one(&store, b"full", b"old");
    let mut tx = store.begin().unwrap();
    let mut insert = |key, value: &[u8]| {
        let inserted = tx.insert_if_absent(Space::DEFAULT, key, value).unwrap();
        (inserted, value_of(&tx, key).unwrap())
    };
    assert_eq!(insert(b"absent", b"1"), (true, b"1".to_vec()));
    assert_eq!(insert(b"absent", b"2"), (false, b"1".to_vec()));
    assert_eq!(insert(b"full", b"new"), (false, b"old".to_vec()));
    assert_eq!(
        insert(b"empty", b"new"),
        (false, vec![]),
        "an empty value is a value"
    );
    tx.delete(Space::DEFAULT, b"full").unwrap();
    assert!(
        tx.insert_if_absent(Space::DEFAULT, b"full", b"again")
            .unwrap()
    );
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(newest(&store, b"absent").as_deref(), Some(&b"1"[..]));
    assert_eq!(newest(&store, b"empty"), Some(vec![]));
    assert_eq!(newest(&store, b"full").as_deref(), Some(&b"again"[..]));
}

/// `compare_and_swap` for every pairing of what is there, what is expected and what is new.
pub fn a_compare_and_swap_acts_only_on_what_it_expects<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let values: [Option<&[u8]>; 4] = [None, Some(b""), Some(b"one"), Some(b"two")];
    for there in values {
        // Once on what was committed, once on what the transaction itself put.
        for committed in [true, false] {
            let set = |tx: &mut <F::Store as Store>::Transaction| match there {
                Some(value) => tx.put(Space::DEFAULT, b"key", value),
                None => tx.delete(Space::DEFAULT, b"key"),
            };
            let other = |tx: &mut <F::Store as Store>::Transaction| {
                tx.put(Space::DEFAULT, b"key", b"something else")
            };
            store
                .update(|tx| if committed { set(tx) } else { other(tx) })
                .unwrap();
            for (expected, new) in values.iter().flat_map(|e| values.map(|n| (*e, n))) {
                let mut tx = store.begin().unwrap();
                set(&mut tx).unwrap();
                let swapped = tx.compare_and_swap(Space::DEFAULT, b"key", expected, new);
                let what = format!("{there:?} expected {expected:?} new {new:?}");
                assert_eq!(swapped.unwrap(), there == expected, "{what}");
                let after = if there == expected { new } else { there };
                assert_eq!(value_of(&tx, b"key").as_deref(), after, "{what}");
            }
        }
    }
}

/// What `compare_and_swap` did is committed like any other change.
pub fn a_compare_and_swap_is_committed<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"a", b"1");
    let swap = |expected: Option<&[u8]>, new: Option<&[u8]>| {
        store
            .update(|tx| tx.compare_and_swap(Space::DEFAULT, b"a", expected, new))
            .unwrap()
    };
    assert!(swap(Some(b"1"), Some(b"2")));
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"2"[..]));
    assert!(!swap(Some(b"1"), Some(b"3")));
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"2"[..]));
    assert!(swap(Some(b"2"), None));
    assert_eq!(newest(&store, b"a"), None);
    assert!(swap(None, Some(b"4")));
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"4"[..]));
}

/// The order of puts does not matter: descending, scattered or in two halves, the pairs are the
/// same.
pub fn the_order_of_puts_does_not_matter<F: Fixture>() {
    let pairs = numbered(1_500);
    let descending: Vec<usize> = (0..pairs.len()).rev().collect();
    // 1,009 is prime and 1,500 is not its multiple, so every index is met once.
    let scattered: Vec<usize> = (0..pairs.len()).map(|i| i * 1_009 % 1_500).collect();
    for order in [descending, scattered] {
        let (_fixture, store) = opened::<F>();
        for part in order.chunks(500) {
            let part: Vec<Pair> = part.iter().map(|i| pairs[*i].clone()).collect();
            commit_pairs(&store, &part);
        }
        assert!(pairs_in(&store.snapshot().unwrap(), Space::DEFAULT) == pairs);
    }
}

/// Many small commits add up.
pub fn many_small_commits_add_up<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(400);
    for (i, (key, value)) in pairs.iter().enumerate() {
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, key, value).unwrap();
        if i % 3 == 0 {
            tx.put(Space::DEFAULT, b"passing", value).unwrap();
        } else {
            tx.delete(Space::DEFAULT, b"passing").unwrap();
        }
        tx.commit(Durability::Deferred).unwrap();
    }
    store
        .update(|tx| tx.delete(Space::DEFAULT, b"passing"))
        .unwrap();
    assert!(pairs_in(&store.snapshot().unwrap(), Space::DEFAULT) == pairs);
}
