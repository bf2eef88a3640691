//! Laws about what is still there after a store is opened again.

use kv_api::{Durability, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    Contents, DURABILITIES, commit_one, commit_pairs, contents, newest, numbered, opened,
    put_pairs, value_of,
};

fn commit_with<S: Store>(store: &S, key: &[u8], durability: Durability) {
    let mut tx = store.begin().unwrap();
    tx.put(Space::DEFAULT, key, b"value").unwrap();
    tx.commit(durability).unwrap();
}

/// Everything of a store with spaces, large values and deletions.
fn fill(store: &impl Store) -> Contents {
    commit_pairs(store, &numbered(1_000));
    store
        .update(|tx| {
            for name in [&b"a"[..], b"b", b"c", b"empty"] {
                let space = tx.create_space(name)?;
                if name != b"empty" {
                    put_pairs(tx, space, &numbered(200))?;
                    tx.put(space, b"large", &[7; 100_000])?;
                }
            }
            tx.delete_range(Space::DEFAULT, "key 000100".."key 000200")
        })
        .unwrap();
    store.update(|tx| tx.drop_space(b"b")).unwrap();
    contents(&store.snapshot().unwrap())
}

/// Everything is there after close and open: pairs, spaces, large values; nothing else is.
pub fn a_closed_store_opens_as_it_was<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    let before = fill(&store);
    store.close().unwrap();
    drop(store);
    let store = fixture.open().unwrap();
    assert!(contents(&store.snapshot().unwrap()) == before);
}

/// The same after a drop without close, where every commit was `Sync`.
pub fn a_dropped_store_opens_as_it_was_synced<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    let before = fill(&store);
    drop(store);
    let store = fixture.open().unwrap();
    assert!(contents(&store.snapshot().unwrap()) == before);
}

/// A commit of any durability survives close.
pub fn a_close_keeps_commits_of_every_durability<F: Fixture>() {
    for durability in DURABILITIES {
        let (fixture, store) = opened::<F>();
        commit_with(&store, b"first", durability);
        commit_with(&store, b"second", durability);
        store.close().unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        let snapshot = store.snapshot().unwrap();
        assert!(value_of(&snapshot, b"first").is_some(), "{durability:?}");
        assert!(value_of(&snapshot, b"second").is_some(), "{durability:?}");
    }
}

/// `Sync` and `Buffered` commits survive a drop without close, as they survive the process.
pub fn a_drop_keeps_synced_and_buffered_commits<F: Fixture>() {
    for durability in [Durability::Sync, Durability::Buffered] {
        let (fixture, store) = opened::<F>();
        commit_with(&store, b"key", durability);
        drop(store);
        let store = fixture.open().unwrap();
        assert!(newest(&store, b"key").is_some(), "{durability:?}");
    }
}

/// `sync` makes every commit before it durable.
pub fn a_sync_keeps_what_was_committed_before<F: Fixture>() {
    for durability in DURABILITIES {
        let (fixture, store) = opened::<F>();
        commit_with(&store, b"first", durability);
        commit_with(&store, b"second", durability);
        store.sync().unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        let snapshot = store.snapshot().unwrap();
        assert!(value_of(&snapshot, b"first").is_some(), "{durability:?}");
        assert!(value_of(&snapshot, b"second").is_some(), "{durability:?}");
    }
}

/// A `Sync` commit makes the deferred ones before it durable.
pub fn a_synced_commit_keeps_the_deferred_ones_before_it<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    for key in [b"a", b"b", b"c"] {
        commit_with(&store, key, Durability::Deferred);
    }
    commit_with(&store, b"d", Durability::Sync);
    drop(store);
    let store = fixture.open().unwrap();
    let snapshot = store.snapshot().unwrap();
    for key in [b"a", b"b", b"c", b"d"] {
        assert!(value_of(&snapshot, key).is_some());
    }
}

/// What a drop may lose of deferred commits is the newest of them, whole.
pub fn a_drop_loses_only_the_newest_deferred_commits_whole<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    commit_with(&store, b"durable", Durability::Sync);
    for i in 0..20_u8 {
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, &[b'x', i], &[i; 500]).unwrap();
        tx.put(Space::DEFAULT, &[b'y', i], &[i; 500]).unwrap();
        tx.commit(Durability::Deferred).unwrap();
    }
    drop(store);
    let store = fixture.open().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(value_of(&snapshot, b"durable").is_some());
    let mut lost = false;
    for i in 0..20_u8 {
        let x = value_of(&snapshot, &[b'x', i]).is_some();
        let y = value_of(&snapshot, &[b'y', i]).is_some();
        assert_eq!(x, y, "commit {i} is there in part");
        assert!(
            !(lost && x),
            "commit {i} is there, but one before it is not"
        );
        lost |= !x;
    }
}

/// What was rolled back is not there after opening again, nor is what was never committed.
pub fn a_reopened_store_holds_nothing_uncommitted<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    commit_one(&store, b"kept", b"");
    let before = contents(&store.snapshot().unwrap());
    let mut tx = store.begin().unwrap();
    tx.put(Space::DEFAULT, b"rolled back", &[1; 100_000])
        .unwrap();
    tx.create_space(b"s").unwrap();
    tx.rollback();
    store.close().unwrap();
    drop(store);
    let store = fixture.open().unwrap();
    assert!(contents(&store.snapshot().unwrap()) == before);
}

/// A store opened again takes writes as before, many times over.
pub fn a_store_may_be_opened_many_times<F: Fixture>() {
    let fixture = F::new();
    for round in 0..8_u8 {
        let store = fixture.open().unwrap();
        let snapshot = store.snapshot().unwrap();
        for earlier in 0..round {
            let value = value_of(&snapshot, &[b'k', earlier]);
            assert_eq!(value, Some(vec![earlier; 300]), "round {round}");
        }
        drop(snapshot);
        commit_one(&store, &[b'k', round], &vec![round; 300]);
        if round % 2 == 0 {
            store.close().unwrap();
        }
    }
}

/// A store that was never written to opens again, empty.
pub fn an_untouched_store_opens_again<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    store.close().unwrap();
    drop(store);
    let store = fixture.open().unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(snapshot.space_names().unwrap().is_empty());
    assert_eq!(contents(&snapshot)[&b""[..]], []);
    drop(snapshot);
    commit_one(&store, b"a", b"1");
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"1"[..]));
}
