//! Additions whose numbers are out of the order of their commits, as those of threads that add at
//! one time are here and there, put on stage: folded by compactions, as many as are held at a time
//! and more.

use kv_api::{Durability, Error, Result};

use crate::commit_queue::Commit;
use crate::db::Db;
use crate::entry::Extra;
use crate::key::DEFAULT_SPACE;
use crate::operands::prefix_of;
use crate::options::Options;
use crate::read_set::ReadSet;
use crate::write_set::WriteSet;

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
    let mut writes = WriteSet::default();
    writes.set(key, value, Extra::default());
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

/// What additions of 400 bytes, the n-th of which has the number that `number` says, come to after
/// a flattening, and in how many parts.
fn flattened(count: u16, number: impl Fn(u16) -> u64) -> Result<(bool, usize)> {
    let home = home()?;
    let db = open(&home, Options::new())?;
    let part = |nth: u16| nth.to_be_bytes().repeat(200);
    for nth in 0..count {
        commit(&db, &operand(number(nth)), Some(&part(nth)))?;
    }
    db.flatten()?;
    let log = db.merge_operator(b"log", joined, None)?;
    let wanted: Vec<u8> = (0..count).flat_map(part).collect();
    let is_right = log.get()?.is_some_and(|sum| sum == wanted);
    Ok((is_right, log.fold()?))
}

#[test]
fn additions_are_folded_in_the_order_of_commits_though_not_all_are_held_at_a_time() -> Result<()> {
    // Two mebibytes are held: fewer than 8,000.
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
    Ok(())
}
