//! Laws about changes that happen whole or not at all.

use std::fmt;

use kv_api::{Durability, Error, ErrorKind, Result, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    DURABILITIES, assert_kind, commit_one, commit_pairs, contents, newest, numbered, opened,
    pairs_in, pairs_of, value_of,
};

/// A transaction sees what it put, overwrote and deleted; others do not.
pub fn a_transaction_reads_its_own_writes<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &pairs_of(&[b"a", b"b", b"c"]));
    let mut tx = store.begin().unwrap();
    tx.put(Space::DEFAULT, b"b", b"over").unwrap();
    tx.delete(Space::DEFAULT, b"c").unwrap();
    tx.put(Space::DEFAULT, b"d", b"new").unwrap();
    assert_eq!(value_of(&tx, b"a").as_deref(), Some(&b"value of a"[..]));
    assert_eq!(value_of(&tx, b"b").as_deref(), Some(&b"over"[..]));
    assert_eq!(value_of(&tx, b"c"), None);
    assert_eq!(value_of(&tx, b"d").as_deref(), Some(&b"new"[..]));
    let pairs = pairs_in(&tx, Space::DEFAULT);
    let keys: Vec<u8> = pairs.into_iter().flat_map(|(key, _)| key).collect();
    assert_eq!(keys, b"abd");
    tx.put(Space::DEFAULT, b"c", b"back").unwrap();
    tx.delete(Space::DEFAULT, b"d").unwrap();
    assert_eq!(value_of(&tx, b"c").as_deref(), Some(&b"back"[..]));
    assert_eq!(value_of(&tx, b"d"), None);
}

/// Nothing of a transaction is seen before it commits; everything after, at every durability.
pub fn a_commit_becomes_visible_whole<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    for (i, durability) in DURABILITIES.into_iter().enumerate() {
        let before = contents(&store.snapshot().unwrap());
        let mut tx = store.begin().unwrap();
        let name = format!("space {i}").into_bytes();
        let space = tx.create_space(&name).unwrap();
        tx.put(space, b"in", b"").unwrap();
        tx.put(Space::DEFAULT, &name, b"out")
            .unwrap_or_else(|error| {
                assert_eq!(error.kind(), ErrorKind::Incompatible);
            });
        tx.put(Space::DEFAULT, format!("key {i}").as_bytes(), b"")
            .unwrap();
        assert!(contents(&store.snapshot().unwrap()) == before);
        let own = contents(&tx);
        tx.commit(durability).unwrap();
        assert!(
            contents(&store.snapshot().unwrap()) == own,
            "{durability:?}"
        );
    }
}

/// `rollback` forgets everything.
pub fn a_rollback_forgets_everything<F: Fixture>() {
    rolls_back::<F>(|tx| tx.rollback());
}

/// Dropping a transaction forgets everything.
pub fn dropping_a_transaction_rolls_it_back<F: Fixture>() {
    rolls_back::<F>(drop);
}

fn rolls_back<F: Fixture>(end: fn(<F::Store as Store>::Transaction)) {
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &numbered(300));
    let before = contents(&store.snapshot().unwrap());
    for round in 0..3_u8 {
        let mut tx = store.begin().unwrap();
        tx.delete_range(Space::DEFAULT, .."key 000200").unwrap();
        tx.put(Space::DEFAULT, b"key 000250", b"over").unwrap();
        tx.put(Space::DEFAULT, b"large", &vec![round; 300_000])
            .unwrap();
        tx.create_space(b"new").unwrap();
        end(tx);
        assert!(
            contents(&store.snapshot().unwrap()) == before,
            "round {round}"
        );
    }
    commit_one(&store, b"after", b"");
    let after = contents(&store.snapshot().unwrap());
    assert_eq!(
        after[&b""[..]].len(),
        301,
        "the store takes writes as before"
    );
}

/// A transaction that changed nothing commits, at every durability.
pub fn a_transaction_without_changes_commits<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    for durability in DURABILITIES {
        store.begin().unwrap().commit(durability).unwrap();
    }
    commit_one(&store, b"a", b"1");
    let tx = store.begin().unwrap();
    value_of(&tx, b"a");
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"1"[..]));
}

/// `update` commits and hands on the closure's answer. That this compiles is half of the law: a
/// closure may end in `Ok(())` without naming an error type.
pub fn an_update_commits_and_hands_on_the_answer<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    store
        .update(|tx| {
            tx.put(Space::DEFAULT, b"a", b"1")?;
            Ok(())
        })
        .unwrap();
    let count = store.update(|tx| {
        tx.put(Space::DEFAULT, b"b", b"2")?;
        Ok(pairs_in(tx, Space::DEFAULT).len())
    });
    assert_eq!(count.unwrap(), 2);
    assert_eq!(newest(&store, b"b").as_deref(), Some(&b"2"[..]));
}

/// An error of the program's own, as a caller would have one.
#[derive(Debug, PartialEq)]
struct OutOfStock {
    left: u32,
}

impl fmt::Display for OutOfStock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "only {} left", self.left)
    }
}

impl std::error::Error for OutOfStock {}

/// A closure's own error passes through `update` as itself, and the changes are rolled back.
pub fn an_update_hands_on_its_closures_error_and_rolls_back<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"stock", b"3");
    let answer: Result<()> = store.update(|tx| {
        tx.put(Space::DEFAULT, b"stock", b"0")?;
        Err(Error::other(OutOfStock { left: 3 }))
    });
    let error = answer.unwrap_err();
    assert_eq!(
        error.downcast_ref::<OutOfStock>(),
        Some(&OutOfStock { left: 3 })
    );
    assert_eq!(newest(&store, b"stock").as_deref(), Some(&b"3"[..]));
}

/// An engine's error passed on with `?` rolls back as well.
pub fn an_update_rolls_back_on_an_engines_error<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let answer = store.update(|tx| {
        tx.put(Space::DEFAULT, b"a", b"1")?;
        tx.put(Space::DEFAULT, b"", b"refused")?;
        Ok(())
    });
    assert_kind(answer, ErrorKind::Invalid, "the empty key");
    assert_eq!(newest(&store, b"a"), None);
}

/// What `try_update` answers for a closure with an error type of its own.
#[derive(Debug)]
enum ShopError {
    Stock(OutOfStock),
    Store(Error),
}

impl From<Error> for ShopError {
    fn from(error: Error) -> ShopError {
        ShopError::Store(error)
    }
}

/// `try_update` takes a closure with an error type of its own: `?` works inside, the error comes
/// out as it was, and the changes are rolled back.
pub fn a_try_update_takes_an_error_type_of_its_own<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let sell = |count: u32| {
        store.try_update(|tx| {
            let left = 3_u32.saturating_sub(count);
            tx.put(Space::DEFAULT, b"stock", left.to_string().as_bytes())?;
            if count > 3 {
                return Err(ShopError::Stock(OutOfStock { left: 3 }));
            }
            Ok(left)
        })
    };
    assert!(matches!(
        sell(4),
        Err(ShopError::Stock(OutOfStock { left: 3 }))
    ));
    assert_eq!(newest(&store, b"stock"), None);
    assert_eq!(sell(1).unwrap(), 2);
    assert_eq!(newest(&store, b"stock").as_deref(), Some(&b"2"[..]));
    let refused =
        store.try_update(|tx| -> Result<(), ShopError> { Ok(tx.put(Space::DEFAULT, b"", b"")?) });
    assert!(matches!(
        refused,
        Err(ShopError::Store(Error::Invalid { .. }))
    ));
}

/// `update` runs its closure once, and does not hide a conflict.
pub fn an_update_does_not_run_again_on_a_conflict<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut runs = 0;
    let answer: Result<()> = store.update(|_| {
        runs += 1;
        Err(Error::Conflict)
    });
    assert_kind(answer, ErrorKind::Conflict, "update");
    assert_eq!(runs, 1);
}

/// `update_retry` runs its closure again after a conflict, from the state before it.
pub fn an_update_retry_runs_again_on_a_conflict<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut runs = 0;
    let answer = store.update_retry(|tx| {
        runs += 1;
        assert_eq!(value_of(tx, b"a"), None, "the run before was rolled back");
        tx.put(Space::DEFAULT, b"a", b"")?;
        if runs < 4 {
            Err(Error::Conflict)
        } else {
            Ok(runs)
        }
    });
    assert_eq!(answer.unwrap(), 4);
    assert_eq!(newest(&store, b"a"), Some(vec![]));
}

/// `update_retry` hands on every other error at once, and rolls back.
pub fn an_update_retry_hands_on_other_errors<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut runs = 0;
    let answer: Result<()> = store.update_retry(|tx| {
        runs += 1;
        tx.put(Space::DEFAULT, b"a", b"")?;
        Err(Error::other(OutOfStock { left: 0 }))
    });
    assert_kind(answer, ErrorKind::Other, "update_retry");
    assert_eq!(runs, 1);
    assert_eq!(newest(&store, b"a"), None);
}

/// A transaction may move to another thread and commit there.
pub fn a_transaction_may_move_to_another_thread<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    tx.put(Space::DEFAULT, b"a", b"here").unwrap();
    std::thread::spawn(move || {
        tx.put(Space::DEFAULT, b"b", b"there").unwrap();
        tx.commit(Durability::Sync).unwrap();
    })
    .join()
    .unwrap();
    assert_eq!(
        pairs_in(&store.snapshot().unwrap(), Space::DEFAULT).len(),
        2
    );
}
