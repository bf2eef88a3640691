//! What others do while additions are folded.

use std::sync::{Arc, Mutex};

use kv_api::capability::Check;
use kv_api::{Durability, Result, Space, Store, Transaction};

use super::{commit, entries, home, joined, log_of, open, operand, sum};
use crate::db::Db;
use crate::error::locked;
use crate::options::Options;

/// Joins, and does something before the first time.
fn joined_and(
    call: impl FnOnce() -> Result<()> + Send + 'static,
) -> impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync {
    let call = Mutex::new(Some(call));
    move |old, new| {
        let first = locked(&call).take();
        assert!(first.is_none_or(|call| call().is_ok()));
        joined(old, new)
    }
}

#[test]
fn what_was_folded_and_then_deleted_is_not_brought_back_by_another_folding() -> Result<()> {
    let home = home()?;
    let db = Arc::new(open(&home, Options::new())?);
    for byte in [b"1", b"2", b"3"] {
        log_of(&db)?.add_with(byte, Durability::Buffered)?;
    }
    let inside = Arc::clone(&db);
    let log = db.merge_operator(
        b"log",
        joined_and(move || {
            assert_eq!(log_of(&inside)?.fold()?, 3);
            inside.update(|tx| tx.delete(Space::DEFAULT, b"log"))?;
            inside.flatten()
        }),
        None,
    )?;
    assert_eq!(log.fold()?, 0, "it meets a conflict");
    assert_eq!(log.get()?, None);
    Ok(())
}

#[test]
fn a_value_that_was_written_while_additions_were_folded_into_it_is_not_lost() -> Result<()> {
    let home = home()?;
    let db = Arc::new(open(&home, Options::new())?);
    for byte in [b"1", b"2", b"3"] {
        log_of(&db)?.add_with(byte, Durability::Buffered)?;
    }
    let inside = Arc::clone(&db);
    let put = move || inside.update(|tx| tx.put(Space::DEFAULT, b"log", b"0"));
    let log = db.merge_operator(b"log", joined_and(put), None)?;
    log.fold()?;
    log.fold()?;
    assert_eq!(sum(&db)?, b"0123");
    Ok(())
}

#[test]
fn a_flattening_folds_what_somebody_has_changed_meanwhile() -> Result<()> {
    let home = home()?;
    let inside: Arc<Mutex<Option<Arc<Db>>>> = Arc::default();
    let called = Arc::clone(&inside);
    let operator = move |old: &[u8], new: &[u8]| {
        let db = locked(&called).take();
        assert!(db.is_none_or(|db| commit(&db, &operand(2), None).is_ok()));
        joined(old, new)
    };
    let options = Options::new().fold_additions(b"log", operator);
    let db = options.background(false).open(home.path().join("store"))?;
    let db = Arc::new(db);
    for number in 1..=3_u8 {
        commit(&db, &operand(u64::from(number)), Some(&[number]))?;
    }
    *locked(&inside) = Some(Arc::clone(&db));
    db.flatten()?;
    assert!(locked(&inside).is_none(), "it was folded");
    assert_eq!(sum(&db)?, [1, 3]);
    assert_eq!(entries(&db), 1);
    let checked = db.check(&mut |_| ())?;
    assert_eq!(
        checked.findings, 0,
        "no table is left that was not installed"
    );
    Ok(())
}

#[test]
fn a_flattening_writes_no_tables_for_additions_that_cannot_be_folded() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    let other = db.merge_operator(b"other", joined, None)?;
    for byte in [b"1", b"2", b"3"] {
        other.add_with(byte, Durability::Buffered)?;
        log_of(&db)?.add_with(byte, Durability::Buffered)?;
    }
    db.flatten()?;
    assert_eq!(entries(&db), 4);
    let written = || db.metrics().compaction_bytes_written;
    let before = written();
    db.flatten()?;
    assert_eq!(written(), before);
    // Two that lay apart are reason enough.
    let reader = db.begin()?;
    log_of(&db)?.add_with(b"4", Durability::Buffered)?;
    db.flatten()?;
    assert_eq!(entries(&db), 5);
    drop(reader);
    db.flatten()?;
    assert_eq!(entries(&db), 4);
    assert_eq!(sum(&db)?, b"1234");
    Ok(())
}
