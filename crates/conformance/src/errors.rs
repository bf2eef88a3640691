//! Laws about what is refused, and how.

use kv_api::{ErrorKind, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{assert_kind, commit_one, contents, newest, opened, pairs_in};

/// After `close`, every call answers [`ErrorKind::Closed`].
pub fn a_closed_store_answers_closed<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"a", b"1");
    store.close().unwrap();
    let closed = ErrorKind::Closed;
    assert_kind(store.snapshot(), closed, "snapshot");
    assert_kind(store.begin(), closed, "begin");
    assert_kind(store.try_begin(), closed, "try_begin");
    assert_kind(store.sync(), closed, "sync");
    assert_kind(store.view(|_| Ok(())), closed, "view");
    assert_kind(store.update(|_| Ok(())), closed, "update");
    assert_kind(store.update_retry(|_| Ok(())), closed, "update_retry");
    let tried: kv_api::Result<()> = store.try_update(|_| Ok(()));
    assert_kind(tried, closed, "try_update");
}

/// A second close does nothing.
pub fn a_second_close_does_nothing<F: Fixture>() {
    let (fixture, store) = opened::<F>();
    commit_one(&store, b"a", b"1");
    store.close().unwrap();
    store.close().unwrap();
    store.close().unwrap();
    drop(store);
    let store = fixture.open().unwrap();
    assert_eq!(newest(&store, b"a").as_deref(), Some(&b"1"[..]));
}

/// An empty key is refused by every call that would set it, and the transaction lives on.
pub fn an_empty_key_is_refused<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    let space = tx.create_space(b"s").unwrap();
    for space in [Space::DEFAULT, space] {
        let invalid = ErrorKind::Invalid;
        assert_kind(tx.put(space, b"", b"v"), invalid, "put");
        assert_kind(
            tx.insert_if_absent(space, b"", b"v"),
            invalid,
            "insert_if_absent",
        );
        let swapped = tx.compare_and_swap(space, b"", None, Some(b"v"));
        assert_kind(swapped, invalid, "compare_and_swap");
        tx.put(space, b"a", b"1").unwrap();
    }
    tx.commit(kv_api::Durability::Sync).unwrap();
    let all = contents(&store.snapshot().unwrap());
    assert!(
        all.values()
            .all(|pairs| *pairs == [(b"a".to_vec(), b"1".to_vec())])
    );
}

/// A key above 32,768 bytes is kept as it is or refused as [`ErrorKind::TooLarge`], and the
/// transaction lives on.
pub fn a_larger_key_is_kept_or_refused<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    let mut kept = vec![(b"a".to_vec(), b"1".to_vec())];
    tx.put(Space::DEFAULT, b"a", b"1").unwrap();
    for length in [32_769, 65_535, 65_536, 65_537, 100_000] {
        let key = vec![b'k'; length];
        match tx.put(Space::DEFAULT, &key, b"v") {
            Ok(()) => kept.push((key, b"v".to_vec())),
            Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge, "{length}: {error}"),
        }
    }
    tx.commit(kv_api::Durability::Sync).unwrap();
    assert!(pairs_in(&store.snapshot().unwrap(), Space::DEFAULT) == kept);
}

/// Looking for a key that is too large to be there finds nothing, or is refused as
/// [`ErrorKind::TooLarge`]; a range may end at one.
pub fn a_larger_key_may_be_looked_for<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    commit_one(&store, b"a", b"1");
    commit_one(&store, b"z", b"2");
    let key = vec![b'k'; 100_000];
    let snapshot = store.snapshot().unwrap();
    match snapshot.get(Space::DEFAULT, &key) {
        Ok(found) => assert!(found.is_none()),
        Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge),
    }
    let below = snapshot.range(Space::DEFAULT, ..&key[..]).unwrap();
    assert_eq!(
        below.map(|pair| pair.unwrap().0[0]).collect::<Vec<_>>(),
        b"a"
    );
    let above = snapshot.range(Space::DEFAULT, &key[..]..).unwrap();
    assert_eq!(
        above.map(|pair| pair.unwrap().0[0]).collect::<Vec<_>>(),
        b"z"
    );
}

/// A long name of a space is kept as it is or refused as [`ErrorKind::TooLarge`].
pub fn a_long_name_is_kept_or_refused<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    let mut kept = Vec::new();
    for length in [256, 1_000, 32_768, 40_000, 70_000] {
        let name = vec![b'n'; length];
        match tx.create_space(&name) {
            Ok(space) => {
                tx.put(space, b"key", length.to_string().as_bytes())
                    .unwrap();
                kept.push((name, length));
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::TooLarge, "{length}: {error}"),
        }
    }
    tx.commit(kv_api::Durability::Sync).unwrap();
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(all.len(), kept.len() + 1);
    for (name, length) in kept {
        let value = length.to_string().into_bytes();
        assert!(all[&name] == [(b"key".to_vec(), value)], "{length}");
    }
}
