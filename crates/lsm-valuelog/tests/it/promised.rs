//! Logs that lost something: a commit that was promised is told as damage, one that was not is cut
//! off and kept aside, and nothing is taken for the commit that follows but what was written so.

use std::path::{Path, PathBuf};

use kv_api::{Durability, ErrorKind, Space, Transaction};
use lsm_valuelog::{Db, Options};

use crate::pairs::pairs;

fn options() -> Options {
    Options::new()
        .background(false)
        .memtable_bytes(64 << 10)
        .value_threshold_bytes(1_000)
}

/// Values that go to the write-ahead log, and to the value log.
const SMALL: usize = 100;
const LARGE: usize = 2_000;

/// A store that was not closed, with commits of values that are so long and told apart by their
/// bytes; the first is always promised.
fn crashed(path: &Path, lengths: &[usize], durability: Durability) {
    let db = options().open(path).unwrap();
    put(&db, 0, SMALL, Durability::Sync);
    for (number, len) in (1..).zip(lengths) {
        put(&db, number, *len, durability);
    }
}

fn put(db: &Db, number: u8, len: usize, durability: Durability) {
    let mut tx = db.begin().unwrap();
    tx.put(Space::DEFAULT, &[number], &vec![b'a' + number; len])
        .unwrap();
    tx.commit(durability).unwrap();
}

fn keys(db: &Db) -> Vec<u8> {
    pairs(db).into_keys().map(|key| key[0]).collect()
}

fn logs(path: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(path).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_log = |path: &PathBuf| {
        let end = path.extension();
        end.is_some_and(|end| end == "wal" || end == "vlog")
    };
    let mut logs: Vec<PathBuf> = paths.filter(is_log).collect();
    logs.sort();
    logs
}

/// Where the value with this number stands: its log, and the place there.
fn place_of(path: &Path, number: u8, len: usize) -> (PathBuf, usize) {
    let value = vec![b'a' + number; len];
    let mut found = logs(path).into_iter().filter_map(|log| {
        let bytes = std::fs::read(&log).unwrap();
        let at = bytes.windows(len).position(|window| window == value)?;
        Some((log, at))
    });
    let place = found.next().unwrap();
    assert_eq!(found.next(), None);
    place
}

/// Turns a bit of the value with this number.
fn damage(path: &Path, number: u8, len: usize) -> impl Fn() {
    let (log, at) = place_of(path, number, len);
    let flip = move || {
        let mut bytes = std::fs::read(&log).unwrap();
        bytes[at + len / 2] ^= 1;
        std::fs::write(&log, &bytes).unwrap();
    };
    flip();
    flip
}

#[test]
fn a_promised_commit_that_is_damaged_in_one_log_is_told_whichever_log_says_that_it_was() {
    let rows: [&[usize]; 8] = [
        &[SMALL, SMALL],
        &[LARGE, LARGE],
        &[SMALL, LARGE],
        &[LARGE, SMALL],
        &[SMALL, SMALL, LARGE],
        &[LARGE, LARGE, SMALL],
        &[SMALL, LARGE, LARGE, SMALL],
        &[LARGE, SMALL, SMALL, LARGE],
    ];
    for lengths in rows {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        crashed(&path, lengths, Durability::Sync);
        let flip_back = damage(&path, 1, lengths[0]);
        let read = || -> Vec<Vec<u8>> {
            let logs = logs(&path);
            logs.iter().map(|log| std::fs::read(log).unwrap()).collect()
        };
        let before = read();
        for reads_only in [true, false, false] {
            let opened = options().read_only(reads_only).open(&path);
            let error = opened.map(drop).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Corrupt, "{lengths:?} {error}");
            assert_eq!(read(), before, "nothing is cut off");
        }
        // Whoever has the right bytes elsewhere loses nothing.
        flip_back();
        let db = options().open(&path).unwrap();
        let all: Vec<u8> = (0..=lengths.len() as u8).collect();
        assert_eq!(keys(&db), all, "{lengths:?}");
    }
}

#[test]
fn a_log_that_is_gone_with_promised_commits_is_told_by_the_other() {
    for reads_only in [true, false] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        crashed(&path, &[LARGE], Durability::Sync);
        let (log, _) = place_of(&path, 0, SMALL);
        std::fs::remove_file(log).unwrap();
        let opened = options().read_only(reads_only).open(&path);
        let error = opened.map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn what_is_cut_off_whole_behind_a_gap_is_counted_and_kept_aside() {
    let rows: [&[usize]; 4] = [
        &[LARGE, SMALL],
        &[SMALL, LARGE],
        &[LARGE, SMALL, SMALL, SMALL],
        &[SMALL, LARGE, LARGE],
    ];
    for lengths in rows {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("store");
        crashed(&path, lengths, Durability::Buffered);
        let (log, _) = place_of(&path, 2, lengths[1]);
        let _ = damage(&path, 1, lengths[0]);
        let db = options().open(&path).unwrap();
        assert_eq!(keys(&db), [0], "{lengths:?}");
        let recovery = db.recovery();
        assert_eq!(recovery.commits, 1);
        assert_eq!(recovery.cut_commits, lengths.len() as u64 - 1);
        assert_eq!(recovery.kept_aside.len(), 2, "{recovery:?}");
        let name = log.file_name().unwrap().to_string_lossy().into_owned();
        let kept = std::fs::read(path.join(format!("{name}.torn"))).unwrap();
        for (number, len) in (2..).zip(&lengths[1..]) {
            let value = vec![b'a' + number; *len];
            let is_kept = kept.windows(*len).any(|window| window == value);
            assert!(is_kept, "{lengths:?} {number}");
        }
    }
}

#[test]
fn what_followed_another_commit_is_not_taken_for_what_follows_this_one() {
    let home = tempfile::tempdir().unwrap();
    let [refused, path] = ["refused", "store"].map(|name| home.path().join(name));
    let begin = |path: &Path, second: u8| {
        let db = options().open(path).unwrap();
        for key in [0, 1] {
            let mut tx = db.begin().unwrap();
            let byte = if key == 1 { second } else { b'a' };
            tx.put(Space::DEFAULT, &[key], &[byte; SMALL]).unwrap();
            tx.commit(Durability::Buffered).unwrap();
        }
        db
    };
    // Of two commits that were refused, the second was written, and stands where it would if
    // another that is as long had come before it.
    put(&begin(&refused, b'r'), 2, SMALL, Durability::Buffered);
    drop(begin(&path, b'b'));
    let ([from], [to]) = (
        <[PathBuf; 1]>::try_from(logs(&refused)).unwrap(),
        <[PathBuf; 1]>::try_from(logs(&path)).unwrap(),
    );
    assert_eq!(from.file_name(), to.file_name());
    let mut bytes = std::fs::read(&to).unwrap();
    let left = std::fs::read(&from).unwrap().split_off(bytes.len());
    assert!((SMALL..2 * SMALL).contains(&left.len()), "{}", left.len());
    bytes.extend(&left);
    std::fs::write(&to, &bytes).unwrap();
    let db = options().open(&path).unwrap();
    assert_eq!(pairs(&db)[&vec![1]], [b'b'; SMALL]);
    assert_eq!(keys(&db), [0, 1]);
    assert_eq!(db.recovery().commits, 2);
    // But for the zeros behind it.
    let torn_bytes = usize::try_from(db.recovery().torn_bytes).unwrap();
    assert!((left.len() - 8..=left.len()).contains(&torn_bytes));
}
