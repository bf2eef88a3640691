//! One test for each way a damaged file once fooled a reader; what fooled a writer is in
//! `findings_writing`.

use std::sync::Arc;

use disk::Disk;
use kv_api::capability::{BucketVisitor, NestedReader};
use txn::{Db, Error, ErrorKind, FreelistStorage, Options, Result, Snapshot, Transaction};

use super::craft::{
    BUCKET, PAGE, PAIR, branch, bucket_at, file, inline_bucket, leaf, set_overflow,
};
use super::memory::MemoryDisk;
use super::reading::read_both_ways;
use super::seeds::PATH;

pub(super) fn open(bytes: &[u8]) -> Db {
    open_on(&MemoryDisk::with(PATH, bytes.to_vec()).as_dyn())
}

pub(super) fn open_on(disk: &Arc<dyn Disk>) -> Db {
    let options = Options::new().freelist(FreelistStorage::Always);
    options.disk(Arc::clone(disk)).open(PATH).unwrap()
}

fn findings(snapshot: &Snapshot) -> Vec<String> {
    let mut all = Vec::new();
    txn::check(snapshot, &mut |finding| {
        all.push(format!("{}: {}", finding.place, finding.what))
    })
    .unwrap();
    all
}

#[track_caller]
pub(super) fn refused<T: std::fmt::Debug>(result: Result<T>) {
    assert_eq!(result.unwrap_err().kind(), ErrorKind::Corrupt);
}

/// Steps that may fail, and then a commit that must.
pub(super) fn commit_after(bytes: &[u8], steps: impl FnOnce(&mut Transaction)) -> Result<()> {
    let disk = MemoryDisk::with(PATH, bytes.to_vec());
    let db = open_on(&disk.as_dyn());
    let mut transaction = db.begin().unwrap();
    steps(&mut transaction);
    let committed = transaction.commit();
    assert!(
        committed.is_ok() || disk.contents(PATH)[3 * PAGE..bytes.len()] == bytes[3 * PAGE..],
        "a refused commit wrote on pages in use"
    );
    committed
}

/// A bucket with one readable leaf and one that is missing.
pub(super) fn half_a_bucket() -> Vec<u8> {
    let value = bucket_at(4);
    file(&[
        leaf(3, &[(BUCKET, b"b", &value), (PAIR, b"c", b"1")]),
        branch(4, &[(b"a", 5), (b"m", 6)]),
        leaf(5, &[(PAIR, b"a", b"1")]),
        leaf(99, &[]),
    ])
}

/// `levels` branches, each naming the next one twice, above one leaf.
fn doubling_branches(levels: u64, last: &[(u32, &[u8], &[u8])]) -> Vec<u8> {
    let mut runs: Vec<_> = (3..3 + levels)
        .map(|id| branch(id, &[(b"a", id + 1), (b"b", id + 1)]))
        .collect();
    runs.push(leaf(3 + levels, last));
    file(&runs)
}

/// Steps until the end or an error.
fn steps_of(db: &Db, forward: bool) -> usize {
    let snapshot = db.snapshot().unwrap();
    let mut cursor = snapshot.cursor();
    let mut steps = 0;
    let mut moved = if forward {
        cursor.first()
    } else {
        cursor.last()
    };
    while let Ok(Some(_)) = moved {
        steps += 1;
        moved = if forward {
            cursor.next()
        } else {
            cursor.prev()
        };
    }
    steps
}

#[test]
fn a_leaf_reached_along_a_million_paths_is_not_read_a_million_times() {
    for last in [&[(PAIR, &b"z"[..], &b""[..]), (PAIR, b"a", b"")][..], &[]] {
        let db = open(&doubling_branches(20, last));
        assert!(steps_of(&db, true) < 100);
        assert!(steps_of(&db, false) < 100);
    }
}

/// Leaves that each claim all the pages behind them.
fn leaves_on_each_other(leaves: u64) -> Vec<u8> {
    let keys: Vec<[u8; 1]> = (0..leaves as u8).map(|key| [key + 1]).collect();
    let children: Vec<(&[u8], u64)> = keys
        .iter()
        .zip(4..)
        .map(|(key, id)| (&key[..], id))
        .collect();
    let mut runs = vec![branch(3, &children)];
    for (key, left) in keys.iter().zip((0..leaves as usize).rev()) {
        let value = vec![7; 900 + left * PAGE];
        let mut run = leaf(4, &[(PAIR, key, &value)]);
        set_overflow(&mut run, left as u32);
        let id = 3 + leaves - left as u64;
        run[..8].copy_from_slice(&id.to_le_bytes());
        runs.push(run[..PAGE].to_vec());
    }
    file(&runs)
}

#[test]
fn pages_that_lie_on_each_other_are_not_lent_one_by_one() {
    let db = open(&leaves_on_each_other(30));
    assert!(
        steps_of(&db, true) < 15,
        "half of them hold more than all of the file"
    );
    assert!(steps_of(&db, false) <= 15);
    read_both_ways(
        &MemoryDisk::with(PATH, leaves_on_each_other(30)).as_dyn(),
        PATH,
    );
}

/// A leaf of sixty keys, each with the rest of the page for its value.
fn elements_on_each_other() -> Vec<u8> {
    let keys: Vec<[u8; 1]> = (0..30).map(|key| [key + 1]).collect();
    let pairs: Vec<_> = keys.iter().map(|key| (PAIR, &key[..], &b""[..])).collect();
    let mut image = leaf(3, &pairs);
    for index in 0..pairs.len() {
        let at = 16 + index * 16;
        let start = 16 + pairs.len() * 16 + index;
        let rest = (PAGE - start - 1) as u32;
        image[at + 12..at + 16].copy_from_slice(&rest.to_le_bytes());
    }
    file(&[image])
}

#[test]
fn elements_that_share_bytes_are_damage() {
    let bytes = elements_on_each_other();
    let db = open(&bytes);
    let snapshot = db.snapshot().unwrap();
    assert!(
        steps_of(&db, true) < 3,
        "sixty times the page would be lent"
    );
    let expected = "page 3: element 1: its bytes are also those before it";
    assert_eq!(findings(&snapshot)[0], expected);
    refused(commit_after(&bytes, |tx| {
        refused(tx.root().put([31], "new"))
    }));
}

#[test]
fn an_element_does_not_name_the_pages_own_table() {
    let mut image = leaf(3, &[(PAIR, b"a", b"1"), (PAIR, b"b", b"2")]);
    image[20..24].copy_from_slice(&0_u32.to_le_bytes());
    let db = open(&file(&[image]));
    refused(db.snapshot().unwrap().root().cursor().first());
}

/// Buckets inside each other's values, two at each level sharing the bytes of the next.
fn doubling_inline_buckets(levels: usize) -> Vec<u8> {
    let mut value = inline_bucket(&[]);
    for _ in 0..levels {
        let next = inline_bucket(&[(BUCKET, b"ab", &value), (BUCKET, b"b", b"")]);
        // The second element's key is the end of the first one's, its value the same.
        let mut next = next[..next.len() - 1].to_vec();
        let position = 16 + 1_u32;
        next[32 + 16 + 4..32 + 16 + 8].copy_from_slice(&position.to_le_bytes());
        next[32 + 16 + 12..32 + 32].copy_from_slice(&(value.len() as u32).to_le_bytes());
        value = next;
    }
    file(&[leaf(3, &[(BUCKET, b"outer", &value)])])
}

#[derive(Default)]
struct Count(usize);

impl BucketVisitor for Count {
    fn enter(&mut self, _name: &[u8], _sequence: u64) -> Result<()> {
        self.0 += 1;
        Ok(())
    }

    fn pair(&mut self, _key: &[u8], _value: &[u8]) -> Result<()> {
        self.0 += 1;
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_bucket_inside_an_inline_bucket_is_damage_however_it_is_reached() {
    let db = open(&doubling_inline_buckets(16));
    let snapshot = db.snapshot().unwrap();
    let mut count = Count::default();
    refused(snapshot.visit(&mut count));
    assert!(count.0 < 10);
    assert_eq!(findings(&snapshot).len(), 1);
    let outer = snapshot.bucket("outer").unwrap();
    refused(outer.bucket("ab").map(drop));
    let mut cursor = outer.cursor();
    cursor.first().unwrap();
    refused(cursor.bucket().map(drop));
    let mut transaction = db.begin().unwrap();
    refused(transaction.bucket("outer").map(drop));
}

#[test]
fn buckets_that_share_their_pages_are_not_visited_one_by_one() {
    let long = vec![7; 9 * PAGE];
    let names: Vec<[u8; 1]> = (0..20).map(|name| [name + 1]).collect();
    let values: Vec<_> = (4..).take(20).map(bucket_at).collect();
    let entries: Vec<_> = names
        .iter()
        .zip(&values)
        .map(|(name, value)| (BUCKET, &name[..], &value[..]))
        .collect();
    let mut runs = vec![leaf(3, &entries)];
    runs.extend((4..24).map(|id| branch(id, &[(b"k", 24)])));
    runs.push(leaf(24, &[(PAIR, b"k", &long)]));
    let db = open(&file(&runs));
    let mut count = Count::default();
    refused(db.snapshot().unwrap().visit(&mut count));
    assert!(count.0 < 10);
}

#[test]
fn an_error_names_the_page_that_is_damaged() {
    let db = open(&half_a_bucket());
    let error = db.snapshot().unwrap().inspect().unwrap_err();
    assert!(
        matches!(
            error,
            Error::Corrupt {
                place: kv_api::Place::Page(6),
                ..
            }
        ),
        "{error:?}"
    );
}
