//! Laws about the space without a name, beside those that have one.

use kv_api::{Cursor, Durability, ErrorKind, Reader, Result, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{contents, opened, pairs_in, pairs_of, put_pairs};

/// A key of the default space and a space may have the same name, or the second is refused as
/// [`ErrorKind::Incompatible`]: they are never mixed up.
pub fn a_key_and_a_space_of_one_name_are_never_mixed_up<F: Fixture>() {
    for key_first in [true, false] {
        let (_fixture, store) = opened::<F>();
        let mut tx = store.begin().unwrap();
        let (key_kept, space_kept) = if key_first {
            let put = tx.put(Space::DEFAULT, b"name", b"value");
            (kept(put), kept(tx.create_space(b"name").map(drop)))
        } else {
            let created = kept(tx.create_space(b"name").map(drop));
            (kept(tx.put(Space::DEFAULT, b"name", b"value")), created)
        };
        assert!(
            key_kept || space_kept,
            "nothing stood in the way of the first"
        );
        if let Some(space) = tx.space(b"name").unwrap() {
            tx.put(space, b"inside", b"other").unwrap();
        }
        tx.commit(Durability::Sync).unwrap();
        let snapshot = store.snapshot().unwrap();
        let value = key_kept.then(|| b"value".to_vec());
        assert_eq!(found_or_refused(&snapshot, b"name"), value);
        assert_eq!(
            pairs_in(&snapshot, Space::DEFAULT).len(),
            usize::from(key_kept)
        );
        assert_eq!(snapshot.space(b"name").unwrap().is_some(), space_kept);
        assert_eq!(
            snapshot.space_names().unwrap().len(),
            usize::from(space_kept)
        );
    }
}

/// Whether a change was made; it may be refused as incompatible only.
fn kept(change: Result<()>) -> bool {
    match change {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
            false
        }
    }
}

fn found_or_refused(reader: &impl Reader, key: &[u8]) -> Option<Vec<u8>> {
    match reader.get(Space::DEFAULT, key) {
        Ok(found) => found.map(|value| value.to_vec()),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
            None
        }
    }
}

/// A cursor over the default space never shows a space.
pub fn the_default_space_never_shows_a_space<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = pairs_of(&[b"b", b"d", b"f"]);
    let names: [&[u8]; 5] = [b"a", b"c", b"cc", b"e", b"g"];
    let mut tx = store.begin().unwrap();
    for name in names {
        tx.create_space(name).unwrap();
    }
    put_pairs(&mut tx, Space::DEFAULT, &pairs).unwrap();
    shows_no_space(&tx);
    tx.commit(Durability::Sync).unwrap();
    shows_no_space(&store.snapshot().unwrap());
}

/// For `b`, `d`, `f` in the default space and spaces beside and between them.
fn shows_no_space(reader: &impl Reader) {
    let mut cursor = reader.cursor(Space::DEFAULT).unwrap();
    assert_eq!(first_byte(cursor.first()), Some(b'b'));
    assert_eq!(first_byte(cursor.prev()), None);
    assert_eq!(first_byte(cursor.next()), Some(b'd'));
    assert_eq!(first_byte(cursor.next()), Some(b'f'));
    assert_eq!(first_byte(cursor.next()), None);
    assert_eq!(first_byte(cursor.prev()), Some(b'd'));
    assert_eq!(first_byte(cursor.last()), Some(b'f'));
    assert_eq!(first_byte(cursor.seek(b"a")), Some(b'b'));
    assert_eq!(first_byte(cursor.seek(b"c")), Some(b'd'));
    assert_eq!(first_byte(cursor.seek_for_prev(b"cc")), Some(b'b'));
    assert_eq!(first_byte(cursor.seek_for_prev(b"a")), None);
    assert_eq!(first_byte(cursor.next()), Some(b'b'));
    assert_eq!(first_byte(cursor.seek(b"g")), None);
    assert_eq!(first_byte(cursor.prev()), Some(b'f'));
}

fn first_byte<S: std::ops::Deref<Target = [u8]>>(moved: Result<Option<(S, S)>>) -> Option<u8> {
    moved.unwrap().map(|(key, _)| key[0])
}

/// Deleting in the default space never removes a space: `delete` of its name leaves it or is
/// refused as [`ErrorKind::Incompatible`], `delete_range` leaves it.
pub fn deleting_in_the_default_space_leaves_the_spaces<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    put_pairs(&mut tx, Space::DEFAULT, &pairs_of(&[b"b", b"d"])).unwrap();
    for name in [&b"a"[..], b"c", b"e"] {
        let space = tx.create_space(name).unwrap();
        tx.put(space, b"key", name).unwrap();
    }
    tx.commit(Durability::Sync).unwrap();
    let mut tx = store.begin().unwrap();
    kept(tx.delete(Space::DEFAULT, b"c"));
    tx.delete_range(Space::DEFAULT, ..).unwrap();
    assert_eq!(tx.space_names().unwrap(), [&b"a"[..], b"c", b"e"]);
    tx.commit(Durability::Sync).unwrap();
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(all[&b""[..]], []);
    for name in [&b"a"[..], b"c", b"e"] {
        assert_eq!(all[name], [(b"key".to_vec(), name.to_vec())]);
    }
}
