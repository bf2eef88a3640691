//! One test for each way a damaged file once fooled a writer: into an endless loop, into losing a
//! key, or into committing half a change.

use txn::ErrorKind;

use super::craft::{BUCKET, PAIR, branch, bucket_at, file, file_at, leaf, set_overflow};
use super::findings::{commit_after, half_a_bucket, open, refused};

/// Two leaves whose bounds do not hold: `c` stands behind the separator `m`.
fn key_below_its_separator() -> Vec<u8> {
    file(&[
        branch(3, &[(b"a", 4), (b"m", 5)]),
        leaf(4, &[(PAIR, b"a", b"1")]),
        leaf(5, &[(PAIR, b"c", b"2"), (PAIR, b"n", b"3")]),
    ])
}

fn unordered_leaf() -> Vec<u8> {
    file(&[leaf(
        3,
        &[(PAIR, b"m", b"1"), (PAIR, b"z", b"2"), (PAIR, b"b", b"3")],
    )])
}

#[test]
fn deleting_a_range_ends_although_a_key_cannot_be_found_again() {
    let db = open(&key_below_its_separator());
    let mut transaction = db.begin().unwrap();
    refused(transaction.root().delete_range(..));
}

#[test]
fn a_deleting_cursor_never_goes_round_in_circles() {
    let db = open(&unordered_leaf());
    let mut transaction = db.begin().unwrap();
    let mut root = transaction.root();
    let mut cursor = root.cursor_mut();
    let mut moved = cursor.first().map(|entry| entry.is_some());
    for _ in 0..10 {
        match moved {
            Ok(true) => moved = cursor.next().map(|entry| entry.is_some()),
            Ok(false) => panic!("three keys in no order passed for all there is"),
            Err(error) => return assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }
    panic!("still going after ten steps over three keys");
}

#[test]
fn a_deleting_cursor_that_goes_back_never_goes_up() {
    let bytes = file(&[leaf(3, &[(PAIR, b"b", b"1"), (PAIR, b"a", b"2")])]);
    let db = open(&bytes);
    let mut transaction = db.begin().unwrap();
    let mut root = transaction.root();
    let mut cursor = root.cursor_mut();
    let mut last = cursor.last().unwrap().map(|(key, _)| key.to_vec());
    loop {
        match cursor.prev() {
            Ok(Some((key, _))) => {
                assert!(Some(key) < last.as_deref());
                last = Some(key.to_vec());
            }
            Ok(None) => return,
            Err(error) => return assert_eq!(error.kind(), ErrorKind::Corrupt),
        }
    }
}

#[test]
fn nothing_is_put_on_a_page_whose_keys_are_in_no_order() {
    let committed = commit_after(&unordered_leaf(), |tx| refused(tx.root().put("q", "lost")));
    refused(committed);
}

#[test]
fn a_leaf_whose_keys_leave_its_bounds_is_not_written_again() {
    let bytes = file(&[
        branch(3, &[(b"a", 4), (b"m", 5)]),
        leaf(4, &[(PAIR, b"a", b"1"), (PAIR, b"x", b"2")]),
        leaf(5, &[(PAIR, b"m", b"3")]),
    ]);
    refused(commit_after(&bytes, |tx| {
        tx.root().put("b", "new").unwrap()
    }));
}

#[test]
fn a_bucket_that_could_not_be_deleted_whole_is_not_deleted_in_part() {
    let committed = commit_after(&half_a_bucket(), |tx| {
        refused(tx.delete_bucket("b"));
        tx.root().put("c", "2").unwrap();
    });
    refused(committed);
}

#[test]
fn a_bucket_that_could_not_be_moved_is_not_in_two_places() {
    let (inner, outer) = (bucket_at(5), bucket_at(4));
    let mut source = leaf(
        4,
        &[(BUCKET, b"b", &inner), (PAIR, b"c", b""), (PAIR, b"d", b"")],
    );
    // The last element's value leaves the page; a search for `b` never looks at it.
    source[16 + 2 * 16 + 12..16 + 3 * 16].copy_from_slice(&u32::MAX.to_le_bytes());
    let bytes = file(&[
        leaf(3, &[(BUCKET, b"from", &outer)]),
        source,
        leaf(5, &[(PAIR, b"k", b"v")]),
    ]);
    let committed = commit_after(&bytes, |tx| {
        let to = tx.create_bucket("to").unwrap().id();
        let from = tx.bucket("from").unwrap().id();
        refused(tx.move_bucket("b", from, to));
    });
    refused(committed);
}

#[test]
fn a_tree_whose_pages_lie_on_each_other_is_not_brought_into_memory() {
    let levels = 40;
    let runs: Vec<_> = (0..levels)
        .map(|level| {
            let id = 3 + level;
            let mut run = branch(id, &[(b"k", id + 1)]);
            set_overflow(&mut run, (levels - level) as u32);
            run
        })
        .chain([leaf(3 + levels, &[(PAIR, b"k", b"v")])])
        .collect();
    let db = open(&file(&runs));
    refused(db.begin().unwrap().root().put("k", "w"));
}

#[test]
fn transaction_numbers_end_with_an_error_and_not_with_a_lost_commit() {
    for left in 0..2 {
        let db = open(&file_at(&[leaf(3, &[])], u64::MAX - left));
        refused(db.begin().map(drop));
    }
    let db = open(&file_at(&[leaf(3, &[])], u64::MAX - 2));
    db.update(|tx| tx.root().put("k", "v")).unwrap();
}
