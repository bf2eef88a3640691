//! Sharing a commit: `batch` with bbolt's semantics, `update_grouped` with better ones.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use txn::{Db, Error, ErrorKind, Options};

use crate::support::{Random, Scratch, assert_kind, newest, quick};

fn open(scratch: &Scratch, size_max: usize, delay: Duration) -> Db {
    let options = quick()
        .strict(true)
        .batch_size_max(size_max)
        .batch_delay(delay);
    let db = options.open(&scratch.path).unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    db
}

const EVER: Duration = Duration::MAX;

fn keys(db: &Db) -> usize {
    newest(db).buckets[&b"b"[..]].pairs.len()
}

#[test]
fn a_batch_of_one_waits_for_its_delay_only() {
    let scratch = Scratch::new();
    for (size_max, delay) in [
        (1000, Duration::from_millis(20)),
        (1000, Duration::ZERO),
        (1, EVER),
        (0, EVER),
    ] {
        let scratch_again = Scratch::new();
        let db = open(&scratch_again, size_max, delay);
        db.batch(|tx| tx.bucket("b")?.put("key", "value")).unwrap();
        assert_eq!(keys(&db), 1);
    }
    drop(scratch);
}

#[test]
fn a_batch_runs_at_once_when_it_is_full() {
    let scratch = Scratch::new();
    let db = open(&scratch, 3, EVER);
    let before = db.statistics().unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for key in 0..3_u8 {
            let db = &db;
            scope.spawn(move || db.batch(move |tx| tx.bucket("b")?.put([key], "")).unwrap());
        }
    });
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(
        db.statistics().unwrap().since(&before).commits,
        1,
        "one commit for three"
    );
    assert_eq!(keys(&db), 3);
}

#[test]
fn a_failing_call_of_a_batch_gets_its_own_error_and_the_others_commit() {
    let scratch = Scratch::new();
    let db = open(&scratch, 5, EVER);
    let runs = Arc::new(AtomicU64::new(0));
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..5_u8)
            .map(|key| {
                let (db, runs) = (&db, Arc::clone(&runs));
                scope.spawn(move || {
                    db.batch(move |tx| {
                        tx.bucket("b")?.put([key], "")?;
                        if key == 2 {
                            runs.fetch_add(1, Ordering::Relaxed);
                            return Err(Error::other(std::io::Error::other("two")));
                        }
                        Ok(())
                    })
                })
            })
            .collect();
        for (key, call) in calls.into_iter().enumerate() {
            let answer = call.join().unwrap();
            if key == 2 {
                assert_eq!(assert_kind(answer, ErrorKind::Other), "two");
            } else {
                answer.unwrap();
            }
        }
    });
    assert_eq!(
        runs.load(Ordering::Relaxed),
        2,
        "once with the others, once alone"
    );
    let all = newest(&db);
    let kept: Vec<_> = all.buckets[&b"b"[..]]
        .pairs
        .keys()
        .map(|key| key[0])
        .collect();
    assert_eq!(kept, [0, 1, 3, 4]);
}

#[test]
fn a_panic_in_a_batch_reaches_its_caller_only() {
    let scratch = Scratch::new();
    let db = open(&scratch, 3, EVER);
    std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3_u8)
            .map(|key| {
                let db = &db;
                scope.spawn(move || {
                    db.batch(move |tx| {
                        assert_ne!(key, 1, "on purpose");
                        tx.bucket("b")?.put([key], "")
                    })
                })
            })
            .collect();
        for (key, call) in calls.into_iter().enumerate() {
            match call.join() {
                Ok(answer) => {
                    assert_ne!(key, 1);
                    answer.unwrap();
                }
                Err(panic) => {
                    assert_eq!(key, 1);
                    assert!(panic.downcast::<String>().unwrap().contains("on purpose"));
                }
            }
        }
    });
    assert_eq!(keys(&db), 2);
    db.update(|tx| tx.bucket("b")?.put("after", "")).unwrap();
}

#[test]
fn batches_from_many_threads_lose_nothing() {
    let scratch = Scratch::new();
    let db = open(&scratch, 7, Duration::from_millis(1));
    std::thread::scope(|scope| {
        for thread in 0..8_u8 {
            let db = &db;
            scope.spawn(move || {
                for call in 0..50_u8 {
                    let answer = db.batch(move |tx| {
                        tx.bucket("b")?.put([thread, call], "")?;
                        if call % 10 == 9 {
                            Err(Error::Conflict)
                        } else {
                            Ok(())
                        }
                    });
                    assert_eq!(answer.is_err(), call % 10 == 9);
                }
            });
        }
    });
    assert_eq!(keys(&db), 8 * 45);
    scratch.close_clean(db);
}

/// Waits until a thread, named as in `/proc`, waits for something itself. Where there is no
/// `/proc`, time has to do.
fn wait_until_asleep(thread: Option<PathBuf>) {
    let Some(thread) = thread else {
        return std::thread::sleep(Duration::from_millis(200));
    };
    let stat = Path::new("/proc").join(thread).join("stat");
    // Behind the name in brackets.
    let is_asleep = |stat: &str| stat.rsplit(") ").next().unwrap().starts_with('S');
    while !is_asleep(&std::fs::read_to_string(&stat).unwrap()) {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Runs `call` on `count` threads while a grouped update is held open, so that they form one group
/// behind it, in order.
fn grouped<T: Send>(db: &Db, count: u8, call: impl Fn(u8) -> T + Sync) -> Vec<T> {
    let (entered, go) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            db.update_grouped(|_| {
                entered.wait();
                go.wait();
                Ok(())
            })
        });
        entered.wait();
        let mut waiting = Vec::new();
        for index in 0..count {
            let call = &call;
            let (tell, told) = std::sync::mpsc::channel();
            waiting.push(scope.spawn(move || {
                tell.send(std::fs::read_link("/proc/thread-self")).unwrap();
                call(index)
            }));
            // In line one after the other.
            wait_until_asleep(told.recv().unwrap().ok());
        }
        go.wait();
        first.join().unwrap().unwrap();
        waiting
            .into_iter()
            .map(|call| call.join().unwrap())
            .collect()
    })
}

#[test]
fn a_group_shares_one_number_and_one_commit_in_the_order_it_came() {
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    let (before, txid) = (db.statistics().unwrap(), db.info().unwrap().txid);
    let words = ["a", "b", "c", "d", "e"].map(str::to_owned);
    let answers = grouped(&db, 5, |index| {
        let word = words[usize::from(index)].as_str();
        {
            // Borrows `word`, sees what came before it, and answers something of its own.
            db.update_grouped(|tx| {
                let mut bucket = tx.bucket("b")?;
                let so_far = bucket.get("word")?.unwrap_or_default().to_vec();
                bucket.put("word", [&so_far, word.as_bytes()].concat())?;
                Ok((so_far.len(), tx.id()))
            })
        }
    });
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let lens: Vec<_> = answers.iter().map(|answer| answer.0).collect();
    assert_eq!(lens, [0, 1, 2, 3, 4]);
    assert!(
        answers.iter().all(|answer| answer.1 == txid + 1),
        "{answers:?}"
    );
    assert_eq!(newest(&db).buckets[&b"b"[..]].pairs[&b"word"[..]], b"abcde");
    let since = db.statistics().unwrap().since(&before);
    assert_eq!((since.commits, db.info().unwrap().txid), (1, txid + 1));
}

#[test]
fn a_member_that_fails_or_panics_is_undone_alone() {
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    let handled = Arc::new(AtomicU64::new(0));
    let answers = grouped(&db, 6, |key| {
        let handled = Arc::clone(&handled);
        {
            let runs = AtomicU64::new(0);
            let answer = catch_unwind(AssertUnwindSafe(|| {
                db.update_grouped(|tx| {
                    runs.fetch_add(1, Ordering::Relaxed);
                    tx.bucket("b")?.put([key], "")?;
                    tx.create_bucket(format!("bucket {key}"))?
                        .put("k", vec![key; 9000])?;
                    if let 0 = key % 3 {
                        tx.bucket("b")?.delete_range([0_u8].to_vec()..)?;
                    }
                    tx.on_commit(move || {
                        handled.fetch_add(1, Ordering::Relaxed);
                    });
                    match key {
                        1 => Err(Error::other(std::io::Error::other("one"))),
                        4 => panic!("four"),
                        _ => Ok(key),
                    }
                })
            }));
            assert_eq!(runs.into_inner(), 1, "a closure runs once");
            answer
        }
    });
    for (key, answer) in answers.into_iter().enumerate() {
        match (key, answer) {
            (4, answer) => assert_eq!(*answer.unwrap_err().downcast::<&str>().unwrap(), "four"),
            (1, answer) => assert_eq!(assert_kind(answer.unwrap(), ErrorKind::Other), "one"),
            (_, answer) => assert_eq!(usize::from(answer.unwrap().unwrap()), key),
        }
    }
    let all = newest(&db);
    let kept: Vec<_> = all.buckets[&b"b"[..]]
        .pairs
        .keys()
        .map(|key| key[0])
        .collect();
    assert_eq!(
        kept,
        [5],
        "what 0 and 3 deleted stays deleted, and 1 and 4 did nothing"
    );
    let buckets: Vec<_> = all
        .buckets
        .keys()
        .skip(1)
        .map(|name| name[7] - b'0')
        .collect();
    assert_eq!(buckets, [0, 2, 3, 5]);
    assert_eq!(handled.load(Ordering::Relaxed), 4);
    scratch.close_clean(db);
}

#[test]
fn a_group_whose_every_member_fails_commits_nothing() {
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    let txid = db.info().unwrap().txid;
    let answers = grouped(&db, 3, |key| {
        {
            db.update_grouped(|tx| {
                tx.bucket("b")?.put([key], "")?;
                Err::<(), _>(Error::Conflict)
            })
        }
    });
    for answer in answers {
        assert_kind(answer, ErrorKind::Conflict);
    }
    assert_eq!((keys(&db), db.info().unwrap().txid), (0, txid));
}

#[test]
fn a_space_resolved_before_a_member_was_undone_is_stale_afterwards() {
    use kv_api::{Reader, Store, Transaction};
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    let mut tx = Store::begin(&db).unwrap();
    let space = tx.create_space(b"s").unwrap();
    tx.put(space, b"key", b"value").unwrap();
    assert_eq!(
        Reader::get(&tx, space, b"key").unwrap(),
        Some(&b"value"[..])
    );
    tx.drop_space(b"s").unwrap();
    assert_kind(Reader::get(&tx, space, b"key"), ErrorKind::NotFound);
}

#[test]
fn groups_under_stress_keep_what_succeeded_and_nothing_else() {
    let scratch = Scratch::new();
    let db = Options::new().page_bytes(4096).open(&scratch.path).unwrap();
    db.update(|tx| tx.create_bucket("b").map(drop)).unwrap();
    let before = db.statistics().unwrap();
    let succeeded = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (db, succeeded) = (&db, &succeeded);
            scope.spawn(move || {
                let mut random = Random::new(thread + 1);
                for call in 0..60_u64 {
                    let fate = random.below(10);
                    let answer = catch_unwind(AssertUnwindSafe(|| {
                        db.update_grouped(|tx| {
                            let mut bucket = tx.bucket("b")?;
                            let count = bucket.next_sequence()?;
                            let key = [thread.to_be_bytes(), call.to_be_bytes()].concat();
                            bucket.put(key, vec![7; 100 + (count % 900) as usize])?;
                            match fate {
                                0 => Err(Error::Conflict),
                                1 => std::panic::resume_unwind(Box::new("quietly")),
                                _ => Ok(()),
                            }
                        })
                    }));
                    match fate {
                        0 => drop(assert_kind(answer.unwrap(), ErrorKind::Conflict)),
                        1 => assert!(answer.is_err()),
                        _ => {
                            answer.unwrap().unwrap();
                            succeeded.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let succeeded = succeeded.into_inner();
    let bucket = &newest(&db).buckets[&b"b"[..]];
    assert_eq!(
        (bucket.pairs.len() as u64, bucket.sequence),
        (succeeded, succeeded)
    );
    let commits = db.statistics().unwrap().since(&before).commits;
    assert!(
        commits < succeeded * 3 / 4,
        "{commits} commits for {succeeded} calls"
    );
    scratch.close_clean(db);
}

#[test]
fn a_panicking_handler_does_not_lie_to_the_rest_of_its_group() {
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    let answers = grouped(&db, 3, |key| {
        {
            catch_unwind(AssertUnwindSafe(|| {
                db.update_grouped(|tx| {
                    if key == 0 {
                        tx.on_commit(|| panic!("in a handler"));
                    }
                    tx.bucket("b")?.put([key], "")
                })
            }))
        }
    });
    assert_eq!(keys(&db), 3);
    // One thread ran the handler and has its panic; the others' changes are there, and they know.
    let panics = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(panics, 1);
    for answer in answers.into_iter().flatten() {
        answer.unwrap();
    }
    db.update_grouped(|tx| tx.bucket("b")?.put("after", ""))
        .unwrap();
}

#[test]
fn a_panicking_handler_does_not_lie_to_the_rest_of_its_batch() {
    let scratch = Scratch::new();
    let db = open(&scratch, 3, EVER);
    let answers: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..3_u8)
            .map(|key| {
                let db = &db;
                scope.spawn(move || {
                    db.batch(move |tx| {
                        tx.on_commit(move || assert_ne!(key, 0, "in a handler"));
                        tx.bucket("b")?.put([key], "")
                    })
                })
            })
            .collect();
        calls
            .into_iter()
            .map(std::thread::ScopedJoinHandle::join)
            .collect()
    });
    assert_eq!(keys(&db), 3);
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), 1);
    for answer in answers.into_iter().flatten() {
        answer.unwrap();
    }
}

#[test]
fn a_handler_of_a_group_may_form_a_group_of_its_own() {
    let scratch = Scratch::new();
    let db = open(&scratch, 1, EVER);
    for answer in grouped(&db, 3, |key| {
        db.update_grouped(|tx| {
            let again = db.clone();
            tx.on_commit(move || {
                let put = |tx: &mut txn::Transaction| tx.bucket("b")?.put([key, 1], "");
                again.update_grouped(put).unwrap();
            });
            tx.bucket("b")?.put([key], "")
        })
    }) {
        answer.unwrap();
    }
    assert_eq!(
        keys(&db),
        6,
        "the handlers have run when their members return"
    );
}
