//! Laws about being told of commits.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use kv_api::capability::{Watch, WatchedChange, WatchedCommit, Watcher};
use kv_api::{Bytes, Durability, ErrorKind, Reader, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{NAMED, assert_kind, commit_one, commits, contents, opened};

/// How long something that was committed may take to be told.
const SOON: Duration = Duration::from_secs(30);

/// How long to wait for what must not come.
const SHORT: Duration = Duration::from_millis(10);

fn next(watcher: &mut Box<dyn Watcher>) -> WatchedCommit {
    watcher
        .next_within(SOON)
        .unwrap()
        .expect("something was committed")
}

#[track_caller]
fn assert_quiet(watcher: &mut Box<dyn Watcher>) {
    assert_eq!(watcher.next_within(SHORT).unwrap(), None);
}

fn put(key: &[u8], value: &[u8]) -> WatchedChange {
    WatchedChange::Put {
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(value),
    }
}

fn deleted(key: &[u8]) -> WatchedChange {
    WatchedChange::Deleted {
        key: Bytes::copy_from_slice(key),
    }
}

macro_rules! watch_law {
    ($(#[$doc:meta])* $name:ident, |$store:ident| $law:block) => {
        $(#[$doc])*
        pub fn $name<F: Fixture>()
        where
            F::Store: Watch,
        {
            let (_fixture, $store) = opened::<F>();
            $law
        }
    };
}

watch_law! {
    /// Commits are told in their order, each whole and once, its changes by key.
    commits_are_told_whole_and_in_order, |store| {
        commit_one(&store, b"before", b"");
        let mut watcher = store.watch(None, &[]).unwrap();
        assert_quiet(&mut watcher);
        let mut last = 0;
        for round in 0..20_u8 {
            store
                .update(|tx| {
                    tx.put(Space::DEFAULT, b"b", &[round])?;
                    tx.put(Space::DEFAULT, b"a", b"overwritten")?;
                    tx.put(Space::DEFAULT, b"a", &[round, round])
                })
                .unwrap();
        }
        for round in 0..20_u8 {
            let commit = next(&mut watcher);
            assert!(commit.version > last);
            last = commit.version;
            assert_eq!(commit.changes, [put(b"a", &[round, round]), put(b"b", &[round])]);
        }
        assert_quiet(&mut watcher);
    }
}

watch_law! {
    /// Only keys with one of the prefixes are told, and only those of the space asked for.
    only_what_was_asked_for_is_told, |store| {
        let mut some = store.watch(None, &[b"a", b"bc"]).unwrap();
        let mut named = store.watch(Some(NAMED), &[b"a"]).unwrap();
        store
            .update(|tx| {
                for key in [&b"a"[..], b"ab", b"b", b"bc", b"bcd", b"c"] {
                    tx.put(Space::DEFAULT, key, b"")?;
                }
                Ok(())
            })
            .unwrap();
        commit_one(&store, b"b", b"");
        store
            .update(|tx| {
                let space = tx.create_space(NAMED)?;
                tx.put(space, b"b", b"")?;
                tx.put(space, b"a", b"1")
            })
            .unwrap();
        let wanted = [&b"a"[..], b"ab", b"bc", b"bcd"].map(|key| put(key, b""));
        assert_eq!(next(&mut some).changes, wanted);
        assert_eq!(next(&mut named).changes, [put(b"a", b"1")]);
        assert_quiet(&mut some);
        assert_quiet(&mut named);
    }
}

watch_law! {
    /// A removal is told, one by one or by range, and the pairs of a space that is dropped.
    removals_are_told, |store| {
        store
            .update(|tx| {
                let space = tx.create_space(NAMED)?;
                tx.put(space, b"key", b"")?;
                for key in [b"a", b"b", b"c", b"d"] {
                    tx.put(Space::DEFAULT, key, b"")?;
                }
                Ok(())
            })
            .unwrap();
        let mut watcher = store.watch(None, &[]).unwrap();
        let mut named = store.watch(Some(NAMED), &[]).unwrap();
        store.update(|tx| tx.delete(Space::DEFAULT, b"a")).unwrap();
        store.update(|tx| tx.delete_range(Space::DEFAULT, "b".."d")).unwrap();
        store.update(|tx| tx.drop_space(NAMED).map(drop)).unwrap();
        assert_eq!(next(&mut watcher).changes, [deleted(b"a")]);
        assert_eq!(next(&mut watcher).changes, [deleted(b"b"), deleted(b"c")]);
        assert_eq!(next(&mut named).changes, [deleted(b"key")]);
        assert_quiet(&mut watcher);
    }
}

watch_law! {
    /// What was rolled back or refused is not told.
    what_was_not_committed_is_not_told, |store| {
        let mut watcher = store.watch(None, &[]).unwrap();
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"rolled back", b"").unwrap();
        tx.rollback();
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"dropped", b"").unwrap();
        drop(tx);
        let failed = store.update(|tx| {
            tx.put(Space::DEFAULT, b"failed", b"")?;
            tx.put(Space::DEFAULT, b"", b"")
        });
        assert_kind(failed, ErrorKind::Invalid, "the empty key");
        assert_quiet(&mut watcher);
        commit_one(&store, b"committed", b"");
        assert_eq!(next(&mut watcher).changes, [put(b"committed", b"")]);
    }
}

watch_law! {
    /// A space may be watched before it is made, and is still when it is made again.
    a_space_may_be_watched_before_it_is_made, |store| {
        let mut watcher = store.watch(Some(NAMED), &[]).unwrap();
        for round in [b"1", b"2"] {
            store
                .update(|tx| {
                    let space = tx.create_space(NAMED)?;
                    tx.put(space, b"key", round)
                })
                .unwrap();
            assert_eq!(next(&mut watcher).changes, [put(b"key", round)]);
            store.update(|tx| tx.drop_space(NAMED).map(drop)).unwrap();
            assert_eq!(next(&mut watcher).changes, [deleted(b"key")]);
        }
    }
}

watch_law! {
    /// What has not been read when the store is closed is still told, and then that it is closed.
    a_closed_store_ends_its_watchers, |store| {
        let mut watcher = store.watch(None, &[]).unwrap();
        commit_one(&store, b"key", b"");
        store.close().unwrap();
        assert_eq!(next(&mut watcher).changes, [put(b"key", b"")]);
        assert_kind(watcher.next_within(SOON), ErrorKind::Closed, "a watcher of a closed store");
        assert_kind(store.watch(None, &[]).map(drop), ErrorKind::Closed, "watching a closed store");
    }
}

watch_law! {
    /// Nobody waits for a watcher, and one that is gone is forgotten.
    commits_do_not_wait_for_watchers, |store| {
        let mut slow = store.watch(None, &[]).unwrap();
        drop(store.watch(None, &[]).unwrap());
        for number in 0..300_u32 {
            commit_one(&store, &number.to_be_bytes(), &[0; 100]);
        }
        for number in 0..300_u32 {
            assert_eq!(next(&mut slow).changes, [put(&number.to_be_bytes(), &[0; 100])]);
        }
    }
}

watch_law! {
    /// Whoever applies what it is told to a copy of what was there has what the store has, however
    /// many write; and it is told of no commit before readers see it.
    a_watcher_of_many_writers_can_keep_a_copy, |store| {
        const THREADS: u8 = 8;
        let mut watcher = store.watch(None, &[]).unwrap();
        let copy = thread::scope(|scope| {
            for writer in 0..THREADS {
                let store = &store;
                scope.spawn(move || {
                    for round in 0..25_u8 {
                        let mut tx = store.begin().unwrap();
                        let key = [b'k', (writer + round) % 6];
                        let is_there = tx.get(Space::DEFAULT, &key).unwrap().is_some();
                        if is_there && round % 3 == 0 {
                            tx.delete(Space::DEFAULT, &key).unwrap();
                        } else {
                            tx.put(Space::DEFAULT, &key, &[writer, round]).unwrap();
                        }
                        commits(tx, Durability::Buffered);
                    }
                    store
                        .update_retry(|tx| tx.put(Space::DEFAULT, &[b'z', writer], b""))
                        .unwrap();
                });
            }
            let mut copy: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
            let (mut last, mut ended) = (0, 0);
            while ended < THREADS {
                let commit = next(&mut watcher);
                assert!(commit.version > last, "{} behind {last}", commit.version);
                last = commit.version;
                for change in commit.changes {
                    match change {
                        WatchedChange::Put { key, value } => {
                            ended += u8::from(key[0] == b'z');
                            copy.insert(key.to_vec(), value.to_vec());
                        }
                        WatchedChange::Deleted { key } => drop(copy.remove(&key[..])),
                        WatchedChange::Dropped { .. } => panic!("nobody dropped anything"),
                    }
                }
                if ended == THREADS {
                    // The last commit was told, so it must be visible.
                    let held = contents(&store.snapshot().unwrap());
                    let pairs: BTreeMap<_, _> = held[&b""[..]].iter().cloned().collect();
                    assert_eq!(copy, pairs);
                }
            }
            copy
        });
        assert!(copy.len() >= usize::from(THREADS));
    }
}
