//! What a store shows.

use std::collections::BTreeMap;

use kv_api::{Reader, Space};
use lsm_valuelog::Db;

pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// All pairs of the default space.
pub fn pairs(db: &Db) -> Pairs {
    let snapshot = db.snapshot().unwrap();
    let range = snapshot.range(Space::DEFAULT, ..).unwrap();
    let pairs = range.map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())));
    pairs.collect::<kv_api::Result<_>>().unwrap()
}
