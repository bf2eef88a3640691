//! What sizes and threads bring about once in a while, put on stage: tables that lie where few jobs
//! leave them, commits that meet in one group, memtables that wait.

use std::sync::{Arc, Mutex};

use kv_api::{Durability, Error, ErrorKind, Reader, Result, Space, Store, Transaction};

use crate::commit_queue::Commit;
use crate::db::Db;
use crate::entry::Extra;
use crate::error::locked;
use crate::levels::Job;
use crate::options::Options;
use crate::read_set::ReadSet;
use crate::state::State;
use crate::table::cursor::RunCursor;
use crate::table::reader::Table;
use crate::version::Version;
use crate::write_set::WriteSet;

fn options() -> Options {
    Options::new()
        .background(false)
        .value_threshold_bytes(100)
        .level_zero_tables(50, 60, 80)
}

fn in_directory(error: std::io::Error) -> Error {
    Error::io("a directory", error)
}

fn put(db: &Db, key: &[u8], value: &[u8]) -> Result<()> {
    db.update(|tx| tx.put(Space::DEFAULT, key, value))
}

/// The only table of level 0 that is newer than all others.
fn newest(db: &Db) -> Option<Arc<Table>> {
    db.shared.state.load().version.level(0).first().cloned()
}

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

/// A table with one addition to the key "log".
fn added(db: &Db, byte: u8) -> Result<Arc<Table>> {
    let log = db.merge_operator(b"log", joined, None)?;
    log.add_with(&[byte], Durability::Buffered)?;
    db.flush()?;
    newest(db).ok_or(Error::NotFound { what: "a table" })
}

fn sum(db: &Db) -> Result<Vec<u8>> {
    let log = db.merge_operator(b"log", joined, None)?;
    Ok(log.get()?.map_or_else(Vec::new, |sum| sum.to_vec()))
}

/// Merges tables of level 0, the newest first, into a level that meets none of them.
fn merge(db: &Db, tables: &[&Arc<Table>], to: usize) -> Result<()> {
    let is_done = db.shared.run_reserved(|_, _| {
        Some(Job {
            from: 0,
            to,
            top: tables.iter().copied().cloned().collect(),
            bottom: Vec::new(),
        })
    })?;
    assert!(is_done);
    Ok(())
}

#[test]
fn additions_are_not_folded_across_one_that_lies_in_another_table() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().fold_additions(b"log", joined);
    let db = db.open(home.path().join("store"))?;
    let (one, _two, three) = (added(&db, 1)?, added(&db, 2)?, added(&db, 3)?);
    merge(&db, &[&three, &one], 6)?;
    assert_eq!(sum(&db)?, [1, 2, 3]);
    // Those behind it are folded.
    let (four, five) = (added(&db, 4)?, added(&db, 5)?);
    merge(&db, &[&five, &four], 5)?;
    let level = db.shared.state.load().version.level(5).to_vec();
    assert_eq!(level.first().map(|table| table.meta.entries), Some(1));
    assert_eq!(sum(&db)?, [1, 2, 3, 4, 5]);
    Ok(())
}

#[test]
fn additions_are_not_folded_where_a_table_has_older_and_newer_records() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().fold_additions(b"log", joined);
    let db = db.open(home.path().join("store"))?;
    let (one, two, three) = (added(&db, 1)?, added(&db, 2)?, added(&db, 3)?);
    put(&db, b"other", b"")?;
    db.flush()?;
    let Some(other) = newest(&db) else {
        return Err(Error::NotFound { what: "a table" });
    };
    merge(&db, &[&other, &two], 5)?;
    merge(&db, &[&three, &one], 6)?;
    assert_eq!(sum(&db)?, [1, 2, 3]);
    Ok(())
}

#[test]
fn what_was_folded_stands_where_the_newest_addition_stood() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().fold_additions(b"log", joined);
    let db = db.open(home.path().join("store"))?;
    let (one, two, three) = (added(&db, 1)?, added(&db, 2)?, added(&db, 3)?);
    merge(&db, &[&three, &two, &one], 6)?;
    let level = db.shared.state.load().version.level(6).to_vec();
    let mut cursor = RunCursor::in_passing(&level);
    cursor.first()?;
    let entry = cursor.entry().map(|entry| {
        let (key, value) = (entry.key.to_vec(), entry.value.to_vec());
        (key, entry.sequence, value)
    });
    let wanted = (three.meta.smallest.clone(), three.meta.max_sequence);
    assert_eq!(entry, Some((wanted.0, wanted.1, vec![1, 2, 3])));
    cursor.next()?;
    assert!(cursor.entry().is_none(), "and nothing else");
    Ok(())
}

/// What an operator does besides, once.
type Hook = Arc<Mutex<Option<Box<dyn FnOnce() -> Result<()> + Send>>>>;

#[test]
fn nothing_is_folded_of_which_a_part_was_deleted_meanwhile() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let hook = Hook::default();
    let called = Arc::clone(&hook);
    let db = options().fold_additions(b"log", move |old, new| {
        let call = locked(&called).take();
        assert!(call.is_none_or(|call| call().is_ok()));
        joined(old, new)
    });
    let db = db.open(home.path().join("store"))?;
    let (one, two, three) = (added(&db, 1)?, added(&db, 2)?, added(&db, 3)?);
    let (shared, key) = (Arc::clone(&db.shared), one.meta.smallest.clone());
    *locked(&hook) = Some(Box::new(move || {
        let mut writes = WriteSet::default();
        writes.set(&key, None, Extra::default());
        let commit = Commit {
            writes,
            reads: ReadSet::default(),
            read_at: shared.visible(),
            drops_seen: 0,
            version: None,
            durability: Durability::Buffered,
        };
        shared.commit(commit).map(drop)
    }));
    merge(&db, &[&three, &two, &one], 6)?;
    assert!(locked(&hook).is_none(), "it was folded");
    assert_eq!(sum(&db)?, [2, 3]);
    Ok(())
}

#[test]
fn a_hit_below_level_zero_ends_the_search_too() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().open(home.path().join("store"))?;
    for round in 0..2_u8 {
        put(&db, b"key", &[round])?;
        db.flush()?;
    }
    db.shared.state.rcu(|state| {
        let mut state = State::clone(state);
        let mut version = Version::clone(&state.version);
        for (table, level) in version.level(0).to_vec().into_iter().zip([3, 6]) {
            version.remove(0, table.meta.id);
            version.add(level, table);
        }
        state.version = Arc::new(version);
        state
    });
    let snapshot = db.snapshot()?;
    let found = snapshot.get(Space::DEFAULT, b"key")?;
    assert_eq!(found.as_deref(), Some(&[1][..]));
    let searched = db.metrics().tables_searched_by_level;
    assert_eq!(searched, [0, 0, 0, 1, 0, 0, 0]);
    Ok(())
}

#[test]
fn one_that_was_refused_is_nothing_to_those_behind_it_in_its_group() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().open(home.path().join("store"))?;
    let (mut loser, mut bystander) = (db.begin()?, db.begin()?);
    loser.get(Space::DEFAULT, b"contested")?;
    loser.put(Space::DEFAULT, b"other", b"")?;
    bystander.get(Space::DEFAULT, b"other")?;
    bystander.put(Space::DEFAULT, b"mine", b"")?;
    put(&db, b"contested", b"")?;
    let commits = [&mut loser, &mut bystander];
    let mut group = commits.map(|tx| Box::new(tx.take_commit(Durability::Buffered)));
    let outcomes = db.shared.commit_group(&mut group).into_iter();
    let kinds: Vec<_> = outcomes
        .map(|outcome| outcome.map(drop).map_err(|error| error.kind()))
        .collect();
    assert_eq!(kinds, [Err(ErrorKind::Conflict), Ok(())]);
    Ok(())
}

#[test]
fn within_a_limit_of_memory_no_more_memtables_wait_than_have_a_share_of_it() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().memory_bytes_max(4 << 20).sealed_memtables_max(2);
    let db = db.open(home.path().join("store"))?;
    for round in 0..10_u8 {
        let mut tx = db.begin()?;
        tx.put(Space::DEFAULT, &[round], &[round])?;
        db.shared
            .commit_untidied(tx.take_commit(Durability::Buffered))?;
        db.shared.rotate(&mut locked(&db.shared.core))?;
        let waiting = db.shared.state.load().sealed.len();
        assert!(waiting <= 2, "{waiting}");
    }
    let snapshot = db.snapshot()?;
    assert_eq!(snapshot.range(Space::DEFAULT, ..)?.count(), 10);
    Ok(())
}

#[test]
fn every_step_that_somebody_may_wait_for_rings_the_bell() -> Result<()> {
    let home = tempfile::tempdir().map_err(in_directory)?;
    let db = options().open(home.path().join("store"))?;
    let shared = &db.shared;
    let rang = |about: &str, step: &dyn Fn() -> Result<()>| -> Result<()> {
        let before = shared.work.rings();
        step()?;
        assert!(shared.work.rings() > before, "{about}");
        Ok(())
    };
    for round in 0..2_u8 {
        put(&db, b"key", &[round; 200])?;
        // The thread that flushes waits for this one, and who waits for room for the next.
        rang("a memtable is sealed", &|| {
            shared.rotate(&mut locked(&shared.core))
        })?;
        rang("and written", &|| shared.flush_one().map(drop))?;
    }
    rang("tables are merged", &|| shared.compact_level(0).map(drop))?;
    db.flatten()?;
    let mut core = locked(&shared.core);
    shared.seal_values(&mut core)?;
    shared.rotate(&mut core)?;
    drop(core);
    put(&db, b"other", b"")?;
    db.flush()?;
    rang("values are collected", &|| {
        assert!(shared.collect_from(1)?);
        Ok(())
    })
}
