//! Laws about moving through a space that the transaction itself has emptied in part.

use kv_api::{Cursor, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{at, commit_pairs, numbered, opened, own, put_pairs};

/// A transaction that emptied a region of many pages walks across it both ways, and seeks into
/// it both ways.
pub fn a_cursor_crosses_a_region_emptied_by_its_transaction<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(3_000);
    commit_pairs(&store, &pairs);
    let mut tx = store.begin().unwrap();
    for (key, _) in &pairs[1_000..1_500] {
        tx.delete(Space::DEFAULT, key).unwrap();
    }
    tx.delete_range(Space::DEFAULT, &pairs[1_500].0..&pairs[2_000].0)
        .unwrap();
    let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
    let (below, above) = (Some(&pairs[999]), Some(&pairs[2_000]));
    for inside in [1_000, 1_001, 1_499, 1_500, 1_999] {
        let (key, _) = &pairs[inside];
        assert_eq!(at!(cursor.seek(key)).as_ref(), above, "{inside}");
        assert_eq!(at!(cursor.prev()).as_ref(), below, "{inside}");
        assert_eq!(at!(cursor.seek_for_prev(key)).as_ref(), below, "{inside}");
        assert_eq!(at!(cursor.next()).as_ref(), above, "{inside}");
        assert_eq!(at!(cursor.prev()).as_ref(), below, "{inside}");
        assert_eq!(at!(cursor.next()).as_ref(), above, "{inside}");
    }
}

/// A transaction that emptied the front and the back finds its ends further in.
pub fn the_ends_move_when_a_transaction_empties_them<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(3_000);
    commit_pairs(&store, &pairs);
    let mut tx = store.begin().unwrap();
    tx.delete_range(Space::DEFAULT, ..&pairs[1_200].0).unwrap();
    tx.delete_range(Space::DEFAULT, &pairs[1_203].0..).unwrap();
    let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
    assert_eq!(at!(cursor.first()).as_ref(), Some(&pairs[1_200]));
    assert_eq!(at!(cursor.prev()), None);
    assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[1_201]));
    assert_eq!(at!(cursor.last()).as_ref(), Some(&pairs[1_202]));
    assert_eq!(at!(cursor.next()), None);
    assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[1_201]));
    assert_eq!(at!(cursor.seek(&pairs[2_000].0)), None);
    assert_eq!(at!(cursor.prev()).as_ref(), Some(&pairs[1_202]));
    assert_eq!(at!(cursor.seek_for_prev(&pairs[7].0)), None);
    assert_eq!(at!(cursor.next()).as_ref(), Some(&pairs[1_200]));
}

/// A transaction that emptied everything shows an empty space, and then only what it puts.
pub fn a_transaction_that_emptied_everything_shows_nothing<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(2_000);
    commit_pairs(&store, &pairs);
    let mut tx = store.begin().unwrap();
    for (key, _) in &pairs {
        tx.delete(Space::DEFAULT, key).unwrap();
    }
    {
        let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
        assert_eq!(at!(cursor.first()), None);
        assert_eq!(at!(cursor.last()), None);
        assert_eq!(at!(cursor.seek(&pairs[1_000].0)), None);
        assert_eq!(at!(cursor.prev()), None);
        assert_eq!(at!(cursor.seek_for_prev(&pairs[1_000].0)), None);
        assert_eq!(at!(cursor.next()), None);
    }
    put_pairs(&mut tx, Space::DEFAULT, &pairs[500..501]).unwrap();
    let mut cursor = tx.cursor(Space::DEFAULT).unwrap();
    assert_eq!(at!(cursor.first()).as_ref(), Some(&pairs[500]));
    assert_eq!(at!(cursor.next()), None);
    assert_eq!(at!(cursor.prev()), None);
}
