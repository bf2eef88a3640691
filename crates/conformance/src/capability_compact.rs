//! Laws about putting a store in order.

use kv_api::capability::Compact;
use kv_api::{Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{NAMED, commit_one, commit_pairs, contents, numbered, opened};

/// Fills a store, and makes much of it needless.
fn wear(store: &impl Store) {
    commit_pairs(store, &numbered(2_000));
    for round in 0..20_u8 {
        store
            .update(|tx| {
                let space = tx.create_space(NAMED)?;
                tx.put(space, b"key", &vec![round; 20_000])?;
                tx.put(Space::DEFAULT, b"key 000007", &[round])
            })
            .unwrap();
    }
    store
        .update(|tx| tx.delete_range(Space::DEFAULT, "key 000100".."key 001900"))
        .unwrap();
}

/// A fresh store may be put in order; it stays empty.
pub fn an_empty_store_may_be_compacted<F: Fixture>()
where
    F::Store: Compact,
{
    let (_fixture, store) = opened::<F>();
    store.compact().unwrap();
    assert_eq!(contents(&store.snapshot().unwrap()).len(), 1);
    commit_one(&store, b"key", b"");
}

/// What is shown stays, now and after the store is opened again, and so do open snapshots.
pub fn a_compaction_changes_nothing_that_is_shown<F: Fixture>()
where
    F::Store: Compact,
{
    let (fixture, store) = opened::<F>();
    commit_one(&store, b"old", b"");
    let old = store.snapshot().unwrap();
    let shown_by_old = contents(&old);
    wear(&store);
    let shown = contents(&store.snapshot().unwrap());
    for _ in 0..2 {
        store.compact().unwrap();
        assert_eq!(contents(&store.snapshot().unwrap()), shown);
        assert_eq!(contents(&old), shown_by_old);
    }
    drop((old, store));
    let store = fixture.open().unwrap();
    assert_eq!(contents(&store.snapshot().unwrap()), shown);
}

/// Others read and write meanwhile.
pub fn a_compaction_runs_beside_writers<F: Fixture>()
where
    F::Store: Compact,
{
    let (_fixture, store) = opened::<F>();
    wear(&store);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..100_u8 {
                commit_one(&store, &[b'w', number], &[number; 200]);
            }
        });
        for _ in 0..3 {
            let before = contents(&store.snapshot().unwrap());
            store.compact().unwrap();
            let after = contents(&store.snapshot().unwrap());
            assert!(before[&b""[..]].len() <= after[&b""[..]].len());
        }
    });
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(
        all[&b""[..]]
            .iter()
            .filter(|(key, _)| key[0] == b'w')
            .count(),
        100
    );
}
