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

/// The payloads of a sequence of blocks.
pub fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut rest = &bytes[12..];
    let mut payloads = Vec::new();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[..4].try_into().unwrap()) as usize;
        payloads.push(rest[8..8 + len].to_vec());
        rest = &rest[8 + len..];
    }
    payloads
}

/// A sequence of blocks with these payloads, whose sums fit, that begins as `like` does.
pub fn blocks(like: &[u8], payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = like[..12].to_vec();
    for (number, payload) in (0_u64..).zip(payloads) {
        let mut sum = crc32fast::Hasher::new();
        sum.update(&number.to_le_bytes());
        sum.update(&(payload.len() as u64).to_le_bytes());
        sum.update(payload);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&sum.finalize().to_le_bytes());
        bytes.extend_from_slice(payload);
    }
    bytes
}

/// Reads a varint.
pub fn take_number(rest: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..).step_by(7) {
        let byte = rest[0];
        *rest = &rest[1..];
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            break;
        }
    }
    number
}

/// Writes a varint.
pub fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}
