//! Laws about views that do not move.

use std::sync::Arc;
use std::thread;

use kv_api::{Bytes, Cursor, Durability, Reader, Snapshot, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    Pair, commit_one, commit_pairs, contents, newest, numbered, opened, own, pairs_in, put_pairs,
    value_of, without_blocking,
};

/// Rewrites everything there is several times over, so that freed room is used again.
fn churn(store: &impl Store, pairs: &[Pair], rounds: u8) {
    for round in 0..rounds {
        store
            .update(|tx| {
                tx.delete_range(Space::DEFAULT, ..)?;
                for (i, (key, _)) in pairs.iter().enumerate().skip(usize::from(round % 3)) {
                    tx.put(Space::DEFAULT, key, &vec![b'0' + round; i % 90])?;
                }
                Ok(())
            })
            .unwrap();
    }
}

/// What a snapshot shows does not change while writers commit: values, order and spaces.
pub fn a_snapshot_is_frozen<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(500);
    commit_pairs(&store, &pairs);
    store
        .update(|tx| {
            let space = tx.create_space(b"s")?;
            put_pairs(tx, space, &pairs)
        })
        .unwrap();
    let snapshot = store.snapshot().unwrap();
    let before = contents(&snapshot);
    churn(&store, &pairs, 4);
    store
        .update(|tx| {
            tx.drop_space(b"s")?;
            tx.create_space(b"t")?;
            Ok(())
        })
        .unwrap();
    assert!(contents(&snapshot) == before);
    for (key, value) in &pairs {
        assert_eq!(value_of(&snapshot, key).as_ref(), Some(value));
    }
}

/// Several snapshots each keep the version they were taken of, whatever order they go in.
pub fn each_snapshot_keeps_its_own_version<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut held = Vec::new();
    for round in 0..12_u8 {
        let mut pairs = numbered(60);
        pairs.iter_mut().for_each(|(_, value)| value.push(round));
        pairs.drain(usize::from(round)..usize::from(round) * 2);
        store
            .update(|tx| {
                tx.delete_range(Space::DEFAULT, ..)?;
                put_pairs(tx, Space::DEFAULT, &pairs)
            })
            .unwrap();
        held.push((store.snapshot().unwrap(), pairs));
    }
    // The middle ones go first.
    for index in [5, 5, 0, 4, 7] {
        held.remove(index);
        churn(&store, &numbered(60), 2);
        for (snapshot, pairs) in &held {
            assert_eq!(pairs_in(snapshot, Space::DEFAULT), *pairs);
        }
    }
}

/// A cursor that was on its way before a commit goes on through the old version.
pub fn a_cursor_on_its_way_does_not_see_a_commit<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(900);
    commit_pairs(&store, &pairs);
    let snapshot = store.snapshot().unwrap();
    let mut cursor = snapshot.cursor(Space::DEFAULT).unwrap();
    let mut moved = cursor.first().unwrap();
    for (i, pair) in pairs.iter().enumerate() {
        assert_eq!(moved.map(own).as_ref(), Some(pair));
        if i % 300 == 10 {
            churn(&store, &pairs, 2);
        }
        moved = cursor.next().unwrap();
    }
    assert!(moved.is_none());
}

/// A value lent by a snapshot stays right while writers overwrite it.
pub fn a_lent_value_stays_right_while_writers_overwrite<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut pairs = numbered(100);
    pairs.push((b"large".to_vec(), vec![0xA5; 150_000]));
    commit_pairs(&store, &pairs);
    let snapshot = store.snapshot().unwrap();
    let lent: Vec<_> = pairs
        .iter()
        .map(|(key, _)| snapshot.get(Space::DEFAULT, key).unwrap().unwrap())
        .collect();
    churn(&store, &pairs, 6);
    for (slice, (_, value)) in lent.iter().zip(&pairs) {
        assert!(slice[..] == value[..]);
    }
}

/// An owned value outlives its snapshot and stays right while writers overwrite.
pub fn an_owned_value_outlives_its_snapshot<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut pairs = numbered(100);
    pairs.push((b"large".to_vec(), vec![0xA5; 150_000]));
    commit_pairs(&store, &pairs);
    let owned: Vec<Bytes> = {
        let snapshot = store.snapshot().unwrap();
        let get = |(key, _): &Pair| snapshot.get_bytes(Space::DEFAULT, key).unwrap().unwrap();
        pairs.iter().map(get).collect()
    };
    churn(&store, &pairs, 8);
    for (bytes, (_, value)) in owned.iter().zip(&pairs) {
        assert!(bytes == value);
    }
}

/// Two values owned of two versions are each of their own.
pub fn owned_values_keep_their_own_version<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut owned = Vec::new();
    for round in 0..20_u8 {
        commit_one(&store, b"key", &[round; 3_000]);
        let snapshot = store.snapshot().unwrap();
        owned.push(snapshot.get_bytes(Space::DEFAULT, b"key").unwrap().unwrap());
    }
    for (round, bytes) in (0_u8..).zip(&owned) {
        assert!(bytes[..] == [round; 3_000]);
    }
}

/// A value owned from a snapshot after others committed is still of that snapshot's version.
pub fn a_value_owned_late_is_of_its_snapshots_version<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(100);
    commit_pairs(&store, &pairs);
    let snapshot = store.snapshot().unwrap();
    churn(&store, &pairs, 4);
    for (key, value) in &pairs {
        let owned = snapshot.get_bytes(Space::DEFAULT, key).unwrap();
        assert_eq!(owned.as_deref(), Some(&value[..]));
    }
}

/// A snapshot may be read from several threads at once, and dropped on another than its own.
pub fn a_snapshot_may_be_read_from_many_threads<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(400);
    commit_pairs(&store, &pairs);
    let snapshot = Arc::new(store.snapshot().unwrap());
    let readers: Vec<_> = (0..4)
        .map(|_| {
            let (snapshot, pairs) = (Arc::clone(&snapshot), pairs.clone());
            thread::spawn(move || {
                for _ in 0..5 {
                    assert!(pairs_in(&*snapshot, Space::DEFAULT) == pairs);
                    for (key, value) in pairs.iter().step_by(7) {
                        assert_eq!(value_of(&*snapshot, key).as_ref(), Some(value));
                    }
                }
            })
        })
        .collect();
    drop(snapshot);
    churn(&store, &pairs, 5);
    for reader in readers {
        reader.join().unwrap();
    }
}

/// A snapshot outlives the closure it was taken in and transactions that begin and end.
pub fn a_snapshot_outlives_what_it_was_taken_in<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"key", b"old");
    let snapshot = store
        .update(|tx| {
            tx.put(Space::DEFAULT, b"key", b"new")?;
            store.snapshot()
        })
        .unwrap();
    assert_eq!(value_of(&snapshot, b"key").as_deref(), Some(&b"old"[..]));
    assert_eq!(newest(&store, b"key").as_deref(), Some(&b"new"[..]));
}

/// A snapshot taken while a transaction is open, even on the same thread, comes at once and
/// shows what was committed before.
pub fn a_snapshot_does_not_wait_for_an_open_transaction<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        commit_one(&store, b"key", b"old");
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"key", b"new").unwrap();
        tx.put(Space::DEFAULT, b"other", b"").unwrap();
        let during = store.snapshot().unwrap();
        assert_eq!(value_of(&during, b"key").as_deref(), Some(&b"old"[..]));
        assert_eq!(value_of(&during, b"other"), None);
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(value_of(&during, b"key").as_deref(), Some(&b"old"[..]));
        assert_eq!(newest(&store, b"key").as_deref(), Some(&b"new"[..]));
    });
}

/// A snapshot held for long does not keep writers from committing, however much they write.
pub fn a_held_snapshot_does_not_block_writers<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        let pairs = numbered(300);
        commit_pairs(&store, &pairs);
        let snapshot = store.snapshot().unwrap();
        let mut lent = snapshot.range(Space::DEFAULT, ..).unwrap();
        let first = lent.next().unwrap().unwrap();
        churn(&store, &pairs, 5);
        // Far more than there was: whatever holds the data must grow under the reader.
        store
            .update(|tx| {
                (0..40_u8).try_for_each(|i| tx.put(Space::DEFAULT, &[b'z', i], &[i; 100_000]))
            })
            .unwrap();
        assert_eq!(own(first), pairs[0]);
        let rest: Vec<Pair> = lent.map(|pair| own(pair.unwrap())).collect();
        assert!(rest == pairs[1..]);
    });
}
