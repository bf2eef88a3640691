//! What recovery cuts off is reported and kept aside.

use std::path::{Path, PathBuf};

use crate::support::put;
use kv_api::capability::Check;
use kv_api::{Durability, ErrorKind, Reader, Space};
use lsm_valuelog::Options;

fn options() -> Options {
    Options::new()
        .background(false)
        .memtable_bytes(16 << 10)
        .value_threshold_bytes(1_000)
}

/// A store that was not closed, whose last commit nobody was promised.
fn crashed(path: &Path, last: &[u8]) {
    let db = options().open(path).unwrap();
    put(&db, b"first", b"whole", Durability::Sync);
    put(&db, b"last", last, Durability::Buffered);
    drop(db);
}

fn file_with(path: &Path, end: &str) -> PathBuf {
    let entries = std::fs::read_dir(path).unwrap();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    found.sort();
    found.pop().unwrap()
}

/// Damages the place where `needle` stands in a file; answers the bytes from there on.
fn tear(file: &Path, needle: &[u8]) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes
        .windows(needle.len())
        .rposition(|window| window == needle)
        .unwrap();
    bytes[at] ^= 0xFF;
    std::fs::write(file, &bytes).unwrap();
}

fn assert_kept(path: &Path, end: &str, needle: &[u8]) {
    let log = file_with(path, end);
    let name = log.file_name().unwrap().to_string_lossy().into_owned();
    tear(&log, needle);
    let db = options().open(path).unwrap();
    let recovery = db.recovery().clone();
    assert_eq!(recovery.commits, 1);
    assert!(recovery.torn_bytes > 0, "{recovery:?}");
    assert_eq!(recovery.kept_aside, [format!("{name}.torn")]);
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.get(Space::DEFAULT, b"first").unwrap().is_some());
    assert!(snapshot.get(Space::DEFAULT, b"last").unwrap().is_none());
    let kept = std::fs::read(path.join(&recovery.kept_aside[0])).unwrap();
    let rest = &needle[1..];
    assert!(kept.windows(rest.len()).any(|window| window == rest));
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    drop((snapshot, db));
    // It is kept, and told of once.
    let db = options().open(path).unwrap();
    assert_eq!(db.recovery().kept_aside, Vec::<String>::new());
    assert!(path.join(format!("{name}.torn")).exists());
}

#[test]
fn a_torn_commit_in_a_log_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    crashed(&path, b"a value that is torn");
    assert_kept(&path, ".wal", b"a value that is torn");
}

#[test]
fn a_torn_commit_in_the_value_log_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let last = [vec![b'v'; 2_000], b"its end".to_vec()].concat();
    crashed(&path, &last);
    assert_kept(&path, ".vlog", b"its end");
}

#[test]
fn a_torn_edit_of_the_manifest_is_kept_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let db = options().open(&path).unwrap();
    put(&db, b"first", b"whole", Durability::Sync);
    drop(db);
    let manifest = path.join("MANIFEST");
    let mut bytes = std::fs::read(&manifest).unwrap();
    bytes.extend_from_slice(b"half an edit");
    std::fs::write(&manifest, &bytes).unwrap();
    let db = options().open(&path).unwrap();
    assert_eq!(db.recovery().kept_aside, ["MANIFEST.torn"]);
    let kept = std::fs::read(path.join("MANIFEST.torn")).unwrap();
    assert_eq!(kept, b"half an edit");
    let snapshot = db.snapshot().unwrap();
    assert!(snapshot.get(Space::DEFAULT, b"first").unwrap().is_some());
}

#[test]
fn a_copy_from_which_a_whole_frame_was_taken_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let db = options().open(directory.path().join("store")).unwrap();
    for key in 0..40_u8 {
        put(&db, &[key], &[key; 30_000], Durability::Buffered);
    }
    let mut copy = Vec::new();
    kv_api::capability::Backup::backup(&db, &mut copy).unwrap();
    // A header of 32 bytes, then frames of length, checksum and records.
    let end_of = |start: usize| {
        let len = copy[start..start + 8].try_into().unwrap();
        start + 12 + usize::try_from(u64::from_le_bytes(len)).unwrap()
    };
    let (first, second) = (end_of(32), end_of(end_of(32)));
    let cut = [&copy[..first], &copy[second..]].concat();
    let other = options().open(directory.path().join("other")).unwrap();
    let refused = other.load(&mut &cut[..]).map_err(|error| error.kind());
    assert_eq!(refused, Err(ErrorKind::Corrupt));
}
