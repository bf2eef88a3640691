//! Laws about many threads on one store.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kv_api::{Durability, Space, Store, Transaction};

use crate::Fixture;
use crate::scaffold::{
    Contents, commit_one, contents, count_of, newest, opened, pairs_in, put_count, value_of,
    without_blocking,
};

const WRITERS: u64 = 4;
const ROUNDS: u64 = 200;

/// Four threads that each count up two hundred times end at eight hundred.
pub fn no_update_is_lost<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                start.wait();
                for _ in 0..ROUNDS {
                    store
                        .update_retry(|tx| {
                            let count = count_of(tx, b"count")?;
                            // Lets another in between, if anything does.
                            thread::yield_now();
                            put_count(tx, b"count", count + 1)
                        })
                        .unwrap();
                }
            });
        }
    });
    let count = count_of(&store.snapshot().unwrap(), b"count").unwrap();
    assert_eq!(count, WRITERS * ROUNDS);
}

/// Threads that write keys of their own all find them there, and nothing else.
pub fn writers_of_different_keys_all_get_through<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    thread::scope(|scope| {
        for writer in 0..4_u8 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..25_u8 {
                    let key = [b'w', writer, round];
                    store
                        .update_retry(|tx| tx.put(Space::DEFAULT, &key, &[writer; 50]))
                        .unwrap();
                    assert_eq!(newest(store, &key), Some(vec![writer; 50]));
                }
            });
        }
    });
    let pairs = pairs_in(&store.snapshot().unwrap(), Space::DEFAULT);
    assert_eq!(pairs.len(), 100);
    assert!(pairs.iter().all(|(key, value)| *value == vec![key[1]; 50]));
}

/// Sets the flag when dropped, so that a failing thread does not leave others waiting for it.
struct Finish<'a>(&'a AtomicBool);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Readers see each commit whole: what a writer moves from one key to another is never missing
/// and never there twice.
pub fn readers_see_commits_whole<F: Fixture>() {
    const ACCOUNTS: u64 = 10;
    let (_fixture, store) = opened::<F>();
    let key = |account: u64| format!("account {account}").into_bytes();
    store
        .update(|tx| (0..ACCOUNTS).try_for_each(|account| put_count(tx, &key(account), 100)))
        .unwrap();
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !finished.load(Ordering::Acquire) {
                    let snapshot = store.snapshot().unwrap();
                    let gets = (0..ACCOUNTS).map(|account| count_of(&snapshot, &key(account)));
                    assert_eq!(gets.map(|count| count.unwrap()).sum::<u64>(), 1_000);
                    assert_eq!(pairs_in(&snapshot, Space::DEFAULT).len(), 10);
                }
            });
        }
        let _finish = Finish(&finished);
        for round in 0..150 {
            let (from, to) = (round % ACCOUNTS, (round * 7 + 1) % ACCOUNTS);
            let mut tx = store.begin().unwrap();
            for (account, change) in [(from, -1), (to, 1)] {
                let count = count_of(&tx, &key(account)).unwrap();
                put_count(&mut tx, &key(account), count.wrapping_add_signed(change)).unwrap();
            }
            tx.commit(Durability::Buffered).unwrap();
        }
    });
}

/// For a reader time goes one way: a later snapshot never shows an earlier version.
pub fn snapshots_never_go_back<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut newest_seen = 0;
                while !finished.load(Ordering::Acquire) {
                    let count = count_of(&store.snapshot().unwrap(), b"count").unwrap();
                    assert!(count >= newest_seen, "{count} after {newest_seen}");
                    newest_seen = count;
                }
            });
        }
        let _finish = Finish(&finished);
        for round in 1..=150 {
            let mut tx = store.begin().unwrap();
            put_count(&mut tx, b"count", round).unwrap();
            tx.commit(Durability::Buffered).unwrap();
            let snapshot = store.snapshot().unwrap();
            assert_eq!(
                count_of(&snapshot, b"count").unwrap(),
                round,
                "the writer's own"
            );
        }
    });
}

/// Snapshots held by readers stay as they are while a writer rewrites everything.
pub fn held_snapshots_stay_right_under_a_writer<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    let finished = AtomicBool::new(false);
    thread::scope(|scope| {
        for reader in 0..2_usize {
            let (store, finished) = (&store, &finished);
            scope.spawn(move || {
                let mut held: Vec<(_, Contents)> = Vec::new();
                while !finished.load(Ordering::Acquire) {
                    let snapshot = store.snapshot().unwrap();
                    let shown = contents(&snapshot);
                    held.push((snapshot, shown));
                    if held.len() > 6 {
                        let (old, shown) = held.remove(reader * 3);
                        assert!(contents(&old) == shown);
                    }
                }
                assert!(held.iter().all(|(old, shown)| contents(old) == *shown));
            });
        }
        let _finish = Finish(&finished);
        for round in 0..60_u8 {
            let mut tx = store.begin().unwrap();
            tx.delete_range(Space::DEFAULT, ..).unwrap();
            for i in 0..100 {
                tx.put(Space::DEFAULT, &[b'k', i], &vec![round; usize::from(i) * 3])
                    .unwrap();
            }
            tx.commit(Durability::Buffered).unwrap();
        }
    });
}

/// A transaction begun on one thread while another's is open goes on once that has ended, and no
/// thread is left waiting.
pub fn a_waiting_writer_gets_its_turn<F: Fixture>() {
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        let mut first = store.begin().unwrap();
        first.put(Space::DEFAULT, b"first", b"").unwrap();
        thread::scope(|scope| {
            for writer in 0..3_u8 {
                let store = &store;
                scope.spawn(move || {
                    store
                        .update_retry(|tx| tx.put(Space::DEFAULT, &[writer], b""))
                        .unwrap();
                });
            }
            // The first writes nothing they touch or read, but an engine may call any overlap a
            // conflict, so only the others are counted.
            drop(first);
        });
        assert_eq!(
            pairs_in(&store.snapshot().unwrap(), Space::DEFAULT).len(),
            3
        );
    });
}

/// A transaction begun after a commit returned sees it, on whichever thread.
pub fn a_later_transaction_sees_an_earlier_commit<F: Fixture>() {
    let (_fixture, store) = opened::<F>();
    for round in 0..20_u8 {
        thread::scope(|scope| {
            scope.spawn(|| commit_one(&store, b"round", &[round]));
        });
        let tx = store.begin().unwrap();
        assert_eq!(value_of(&tx, b"round"), Some(vec![round]));
    }
}
