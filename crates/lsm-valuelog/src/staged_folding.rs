//! Additions whose numbers are out of the order of their commits, as those of threads that add at
//! one time are here and there, put on stage: folded by compactions, as many as are held at a time
//! and more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::capability::Check;
use kv_api::{Durability, Error, Result, Space, Transaction};

use crate::commit_queue::Commit;
use crate::db::Db;
use crate::entry::Extra;
use crate::id::Sequence;
use crate::key::DEFAULT_SPACE;
use crate::levels::Job;
use crate::merge_operator::MergeOperator;
use crate::operands::prefix_of;
use crate::options::Options;
use crate::read_set::ReadSet;
use crate::write_set::WriteSet;

mod meanwhile;

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

fn open(home: &tempfile::TempDir, options: Options) -> Result<Db> {
    let options = options.fold_additions(b"log", joined).background(false);
    options.open(home.path().join("store"))
}

fn home() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| Error::io("a directory", error))
}

/// The addition to "log" that has this number.
fn operand(number: u64) -> Vec<u8> {
    let mut key = prefix_of(DEFAULT_SPACE, b"log");
    key.extend([0; 24]);
    key.extend(number.to_be_bytes());
    key
}

fn commit(db: &Db, key: &[u8], value: Option<&[u8]>) -> Result<()> {
    commit_with(db, key, value, Extra::default())
}

fn commit_with(db: &Db, key: &[u8], value: Option<&[u8]>, extra: Extra) -> Result<()> {
    commit_all(db, &[(key, value, extra)])
}

/// A key, what it is to have, and what besides.
type Change<'a> = (&'a [u8], Option<&'a [u8]>, Extra);

/// Commits changes in one.
fn commit_all(db: &Db, changes: &[Change<'_>]) -> Result<()> {
    let mut writes = WriteSet::default();
    for (key, value, extra) in changes {
        writes.set(key, *value, *extra);
    }
    let commit = Commit {
        writes,
        reads: ReadSet::default(),
        read_at: db.shared.visible(),
        drops_seen: 0,
        version: None,
        durability: Durability::Deferred,
    };
    db.shared.commit_untidied(commit).map(drop)
}

/// Commits additions of 400 bytes to "log", the n-th of which has the number that `number` says.
fn add_all(db: &Db, count: u16, number: impl Fn(u16) -> u64) -> Result<()> {
    (0..count).try_for_each(|nth| commit(db, &operand(number(nth)), Some(&part(nth))))
}

fn part(nth: u16) -> Vec<u8> {
    nth.to_be_bytes().repeat(200)
}

fn log_of(db: &Db) -> Result<MergeOperator> {
    db.merge_operator(b"log", joined, None)
}

fn sum(db: &Db) -> Result<Vec<u8>> {
    Ok(log_of(db)?.get()?.map_or_else(Vec::new, |sum| sum.to_vec()))
}

fn sum_at(db: &Db, version: Sequence) -> Result<Vec<u8>> {
    let sum = log_of(db)?.get_at(&db.snapshot_at(version)?)?;
    Ok(sum.map_or_else(Vec::new, |sum| sum.to_vec()))
}

/// Records in tables.
fn entries(db: &Db) -> u64 {
    let version = Arc::clone(&db.shared.state.load().version);
    version.tables().map(|(_, table)| table.meta.entries).sum()
}

/// Merges the newest tables of level 0, so many, into `to`, which must meet none of them.
fn merge(db: &Db, count: usize, to: usize) -> Result<()> {
    let is_done = db.shared.run_reserved(|version, _| {
        Some(Job {
            from: 0,
            to,
            top: version.level(0).iter().take(count).cloned().collect(),
            bottom: Vec::new(),
        })
    })?;
    assert!(is_done);
    Ok(())
}

/// What such additions come to after a flattening, and in how many parts.
fn flattened(count: u16, number: impl Fn(u16) -> u64) -> Result<(bool, usize)> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    add_all(&db, count, number)?;
    db.flatten()?;
    let wanted: Vec<u8> = (0..count).flat_map(part).collect();
    let is_right = sum(&db)? == wanted;
    Ok((is_right, log_of(&db)?.fold()?))
}

#[test]
fn additions_are_folded_in_the_order_of_commits_though_not_all_are_held_at_a_time() -> Result<()> {
    // Two mebibytes are held: fewer than 5,000.
    let in_order = flattened(8_000, u64::from)?;
    assert_eq!(in_order, (true, 4), "four sums of at most a mebibyte");
    let pairs_turned = flattened(8_000, |nth| u64::from(nth ^ 1))?;
    assert_eq!(pairs_turned, (true, 4), "neighbours change places");
    let far_apart = flattened(8_000, |nth| u64::from(nth % 2) << 32 | u64::from(nth));
    assert_eq!(
        far_apart?,
        (true, 8_000),
        "every other one comes behind all else"
    );
    // It is let go before those are held that were added just before and just behind it.
    let one_far_ahead = flattened(
        8_000,
        |nth| if nth == 5_500 { 0 } else { u64::from(nth) + 1 },
    );
    let (is_right, parts) = one_far_ahead?;
    assert!(is_right && parts < 8_000, "{parts}");
    Ok(())
}

#[test]
fn what_is_let_go_of_one_key_is_nothing_to_the_next_one() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    let other = db.merge_operator(b"logs", joined, None)?;
    for byte in 0..100 {
        other.add_with(&[byte], Durability::Deferred)?;
    }
    add_all(&db, 8_000, u64::from)?;
    db.flush()?;
    merge(&db, 1, 6)?;
    let parts = entries(&db);
    assert!(
        log_of(&db)?.fold()? as u64 + 1 == parts,
        "one is the other's"
    );
    let wanted: Vec<u8> = (0..100).collect();
    assert_eq!(other.get()?.as_deref(), Some(&wanted[..]));
    Ok(())
}

#[test]
fn a_compaction_folds_so_many_additions_and_no_more_and_a_flattening_all() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    for number in 0..12_000 {
        commit(&db, &operand(number), Some(b"+"))?;
    }
    db.flush()?;
    merge(&db, 1, 6)?;
    assert_eq!(entries(&db), 2_001);
    db.flatten()?;
    assert_eq!(entries(&db), 1);
    assert_eq!(sum(&db)?, [b'+'; 12_000]);
    Ok(())
}

#[test]
fn the_deletion_of_an_addition_that_lies_below_is_no_part_of_a_sum() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    let log = log_of(&db)?;
    log.add_with(b"1", Durability::Buffered)?;
    db.flush()?;
    merge(&db, 1, 6)?;
    assert_eq!(log.fold()?, 1);
    for byte in [b"2", b"3"] {
        log.add_with(byte, Durability::Buffered)?;
    }
    db.flush()?;
    merge(&db, 1, 5)?;
    assert_eq!(sum(&db)?, b"123");
    db.flatten()?;
    assert_eq!(sum(&db)?, b"123");
    assert_eq!(entries(&db), 2, "the value and a sum");
    Ok(())
}

#[test]
fn additions_of_one_version_come_in_the_order_of_their_numbers() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new().table_bytes(1 << 10))?;
    let with_meta = Extra {
        meta: 1,
        ..Extra::default()
    };
    let (one, two, three) = (operand(1), operand(2), operand(3));
    let changes = [
        (&*one, Some(&b"1"[..]), Extra::default()),
        (&two, Some(b"2"), with_meta),
        (&three, Some(b"3"), Extra::default()),
    ];
    commit_all(&db, &changes)?;
    db.flush()?;
    merge(&db, 1, 6)?;
    assert_eq!(sum(&db)?, b"123");
    db.drop_all()?;
    // Nothing is folded while it lives.
    let reader = db.begin()?;
    let keys: Vec<Vec<u8>> = (1..=12).map(operand).collect();
    let value = b"+".repeat(400);
    let values = (1..).map(|nth| [&[b'a' + nth][..], &value].concat());
    let values: Vec<Vec<u8>> = values.take(keys.len()).collect();
    let changes = keys.iter().zip(&values);
    let changes = changes.map(|(key, value)| (&**key, Some(&**value), Extra::default()));
    commit_all(&db, &changes.collect::<Vec<_>>())?;
    commit(&db, &operand(99), Some(b"newer"))?;
    db.flush()?;
    merge(&db, 1, 6)?;
    drop(reader);
    let before = sum(&db)?;
    let tables = db.shared.state.load().version.level(6).to_vec();
    assert!(tables.len() > 2);
    // Those between are of the same version as the first.
    let is_done = db.shared.run_reserved(|_, _| {
        Some(Job {
            from: 6,
            to: 6,
            top: tables
                .first()
                .into_iter()
                .chain(tables.last())
                .cloned()
                .collect(),
            bottom: Vec::new(),
        })
    })?;
    assert!(is_done);
    assert!(sum(&db)? == before);
    Ok(())
}

#[test]
fn what_history_shows_between_additions_keeps_them_apart() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new().keep_history(true))?;
    for number in 1..=3 {
        commit(&db, &operand(number), Some(&number.to_be_bytes()[7..]))?;
    }
    let third = db.newest_version();
    // Gone by now, and still to be seen by then.
    commit(&db, &operand(2), None)?;
    db.discard_before(third)?;
    db.flush()?;
    merge(&db, 1, 6)?;
    assert_eq!(sum_at(&db, third)?, [1, 2, 3]);
    assert_eq!(sum(&db)?, [1, 3]);
    db.discard_before(db.newest_version())?;
    db.flatten()?;
    assert_eq!(sum(&db)?, [1, 3]);
    assert_eq!(entries(&db), 1);
    Ok(())
}

#[test]
fn an_addition_that_is_gone_by_now_keeps_none_of_another_key_apart() -> Result<()> {
    let home = home()?;
    let db = open(&home, Options::new().keep_history(true))?;
    let other = db.merge_operator(b"logs", joined, None)?;
    for byte in [b"1", b"2", b"3"] {
        other.add_with(byte, Durability::Buffered)?;
        log_of(&db)?.add_with(byte, Durability::Buffered)?;
    }
    let then = db.newest_version();
    assert_eq!(log_of(&db)?.fold()?, 3);
    db.discard_before(then)?;
    db.flush()?;
    merge(&db, 1, 6)?;
    // Three additions, their deletions and the value; one sum of the other key's.
    assert_eq!(entries(&db), 3 + 3 + 1 + 1);
    assert_eq!(sum_at(&db, then)?, b"123");
    assert_eq!(other.get()?.as_deref(), Some(&b"123"[..]));
    Ok(())
}

#[test]
fn where_versions_came_late_nothing_is_folded() -> Result<()> {
    let home = home()?;
    let options = Options::new().keep_history(true);
    let db = open(&home, options.versions_in_any_order(true))?;
    let mut tx = db.begin()?;
    tx.put(Space::DEFAULT, b"key", b"")?;
    tx.commit_at(Sequence(10), Durability::Sync)?;
    for number in 0..20 {
        commit(&db, &operand(number), Some(b"+"))?;
    }
    let mut tx = db.begin()?;
    tx.put(Space::DEFAULT, b"late", b"")?;
    tx.commit_at(Sequence(5), Durability::Sync)?;
    db.discard_before(db.newest_version())?;
    db.flatten()?;
    assert_eq!(entries(&db), 22);
    assert_eq!(sum(&db)?, [b'+'; 20]);
    Ok(())
}

#[test]
fn what_carries_more_than_a_value_is_no_part_of_a_sum_and_none_is_folded_across_it() -> Result<()> {
    let home = home()?;
    let now = Arc::new(AtomicU64::new(1));
    let clock = Arc::clone(&now);
    let clock = move || clock.load(Ordering::Relaxed);
    let db = open(&home, Options::new().clock(Arc::new(clock)))?;
    let with_meta = Extra {
        meta: 1,
        ..Extra::default()
    };
    // Something older below, so that what expires leaves a deletion.
    for number in [0, 90] {
        commit_with(&db, &operand(number), Some(b"0"), with_meta)?;
    }
    db.flush()?;
    merge(&db, 1, 6)?;
    let expiring = Extra {
        expires: 10,
        ..Extra::default()
    };
    let extras = [
        None,
        None,
        Some(with_meta),
        None,
        None,
        Some(expiring),
        None,
    ];
    for (number, extra) in (1..).zip(extras) {
        let value = [b'0' + u8::try_from(number).unwrap_or(0)];
        commit_with(
            &db,
            &operand(number),
            Some(&value),
            extra.unwrap_or_default(),
        )?;
    }
    db.flush()?;
    now.store(20, Ordering::Relaxed);
    merge(&db, 1, 5)?;
    assert_eq!(sum(&db)?, b"00123457");
    let checked = db.check(&mut |_| ())?;
    assert_eq!(checked.findings, 0);
    // Two below, two before the one with a byte of its own, a sum of those behind it, the deletion.
    assert_eq!(entries(&db), 2 + 2 + 1 + 1 + 1);
    Ok(())
}
