//! Laws about commits numbered by whoever orders them.

use kv_api::capability::{CommitIndexes, SetCommitIndex};
use kv_api::{Durability, Error, Reader, Result, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{NAMED, commit_one, newest, opened};

/// Commits one pair with an index.
fn commit_at<S>(store: &S, commit_index: u64, key: &[u8]) -> Result<()>
where
    S: Store<Transaction: SetCommitIndex>,
{
    store.update(|tx| {
        tx.set_commit_index(commit_index)?;
        tx.put(Space::DEFAULT, key, b"value")
    })
}

fn last_of(store: &impl Store<Snapshot: CommitIndexes>) -> u64 {
    store.snapshot().unwrap().commit_index()
}

fn index_of(store: &impl Store<Snapshot: CommitIndexes>, key: &[u8]) -> Option<u64> {
    let snapshot = store.snapshot().unwrap();
    snapshot.commit_index_of(Space::DEFAULT, key).unwrap()
}

#[track_caller]
fn assert_applied<S>(store: &S, commit_index: u64, last: u64)
where
    S: Store<Transaction: SetCommitIndex>,
{
    match commit_at(store, commit_index, b"applied twice") {
        Err(Error::AlreadyApplied {
            index,
            last: found_last,
        }) => assert_eq!((index, found_last), (commit_index, last)),
        other => panic!("{commit_index} after {last} answers {other:?}"),
    }
    assert_eq!(newest(store, b"applied twice"), None);
}

macro_rules! index_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: Fixture>()
        where
            <F::Store as Store>::Snapshot: CommitIndexes,
            <F::Store as Store>::Transaction: SetCommitIndex,
        {
            #[allow(unused_variables, reason = "few laws open their store again")]
            let ($fixture, $store) = opened::<F>();
            $law
        }
    };
}

index_law! {
    /// Before the first commit the index is 0.
    a_fresh_store_has_index_nought, |fixture, store| {
        assert_eq!(last_of(&store), 0);
        assert_eq!(index_of(&store, b"key"), None);
    }
}

index_law! {
    /// A commit that asks for no index takes the one behind the last.
    a_commit_takes_the_next_index, |fixture, store| {
        commit_one(&store, b"a", b"");
        assert_eq!(last_of(&store), 1);
        commit_at(&store, 10, b"b").unwrap();
        commit_one(&store, b"c", b"");
        assert_eq!(last_of(&store), 11);
        assert_eq!(index_of(&store, b"c"), Some(11));
    }
}

index_law! {
    /// A pair has the index of its last write, in every space, and none once it is gone.
    a_pair_remembers_the_commit_that_wrote_it, |fixture, store| {
        commit_at(&store, 3, b"a").unwrap();
        commit_at(&store, 5, b"b").unwrap();
        commit_at(&store, 9, b"a").unwrap();
        let mut tx = store.begin().unwrap();
        tx.set_commit_index(20).unwrap();
        let space = tx.create_space(NAMED).unwrap();
        tx.put(space, b"a", b"another a").unwrap();
        tx.delete(Space::DEFAULT, b"b").unwrap();
        tx.commit(Durability::Sync).unwrap();
        let snapshot = store.snapshot().unwrap();
        let space = snapshot.space(NAMED).unwrap().unwrap();
        assert_eq!(snapshot.commit_index_of(Space::DEFAULT, b"a").unwrap(), Some(9));
        assert_eq!(snapshot.commit_index_of(Space::DEFAULT, b"b").unwrap(), None);
        assert_eq!(snapshot.commit_index_of(space, b"a").unwrap(), Some(20));
        commit_at(&store, 21, b"b").unwrap();
        assert_eq!(index_of(&store, b"b"), Some(21));
    }
}

index_law! {
    /// An index at or below the last one is refused, and nothing is changed.
    an_entry_is_applied_once, |fixture, store| {
        commit_at(&store, 7, b"key").unwrap();
        for applied in [7, 6, 1, 0] {
            assert_applied(&store, applied, 7);
        }
        assert_eq!(last_of(&store), 7);
        commit_at(&store, 8, b"key").unwrap();
        assert_eq!(index_of(&store, b"key"), Some(8));
    }
}

index_law! {
    /// An entry that changes nothing moves the index all the same.
    an_entry_without_changes_is_remembered, |fixture, store| {
        let mut tx = store.begin().unwrap();
        tx.set_commit_index(4).unwrap();
        tx.commit(Durability::Sync).unwrap();
        assert_eq!(last_of(&store), 4);
        assert_applied(&store, 4, 4);
    }
}

index_law! {
    /// The index may be set when changes were made already: they all have it.
    an_index_may_be_set_behind_the_changes, |fixture, store| {
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"before", b"").unwrap();
        assert!(tx.get(Space::DEFAULT, b"before").unwrap().is_some());
        tx.set_commit_index(30).unwrap();
        tx.put(Space::DEFAULT, b"behind", b"").unwrap();
        assert!(tx.get(Space::DEFAULT, b"before").unwrap().is_some());
        tx.commit(Durability::Sync).unwrap();
        for key in [b"before", b"behind"] {
            assert_eq!(index_of(&store, key), Some(30));
        }
    }
}

index_law! {
    /// What was rolled back was not applied.
    an_entry_rolled_back_may_be_applied, |fixture, store| {
        let mut tx = store.begin().unwrap();
        tx.set_commit_index(6).unwrap();
        tx.put(Space::DEFAULT, b"key", b"").unwrap();
        tx.rollback();
        assert_eq!(last_of(&store), 0);
        commit_at(&store, 6, b"key").unwrap();
        assert_eq!(index_of(&store, b"key"), Some(6));
    }
}

index_law! {
    /// A snapshot keeps the indexes it has.
    a_snapshot_keeps_its_indexes, |fixture, store| {
        commit_at(&store, 2, b"key").unwrap();
        let snapshot = store.snapshot().unwrap();
        commit_at(&store, 3, b"key").unwrap();
        commit_at(&store, 4, b"other").unwrap();
        assert_eq!(snapshot.commit_index(), 2);
        assert_eq!(snapshot.commit_index_of(Space::DEFAULT, b"key").unwrap(), Some(2));
        assert_eq!(snapshot.commit_index_of(Space::DEFAULT, b"other").unwrap(), None);
    }
}

index_law! {
    /// Indexes are as durable as the commits: an entry is not applied again after a restart,
    /// whether or not the store was closed and even if nothing is left of what it wrote.
    indexes_outlive_the_handle, |fixture, store| {
        commit_at(&store, 12, b"stays").unwrap();
        commit_at(&store, 13, b"goes").unwrap();
        store
            .update(|tx| {
                tx.set_commit_index(40)?;
                tx.delete(Space::DEFAULT, b"goes")
            })
            .unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        assert_eq!(last_of(&store), 40);
        assert_eq!(index_of(&store, b"stays"), Some(12));
        assert_applied(&store, 40, 40);
        store.close().unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        assert_applied(&store, 13, 40);
        assert_eq!(index_of(&store, b"stays"), Some(12));
    }
}
