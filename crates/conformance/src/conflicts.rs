//! Laws about two transactions at a time.

use kv_api::{Durability, ErrorKind, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    commit_one, commits, count_of, newest, opened, pairs_in, put_count, value_of, without_blocking,
};

/// While a transaction is open, `try_begin` answers at once: with nothing, or with a transaction
/// that meets a conflict. Either way no update is lost.
pub fn a_try_begin_never_loses_an_update<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        let mut first = store.begin().unwrap();
        let seen = count_of(&first, b"count").unwrap();
        put_count(&mut first, b"count", seen + 1).unwrap();
        let mut commits_done = 0;
        if let Some(mut second) = store.try_begin().unwrap() {
            let seen = count_of(&second, b"count").unwrap();
            put_count(&mut second, b"count", seen + 1).unwrap();
            commits_done += u64::from(commits(second, Durability::Sync));
        }
        commits_done += u64::from(commits(first, Durability::Sync));
        let snapshot = store.snapshot().unwrap();
        assert_eq!(count_of(&snapshot, b"count").unwrap(), commits_done);
        assert!(commits_done >= 1, "somebody gets through");
    });
}

/// Two transactions that each read what the other writes do not both commit.
pub fn two_transactions_do_not_cross<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        let mut first = store.begin().unwrap();
        let Some(mut second) = store.try_begin().unwrap() else {
            return;
        };
        for (tx, reads, writes) in [(&mut first, b"a", b"b"), (&mut second, b"b", b"a")] {
            if value_of(tx, reads).is_none() {
                tx.put(Space::DEFAULT, writes, b"").unwrap();
            }
        }
        commits(first, Durability::Sync);
        commits(second, Durability::Sync);
        let all = pairs_in(&store.snapshot().unwrap(), Space::DEFAULT);
        assert_eq!(all.len(), 1, "in either order only one of them writes");
    });
}

/// Of two transactions that insert the same absent key at the same time only one does.
pub fn only_one_of_two_inserts_the_same_key<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        let mut first = store.begin().unwrap();
        let inserted = first.insert_if_absent(Space::DEFAULT, b"key", b"first");
        assert!(inserted.unwrap());
        let second = store.try_begin().unwrap().map(|mut tx| {
            let inserted = tx.insert_if_absent(Space::DEFAULT, b"key", b"second");
            (tx, inserted.unwrap())
        });
        let first_won = commits(first, Durability::Sync);
        let second_won = second.is_some_and(|(tx, did)| commits(tx, Durability::Sync) && did);
        assert!(first_won != second_won, "one and only one");
        let winner = if first_won { &b"first"[..] } else { b"second" };
        assert_eq!(newest(&store, b"key").as_deref(), Some(winner));
    });
}

/// `try_begin` gives a transaction when none is open, also after one ended in any way.
pub fn a_try_begin_succeeds_when_nobody_writes<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let again = || store.try_begin().unwrap().expect("nobody is writing");
    drop(again());
    again().rollback();
    let mut tx = again();
    tx.put(Space::DEFAULT, b"a", b"1").unwrap();
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(value_of(&again(), b"a").as_deref(), Some(&b"1"[..]));
}

/// What a transaction reads twice it reads alike, or its commit meets a conflict.
pub fn a_transaction_reads_one_version<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        commit_one(&store, b"a", b"1");
        let mut first = store.begin().unwrap();
        let before = value_of(&first, b"a");
        if let Some(mut second) = store.try_begin().unwrap() {
            second.put(Space::DEFAULT, b"a", b"2").unwrap();
            commits(second, Durability::Sync);
        }
        let after = first
            .get(Space::DEFAULT, b"a")
            .map(|v| v.map(|v| v.to_vec()));
        first.put(Space::DEFAULT, b"b", b"").unwrap();
        let committed = commits(first, Durability::Sync);
        match after {
            Ok(after) => assert!(after == before || !committed),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Conflict),
        }
    });
}
