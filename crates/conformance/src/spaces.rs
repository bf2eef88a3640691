//! Laws about named spaces and the one without a name.

use kv_api::{Bytes, Durability, ErrorKind, Reader, Result, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    assert_kind, commit_pairs, contents, numbered, opened, pairs_in, pairs_of, put_pairs, value_in,
    value_of,
};

/// Creating a space that exists answers it, with what it holds.
pub fn creating_a_space_again_keeps_it<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let create_and_read = |tx: &mut <F::Store as Store>::Transaction| {
        let space = tx.create_space(b"s")?;
        Ok(value_in(tx, space, b"key"))
    };
    store
        .update(|tx| {
            let first = tx.create_space(b"s")?;
            tx.put(first, b"key", b"value")?;
            let second = tx.create_space(b"s")?;
            assert_eq!(value_in(tx, second, b"key").as_deref(), Some(&b"value"[..]));
            assert_eq!(value_in(tx, first, b"key").as_deref(), Some(&b"value"[..]));
            Ok(())
        })
        .unwrap();
    let later = store.update(create_and_read).unwrap();
    assert_eq!(later.as_deref(), Some(&b"value"[..]));
}

/// A space that was never created is not there; one that was is, with its pairs or empty.
pub fn a_space_is_there_once_it_is_created<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    assert_eq!(store.snapshot().unwrap().space(b"s").unwrap(), None);
    let mut tx = store.begin().unwrap();
    assert_eq!(tx.space(b"s").unwrap(), None);
    tx.create_space(b"s").unwrap();
    assert!(tx.space(b"s").unwrap().is_some(), "within the transaction");
    assert_eq!(store.snapshot().unwrap().space(b"s").unwrap(), None);
    tx.commit(Durability::Sync).unwrap();
    let snapshot = store.snapshot().unwrap();
    let space = snapshot.space(b"s").unwrap().expect("an empty space stays");
    assert_eq!(pairs_in(&snapshot, space), []);
}

/// `space_names` lists every space but the default one, ascending bytewise.
pub fn space_names_ascend<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let long = [b'n'; 255];
    let names: [&[u8]; 7] = [
        b"m",
        b"\xFF",
        b"\0",
        b"mm",
        b"\x80\xFF",
        &long,
        b"with space",
    ];
    let mut sorted = names.map(Bytes::copy_from_slice).to_vec();
    sorted.sort();
    let mut tx = store.begin().unwrap();
    for name in names {
        tx.create_space(name).unwrap();
    }
    assert_eq!(tx.space_names().unwrap(), sorted);
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(store.snapshot().unwrap().space_names().unwrap(), sorted);
}

/// The same key in several spaces is several pairs.
pub fn spaces_are_independent<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let names: [&[u8]; 4] = [b"a", b"ab", b"b", b"\xFF"];
    let mut tx = store.begin().unwrap();
    tx.put(Space::DEFAULT, b"key", b"default").unwrap();
    for name in names {
        let space = tx.create_space(name).unwrap();
        tx.put(space, b"key", name).unwrap();
        tx.put(space, b"own", name).unwrap();
    }
    let second = tx.space(b"ab").unwrap().unwrap();
    tx.delete(second, b"key").unwrap();
    tx.commit(Durability::Sync).unwrap();
    let snapshot = store.snapshot().unwrap();
    for name in names {
        let space = snapshot.space(name).unwrap().unwrap();
        let kept = (name != b"ab").then_some(name);
        assert_eq!(value_in(&snapshot, space, b"key").as_deref(), kept);
        assert_eq!(value_in(&snapshot, space, b"own").as_deref(), Some(name));
    }
    assert_eq!(
        value_of(&snapshot, b"key").as_deref(),
        Some(&b"default"[..])
    );
    assert_eq!(value_of(&snapshot, b"own"), None);
}

/// `drop_space` removes a space with all it holds, and answers whether there was one.
pub fn dropping_a_space_answers_whether_there_was_one<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    assert!(!store.update(|tx| tx.drop_space(b"s")).unwrap());
    store
        .update(|tx| {
            let space = tx.create_space(b"s")?;
            put_pairs(tx, space, &numbered(2_000))
        })
        .unwrap();
    let mut tx = store.begin().unwrap();
    assert!(tx.drop_space(b"s").unwrap());
    assert!(!tx.drop_space(b"s").unwrap());
    assert_eq!(tx.space(b"s").unwrap(), None);
    assert!(tx.space_names().unwrap().is_empty());
    tx.commit(Durability::Sync).unwrap();
    assert_eq!(store.snapshot().unwrap().space(b"s").unwrap(), None);
    assert!(!store.update(|tx| tx.drop_space(b"s")).unwrap());
}

/// A space dropped and made again is empty, in the same transaction and in a later one.
pub fn a_space_made_again_is_empty<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(800);
    let fill = |tx: &mut <F::Store as Store>::Transaction| {
        let space = tx.create_space(b"s")?;
        put_pairs(tx, space, &pairs)
    };
    store.update(fill).unwrap();
    let mut tx = store.begin().unwrap();
    tx.drop_space(b"s").unwrap();
    let again = tx.create_space(b"s").unwrap();
    assert_eq!(pairs_in(&tx, again), []);
    tx.put(again, b"new", b"").unwrap();
    tx.commit(Durability::Sync).unwrap();
    let found = contents(&store.snapshot().unwrap());
    assert_eq!(found[&b"s"[..]], [(b"new".to_vec(), vec![])]);
    store.update(|tx| tx.drop_space(b"s")).unwrap();
    store.update(|tx| tx.create_space(b"s").map(drop)).unwrap();
    assert_eq!(contents(&store.snapshot().unwrap())[&b"s"[..]], []);
}

/// Dropping one space leaves its neighbours and the default one alone.
pub fn dropping_a_space_leaves_the_others_alone<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(300);
    commit_pairs(&store, &pairs);
    store
        .update(|tx| {
            for name in [&b"s"[..], b"s1", b"s2", b"t"] {
                let space = tx.create_space(name)?;
                put_pairs(tx, space, &pairs)?;
            }
            Ok(())
        })
        .unwrap();
    store.update(|tx| tx.drop_space(b"s1")).unwrap();
    let all = contents(&store.snapshot().unwrap());
    let names: Vec<&[u8]> = all.keys().map(|name| &name[..]).collect();
    assert_eq!(names, [&b""[..], b"s", b"s2", b"t"]);
    assert!(all.values().all(|found| *found == pairs));
}

/// Creating and dropping spaces is rolled back like anything else.
pub fn rolling_back_restores_spaces<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = pairs_of(&[b"a", b"b"]);
    store
        .update(|tx| {
            let space = tx.create_space(b"old")?;
            put_pairs(tx, space, &pairs)
        })
        .unwrap();
    let mut tx = store.begin().unwrap();
    tx.create_space(b"new").unwrap();
    tx.drop_space(b"old").unwrap();
    tx.rollback();
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(all.len(), 2, "the default space and the old one");
    assert_eq!(all[&b"old"[..]], pairs);
}

/// A space resolved before it was dropped is stale: using it fails or finds nothing, also when
/// another has its name by then, and never writes into that one.
pub fn a_stale_space_reaches_nothing<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    let stale = tx.create_space(b"s").unwrap();
    tx.put(stale, b"key", b"old").unwrap();
    tx.drop_space(b"s").unwrap();
    finds_nothing(&tx, stale);
    let again = tx.create_space(b"s").unwrap();
    tx.put(again, b"key", b"new").unwrap();
    finds_nothing(&tx, stale);
    // Refused or without effect, whichever the engine prefers.
    let _ = tx.put(stale, b"key", b"wrong");
    let _ = tx.put(stale, b"other", b"wrong");
    let _ = tx.delete(stale, b"key");
    let _ = tx.delete_range(stale, ..);
    assert_eq!(pairs_in(&tx, again), [(b"key".to_vec(), b"new".to_vec())]);
    tx.commit(Durability::Sync).unwrap();
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(all[&b"s"[..]], [(b"key".to_vec(), b"new".to_vec())]);
}

fn finds_nothing(reader: &impl Reader, space: Space) {
    if let Ok(found) = reader.get(space, b"key") {
        assert!(found.is_none(), "a stale space found a value");
    }
    if let Ok(range) = reader.range(space, ..) {
        assert_eq!(
            range.filter(Result::is_ok).count(),
            0,
            "a stale space has pairs"
        );
    }
}

/// A space belongs to the reader that resolved it: every use by another is refused as
/// [`ErrorKind::Invalid`].
pub fn a_foreign_space_is_refused<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    store
        .update(|tx| {
            let space = tx.create_space(b"s")?;
            tx.put(space, b"key", b"value")
        })
        .unwrap();
    let (one, two) = (store.snapshot().unwrap(), store.snapshot().unwrap());
    let of_one = one.space(b"s").unwrap().unwrap();
    refuses_to_read(&two, of_one);
    let owned = kv_api::Snapshot::get_bytes(&two, of_one, b"key");
    assert_kind(owned, ErrorKind::Invalid, "get_bytes");
    let mut tx = store.begin().unwrap();
    refuses_to_read(&tx, of_one);
    refuses_to_write(&mut tx, of_one);
    let of_transaction = tx.space(b"s").unwrap().unwrap();
    refuses_to_read(&one, of_transaction);
    tx.rollback();
    let mut tx = store.begin().unwrap();
    refuses_to_read(&tx, of_transaction);
    refuses_to_write(&mut tx, of_transaction);
    let own = tx.space(b"s").unwrap().unwrap();
    assert_eq!(value_in(&tx, own, b"key").as_deref(), Some(&b"value"[..]));
}

fn refuses_to_read(reader: &impl Reader, foreign: Space) {
    let invalid = ErrorKind::Invalid;
    assert_kind(reader.get(foreign, b"key"), invalid, "get");
    assert_kind(reader.cursor(foreign), invalid, "cursor");
    assert_kind(reader.range(foreign, ..), invalid, "range");
    assert_kind(reader.prefix(foreign, b"k"), invalid, "prefix");
}

fn refuses_to_write(tx: &mut impl Transaction, foreign: Space) {
    let invalid = ErrorKind::Invalid;
    assert_kind(tx.put(foreign, b"key", b""), invalid, "put");
    assert_kind(tx.delete(foreign, b"key"), invalid, "delete");
    assert_kind(tx.delete_range(foreign, ..), invalid, "delete_range");
    assert_kind(
        tx.insert_if_absent(foreign, b"new", b""),
        invalid,
        "insert_if_absent",
    );
    assert_kind(
        tx.compare_and_swap(foreign, b"new", None, Some(b"")),
        invalid,
        "compare_and_swap",
    );
}

/// A space of another store is refused too.
pub fn a_space_of_another_store_is_refused<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let (_other_fixture, other) = opened::<F>();
    for store in [&store, &other] {
        store.update(|tx| tx.create_space(b"s").map(drop)).unwrap();
    }
    let (here, there) = (store.snapshot().unwrap(), other.snapshot().unwrap());
    refuses_to_read(&here, there.space(b"s").unwrap().unwrap());
    refuses_to_read(&there, here.space(b"s").unwrap().unwrap());
}

/// A space's name must not be empty, and the empty name resolves to nothing.
pub fn the_empty_name_is_no_space<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut tx = store.begin().unwrap();
    assert_kind(tx.create_space(b""), ErrorKind::Invalid, "create_space");
    for answer in [
        tx.space(b"").map(|space| space.is_some()),
        tx.drop_space(b""),
    ] {
        match answer {
            Ok(there) => assert!(!there),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
        }
    }
    tx.put(Space::DEFAULT, b"key", b"").unwrap();
    assert_eq!(value_of(&tx, b"key"), Some(vec![]));
}

/// Many spaces with a few pairs each, some of them dropped again.
pub fn there_may_be_many_spaces<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let name = |i: usize| format!("space {i:03}").into_bytes();
    store
        .update(|tx| {
            for i in 0..150 {
                let space = tx.create_space(&name(i))?;
                put_pairs(tx, space, &numbered(i % 40))?;
            }
            Ok(())
        })
        .unwrap();
    store
        .update(|tx| {
            (0..150)
                .step_by(3)
                .try_for_each(|i| tx.drop_space(&name(i)).map(drop))
        })
        .unwrap();
    let all = contents(&store.snapshot().unwrap());
    assert_eq!(all.len(), 101, "a hundred spaces and the default one");
    for i in 0..150 {
        let expected = (i % 3 != 0).then(|| numbered(i % 40));
        assert_eq!(all.get(&name(i)), expected.as_ref(), "{i}");
    }
}
