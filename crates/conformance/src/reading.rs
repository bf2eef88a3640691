//! Laws about getting the value of a key.

use kv_api::{Error, ErrorKind, Reader, Snapshot, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    Pair, assert_kind, commit_one, commit_pairs, newest, numbered, on_every_reader, opened,
    pairs_in, pairs_of, put_pairs, value_in,
};

/// A store begins empty, with its default space and no other.
pub fn a_fresh_store_is_empty<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let snapshot = store.snapshot().unwrap();
    assert_eq!(pairs_in(&snapshot, Space::DEFAULT), []);
    assert!(snapshot.space_names().unwrap().is_empty());
    assert_eq!(value_in(&snapshot, Space::DEFAULT, b"a"), None);
}

/// `get` answers the value of every key there is.
pub fn a_value_comes_back_as_it_was_put<F: Fixture>() {
    on_every_reader!(F, numbered(300), |reader, space, pairs| {
        for (key, value) in pairs {
            assert_eq!(value_in(reader, space, key).as_ref(), Some(value));
        }
    });
}

/// `get` answers nothing for keys beside, between, before and behind those there are.
pub fn an_absent_key_has_no_value<F: Fixture>() {
    on_every_reader!(
        F,
        pairs_of(&[b"b", b"bb", b"d"]),
        |reader, space, _pairs| {
            for key in [
                &b"a"[..],
                b"b\0",
                b"ba",
                b"bbb",
                b"c",
                b"d\0",
                b"e",
                &[0],
                &[0xFF; 300],
            ] {
                assert_eq!(value_in(reader, space, key), None, "{key:?}");
            }
        }
    );
}

/// The empty key is never found: it is nothing, or [`ErrorKind::Invalid`].
pub fn the_empty_key_is_never_found<F: Fixture>() {
    on_every_reader!(F, pairs_of(&[&[0], b"a"]), |reader, space, _pairs| {
        match reader.get(space, b"") {
            Ok(found) => assert!(found.is_none()),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Invalid),
        }
    });
}

/// A pair with an empty value is there, for gets and for cursors.
pub fn an_empty_value_is_a_present_value<F: Fixture>() {
    let pairs = vec![(b"empty".to_vec(), vec![]), (b"full".to_vec(), vec![1])];
    on_every_reader!(F, pairs, |reader, space, pairs| {
        assert_eq!(value_in(reader, space, b"empty"), Some(vec![]));
        assert_eq!(pairs_in(reader, space), pairs);
    });
}

/// Keys are bytes: every one of the 256, alone and in twos with their neighbours.
pub fn a_key_may_hold_any_bytes<F: Fixture>() {
    let ones = (0..=255_u8).map(|byte| vec![byte]);
    let twos = (0..=255_u8).map(|byte| vec![byte, byte.wrapping_mul(7)]);
    let mut keys: Vec<Vec<u8>> = ones.chain(twos).collect();
    keys.sort();
    let pairs = keys.iter().map(|key| (key.clone(), key.clone())).collect();
    on_every_reader!(F, pairs, |reader, space, pairs| {
        assert_eq!(pairs_in(reader, space), pairs);
        for (key, value) in pairs {
            assert_eq!(value_in(reader, space, key).as_ref(), Some(value));
        }
    });
}

/// Keys ascend bytewise, as unsigned numbers, and a prefix comes before what it begins.
pub fn keys_ascend_bytewise_unsigned<F: Fixture>() {
    let keys: [&[u8]; 9] = [
        &[0],
        &[0, 0],
        &[0, 0xFF],
        &[0x7F],
        &[0x7F, 0xFF],
        &[0x80],
        &[0x80, 0],
        &[0xFF],
        &[0xFF, 0],
    ];
    on_every_reader!(F, pairs_of(&keys), |reader, space, pairs| {
        assert_eq!(pairs_in(reader, space), pairs);
    });
}

/// Keys of 1 up to 32,768 bytes are kept.
pub fn keys_of_every_length_are_kept<F: Fixture>() {
    let lengths = [
        1, 2, 100, 255, 256, 1_000, 4_095, 4_096, 4_097, 16_384, 32_767, 32_768,
    ];
    // All alike but for their length: nothing but the end tells them apart.
    let pairs = lengths
        .iter()
        .map(|length| (vec![b'k'; *length], length.to_string().into_bytes()))
        .collect();
    on_every_reader!(F, pairs, |reader, space, pairs| {
        assert!(pairs_in(reader, space) == pairs);
        for (key, value) in pairs {
            assert_eq!(
                value_in(reader, space, key).as_ref(),
                Some(value),
                "{}",
                key.len()
            );
        }
    });
}

/// Values of 0 bytes up to 1 MiB come back whole.
pub fn values_of_every_length_come_back<F: Fixture>() {
    let lengths = [
        0,
        1,
        2,
        255,
        256,
        4_000,
        4_095,
        4_096,
        4_097,
        65_535,
        65_536,
        1 << 20,
    ];
    let pairs: Vec<Pair> = lengths
        .iter()
        .map(|length| {
            let value = (0..*length)
                .map(|i: u32| i.to_le_bytes()[0] ^ 0x5A)
                .collect();
            (format!("{length:08}").into_bytes(), value)
        })
        .collect();
    on_every_reader!(F, pairs, |reader, space, pairs| {
        for (key, value) in pairs {
            let found = value_in(reader, space, key);
            assert!(found.as_ref() == Some(value), "{} bytes", value.len());
        }
        assert!(pairs_in(reader, space) == pairs);
    });
}

/// Values lent by `get` stay as they were while others are lent.
pub fn lent_values_do_not_disturb_each_other<F: Fixture>() {
    on_every_reader!(F, numbered(200), |reader, space, pairs| {
        let lent: Vec<_> = pairs
            .iter()
            .map(|(key, _)| reader.get(space, key).unwrap().unwrap())
            .collect();
        for (slice, (_, value)) in lent.iter().zip(pairs) {
            assert_eq!(slice[..], value[..]);
            assert_eq!(slice.clone()[..], value[..]);
        }
    });
}

/// `get_bytes` answers what `get` answers.
pub fn an_owned_value_equals_the_lent_one<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let mut pairs = numbered(50);
    pairs.push((b"large".to_vec(), vec![7; 100_000]));
    commit_pairs(&store, &pairs);
    let snapshot = store.snapshot().unwrap();
    for (key, value) in &pairs {
        let owned = snapshot.get_bytes(Space::DEFAULT, key).unwrap();
        assert!(owned.as_deref() == Some(&value[..]));
    }
    assert_eq!(snapshot.get_bytes(Space::DEFAULT, b"absent").unwrap(), None);
}

/// `view` shows what was committed last, and hands on what its closure answers.
pub fn a_view_shows_the_newest_version<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    for value in [&b"first"[..], b"second", b"third"] {
        commit_one(&store, b"key", value);
        let seen = store.view(|snapshot| Ok(value_in(snapshot, Space::DEFAULT, b"key")));
        assert_eq!(seen.unwrap().as_deref(), Some(value));
        assert_eq!(newest(&store, b"key").as_deref(), Some(value));
    }
}

/// `view` hands on the error its closure answers.
pub fn a_view_hands_on_its_closures_error<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let answer = store.view(|_| -> kv_api::Result<()> { Err(Error::other("mine")) });
    assert_kind(answer, ErrorKind::Other, "the closure's own error");
}

/// Ten thousand pairs in one transaction are all there, by key and in order.
pub fn a_large_transaction_comes_back_whole<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let pairs = numbered(10_000);
    let mut tx = store.begin().unwrap();
    put_pairs(&mut tx, Space::DEFAULT, &pairs).unwrap();
    assert!(pairs_in(&tx, Space::DEFAULT) == pairs);
    tx.commit(kv_api::Durability::Sync).unwrap();
    let snapshot = store.snapshot().unwrap();
    assert!(pairs_in(&snapshot, Space::DEFAULT) == pairs);
    for (key, value) in pairs.iter().step_by(17) {
        assert_eq!(
            value_in(&snapshot, Space::DEFAULT, key).as_ref(),
            Some(value)
        );
    }
}
