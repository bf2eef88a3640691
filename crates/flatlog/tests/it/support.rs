//! What several topics need.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flatlog::Db;
use kv_api::capability::Check;

pub type Pairs = BTreeMap<Vec<u8>, Vec<u8>>;

/// A directory for a store, gone with the guard.
pub fn fresh() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    (directory, path)
}

/// The pairs of the default space.
pub fn pairs(db: &Db) -> Pairs {
    let snapshot = db.snapshot().unwrap();
    let pairs = snapshot.range(..).map(|pair| {
        let (key, value) = pair.unwrap();
        (key.to_vec(), value.to_vec())
    });
    pairs.collect()
}

#[track_caller]
pub fn assert_sound(db: &Db) {
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}

/// The names in a directory, ascending.
pub fn files(path: &Path) -> Vec<String> {
    let names = std::fs::read_dir(path).unwrap();
    let mut names: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub fn bytes_of(path: &Path) -> u64 {
    let files = std::fs::read_dir(path).unwrap();
    files
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum()
}
