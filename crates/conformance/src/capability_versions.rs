//! Laws about versions that are kept, in a store that keeps its history.

use kv_api::capability::{History, KeyVersion, Versions};
use kv_api::{ErrorKind, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{NAMED, Pair, assert_kind, commit_one, opened, pairs_in, value_of};

/// Versions with what they say, newest first.
type Told = Vec<(u64, Option<Vec<u8>>)>;

fn versions(snapshot: &impl Versions, space: Space, key: &[u8]) -> Told {
    let mut told = Vec::new();
    let mut visit = |KeyVersion { version, value }: KeyVersion<'_>| {
        told.push((version, value.map(<[u8]>::to_vec)));
        Ok(true)
    };
    snapshot.versions_of(space, key, &mut visit).unwrap();
    told
}

fn pairs_at(store: &impl History, version: u64, space: Option<&[u8]>) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut visit = |key: &[u8], value: &[u8]| {
        pairs.push((key.to_vec(), value.to_vec()));
        Ok(true)
    };
    store.visit_at(version, space, &mut visit).unwrap();
    pairs
}

/// Commits changes of a few keys; answers each version with what the default space held then.
fn make_history<S: Store + History>(store: &S, commits: u8) -> Vec<(u64, Vec<Pair>)> {
    let mut history = Vec::new();
    for number in 0..commits {
        let key = [b'a' + number % 5];
        store
            .update(|tx| {
                if number % 7 == 3 && tx.get(Space::DEFAULT, &key)?.is_some() {
                    return tx.delete(Space::DEFAULT, &key);
                }
                tx.put(
                    Space::DEFAULT,
                    &key,
                    &vec![number; 10 * usize::from(number)],
                )
            })
            .unwrap();
        let snapshot = store.snapshot().unwrap();
        history.push((store.newest_version(), pairs_in(&snapshot, Space::DEFAULT)));
    }
    history
}

macro_rules! versions_law {
    ($(#[$doc:meta])* $name:ident, |$fixture:ident, $store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: Fixture>()
        where
            F::Store: History,
            <F::Store as Store>::Snapshot: Versions,
        {
            #[allow(unused_variables, reason = "few laws open their store again")]
            let ($fixture, $store) = opened::<F>();
            $law
        }
    };
}

versions_law! {
    /// Before the first commit there is version 0, and nothing in it.
    a_fresh_store_has_version_nought, |fixture, store| {
        assert_eq!((store.newest_version(), store.oldest_version()), (0, 0));
        assert_eq!(store.snapshot().unwrap().version(), 0);
        assert_eq!(pairs_at(&store, 0, None), []);
    }
}

versions_law! {
    /// Each commit has a higher version than any before, which is its snapshots' version.
    every_commit_has_a_higher_version, |fixture, store| {
        let mut last = 0;
        for number in 0..20_u8 {
            commit_one(&store, b"key", &[number]);
            let snapshot = store.snapshot().unwrap();
            assert!(snapshot.version() > last);
            last = snapshot.version();
            assert_eq!(store.newest_version(), last);
        }
        let before = store.snapshot().unwrap();
        commit_one(&store, b"key", b"");
        assert_eq!(before.version(), last);
    }
}

versions_law! {
    /// All versions of a key are shown, newest first, removals too, in every space.
    the_versions_of_a_key_come_newest_first, |fixture, store| {
        let mut wanted = Told::new();
        for number in 0..12_u8 {
            let value = (number % 4 != 3).then_some([number]);
            store
                .update(|tx| {
                    let space = tx.create_space(NAMED)?;
                    tx.put(Space::DEFAULT, b"key", b"elsewhere")?;
                    match value {
                        Some(value) => tx.put(space, b"key", &value),
                        None => tx.delete(space, b"key"),
                    }
                })
                .unwrap();
            wanted.insert(0, (store.newest_version(), value.map(|value| value.to_vec())));
        }
        let snapshot = store.snapshot().unwrap();
        let space = snapshot.space(NAMED).unwrap().unwrap();
        assert_eq!(versions(&snapshot, space, b"key"), wanted);
        assert_eq!(versions(&snapshot, space, b"another"), []);
        let mut seen = 0;
        let mut three = |_: KeyVersion<'_>| {
            seen += 1;
            Ok(seen < 3)
        };
        snapshot.versions_of(space, b"key", &mut three).unwrap();
        assert_eq!(seen, 3);
    }
}

versions_law! {
    /// A snapshot shows no version newer than its own.
    a_snapshot_shows_no_newer_version, |fixture, store| {
        commit_one(&store, b"key", b"1");
        let old = store.snapshot().unwrap();
        commit_one(&store, b"key", b"2");
        assert_eq!(versions(&old, Space::DEFAULT, b"key"), [(old.version(), Some(b"1".to_vec()))]);
    }
}

versions_law! {
    /// The store can be read as of every version, the one before the first commit included.
    the_store_can_be_read_as_of_every_version, |fixture, store| {
        let history = make_history(&store, 60);
        for (version, pairs) in &history {
            assert_eq!(&pairs_at(&store, *version, None), pairs, "{version}");
        }
        assert_eq!(pairs_at(&store, 0, None), []);
        let newest = &history.last().unwrap().1;
        assert_eq!(&pairs_at(&store, u64::MAX, None), newest, "later than the newest");
    }
}

versions_law! {
    /// A space is empty before it was made and after it was dropped, and whole in between.
    a_space_is_what_it_was_then, |fixture, store| {
        commit_one(&store, b"key", b"");
        let before = store.newest_version();
        store
            .update(|tx| {
                let space = tx.create_space(NAMED)?;
                tx.put(space, b"a", b"1")
            })
            .unwrap();
        let during = store.newest_version();
        store.update(|tx| tx.drop_space(NAMED).map(drop)).unwrap();
        let after = store.newest_version();
        assert_eq!(pairs_at(&store, before, Some(NAMED)), []);
        assert_eq!(pairs_at(&store, during, Some(NAMED)), [(b"a".to_vec(), b"1".to_vec())]);
        assert_eq!(pairs_at(&store, after, Some(NAMED)), []);
    }
}

versions_law! {
    /// History outlives the handle, closed or dropped.
    history_outlives_the_handle, |fixture, store| {
        let history = make_history(&store, 40);
        store.close().unwrap();
        drop(store);
        let store = fixture.open().unwrap();
        let more = make_history(&store, 10);
        drop(store);
        let store = fixture.open().unwrap();
        for (version, pairs) in history.iter().chain(&more) {
            assert_eq!(&pairs_at(&store, *version, None), pairs, "{version}");
        }
    }
}

versions_law! {
    /// What was given up is refused, for good; the rest stays as it was.
    history_that_was_given_up_is_refused, |fixture, store| {
        let history = make_history(&store, 40);
        let mark = history[20].0;
        assert_kind(store.discard_before(store.newest_version() + 1), ErrorKind::Invalid, "what is not there yet");
        store.discard_before(mark).unwrap();
        store.discard_before(history[10].0).unwrap();
        assert_eq!(store.oldest_version(), mark);
        for (version, pairs) in &history {
            if *version < mark {
                let refused = store.visit_at(*version, None, &mut |_, _| Ok(true));
                assert_kind(refused, ErrorKind::NotFound, "what was given up");
            } else {
                assert_eq!(&pairs_at(&store, *version, None), pairs, "{version}");
            }
        }
    }
}

versions_law! {
    /// A snapshot that is open stays what it is, whatever is given up.
    an_open_snapshot_outlives_its_history, |fixture, store| {
        let history = make_history(&store, 5);
        let held = store.snapshot().unwrap();
        make_history(&store, 40);
        store.discard_before(store.newest_version()).unwrap();
        commit_one(&store, b"a", b"new");
        assert_eq!(pairs_in(&held, Space::DEFAULT), history[4].1);
        assert_eq!(value_of(&store.snapshot().unwrap(), b"a").as_deref(), Some(&b"new"[..]));
    }
}
