//! What many tests look at in a store, or do to it.

use kv_api::capability::Check;
use kv_api::{Durability, Reader, Space, Transaction};
use lsm_valuelog::{Committed, Db};

/// Keys in an order of their own.
pub fn key(number: u32) -> [u8; 8] {
    let mixed = u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed.to_be_bytes()
}

/// A commit of one pair.
pub fn put(db: &Db, key: &[u8], value: &[u8], durability: Durability) {
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, key, value).unwrap();
    tx.commit(durability).unwrap();
}

/// All pairs of the default space.
pub fn pairs(db: &Db) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = db.snapshot().unwrap();
    let range = snapshot.range(Space::DEFAULT, ..).unwrap();
    range
        .map(|pair| pair.unwrap())
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// The keys a subscriber is told of.
pub fn keys(commit: &Committed) -> Vec<&[u8]> {
    let changes = commit.changes.iter();
    changes.map(|change| &change.key[..]).collect()
}

/// Deletions in tables.
pub fn tombstones(db: &Db) -> u64 {
    let tables = db.tables();
    tables.iter().map(|table| table.tombstones).sum()
}

/// Fails if the check finds anything.
#[track_caller]
pub fn assert_sound(db: &Db) {
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}
