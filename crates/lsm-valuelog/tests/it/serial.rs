//! Transactions that cross at random, played again one after the other.
//!
//! A transaction must see what was committed when it began, and its own changes. One that changes
//! anything and commits must have seen what it would have seen had it run alone at the moment of
//! its commit, too: every key it got, present or absent, every range it went over, either way. So
//! what it did is done again on plain maps of what was committed then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

use crash_kit::Rng;
use kv_api::{Cursor, Durability, ErrorKind, Reader, Space, Store, Transaction};
use lsm_valuelog::{Db, ItemOptions, Options};

use crate::conformance::small;

type Model = BTreeMap<(u8, Vec<u8>), Vec<u8>>;
type Seen = Vec<(Vec<u8>, Vec<u8>)>;

const SPACES: [&[u8]; 2] = [b"left", b"right"];

/// What a transaction did, with what it was answered.
#[derive(Clone, Debug)]
enum Step {
    Get(u8, Vec<u8>, Option<Vec<u8>>),
    /// From the first key at or behind the one named, so many pairs on.
    Forward(u8, Vec<u8>, usize, Seen),
    /// From the last key at or before the one named, so many pairs back.
    Backward(u8, Vec<u8>, usize, Seen),
    /// All items of a range, newest versions only.
    Items(u8, Vec<u8>, Vec<u8>, Seen),
    Put(u8, Vec<u8>, Vec<u8>),
    Delete(u8, Vec<u8>),
    DeleteRange(u8, Vec<u8>, Vec<u8>),
    Swap(u8, Vec<u8>, Option<Vec<u8>>, Vec<u8>, bool),
}

fn key(random: &mut Rng) -> Vec<u8> {
    // Few enough to meet, and some that begin like others.
    let number = random.below(24) as u8;
    match number % 4 {
        0 => vec![b'k', number],
        1 => vec![b'k', number - 1, 0],
        2 => vec![b'k', number - 2, 7, 7],
        _ => vec![b'm', number],
    }
}

fn value(random: &mut Rng) -> Vec<u8> {
    // On both sides of the threshold of values that go to the value log, and at it.
    let len = [3, 99, 100, 101, 400][random.below(5)];
    vec![random.below(250) as u8; len]
}

/// One step at random, done in a transaction.
fn step(tx: &mut lsm_valuelog::Transaction, random: &mut Rng) -> Step {
    let at = random.below(SPACES.len());
    let space = tx.space(SPACES[at]).unwrap().unwrap();
    let (at, key_) = (at as u8, key(random));
    let owned = |(key, value): (lsm_valuelog::Slice<'_>, lsm_valuelog::Slice<'_>)| {
        (key.to_vec(), value.to_vec())
    };
    match random.below(11) {
        0..=2 => {
            let found = tx.get(space, &key_).unwrap().map(|found| found.to_vec());
            Step::Get(at, key_, found)
        }
        3 => {
            let (count, mut seen) = (random.below(5), Vec::new());
            let mut cursor = tx.cursor(space).unwrap();
            let mut moved = cursor.seek(&key_).unwrap();
            while let Some(pair) = moved.map(owned) {
                seen.push(pair);
                if seen.len() > count {
                    break;
                }
                moved = cursor.next().unwrap();
            }
            drop(cursor);
            Step::Forward(at, key_, count, seen)
        }
        4 => {
            let (count, mut seen) = (random.below(5), Vec::new());
            let mut cursor = tx.cursor(space).unwrap();
            let mut moved = cursor.seek_for_prev(&key_).unwrap();
            while let Some(pair) = moved.map(owned) {
                seen.push(pair);
                if seen.len() > count {
                    break;
                }
                moved = cursor.prev().unwrap();
            }
            drop(cursor);
            Step::Backward(at, key_, count, seen)
        }
        5 => {
            let end = key(random);
            let options = ItemOptions::new().keys(key_.clone()..end.clone());
            let items = tx.items(space, &options).unwrap();
            let seen = items.map(|item| {
                let item = item.unwrap();
                (item.key().to_vec(), item.value().unwrap().to_vec())
            });
            let seen = seen.collect();
            Step::Items(at, key_, end, seen)
        }
        6 | 7 => {
            let value = value(random);
            tx.put(space, &key_, &value).unwrap();
            Step::Put(at, key_, value)
        }
        8 => {
            tx.delete(space, &key_).unwrap();
            Step::Delete(at, key_)
        }
        9 => {
            let end = key(random);
            tx.delete_range(space, key_.clone()..end.clone()).unwrap();
            Step::DeleteRange(at, key_, end)
        }
        _ => {
            let (expected, new) = (random.below(2) == 0, value(random));
            let expected = expected.then(|| value(random));
            let swapped = tx
                .compare_and_swap(space, &key_, expected.as_deref(), Some(&new))
                .unwrap();
            Step::Swap(at, key_, expected, new, swapped)
        }
    }
}

/// What is in the model at or behind `start`, in one space.
fn behind(
    model: &Model,
    at: u8,
    start: &[u8],
) -> impl DoubleEndedIterator<Item = (Vec<u8>, Vec<u8>)> {
    let range = (at, start.to_vec())..(at + 1, Vec::new());
    let pairs: Vec<_> = if range.start < range.end {
        model
            .range(range)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect()
    } else {
        Vec::new()
    };
    pairs.into_iter()
}

/// Does the steps again on `model`; answers the first that would have seen something else, and
/// whether any of them changes anything.
fn again(model: &mut Model, steps: &[Step]) -> (Option<Step>, bool) {
    let mut has_changed = false;
    for one in steps {
        let is_same = match one {
            Step::Get(at, key, found) => model.get(&(*at, key.clone())) == found.as_ref(),
            Step::Forward(at, start, count, seen) => behind(model, *at, start)
                .take(count + 1)
                .eq(seen.iter().cloned()),
            Step::Backward(at, start, count, seen) => {
                let before = behind(model, *at, b"")
                    .rev()
                    .filter(|(key, _)| key <= start);
                before.take(count + 1).eq(seen.iter().cloned())
            }
            Step::Items(at, start, end, seen) => {
                let all = behind(model, *at, start).filter(|(key, _)| key < end);
                all.eq(seen.iter().cloned())
            }
            Step::Put(at, key, value) => {
                model.insert((*at, key.clone()), value.clone());
                has_changed = true;
                true
            }
            Step::Delete(at, key) => {
                model.remove(&(*at, key.clone()));
                has_changed = true;
                true
            }
            Step::DeleteRange(at, start, end) => {
                let before = model.len();
                model.retain(|(space, key), _| space != at || key < start || key >= end);
                has_changed |= model.len() < before;
                true
            }
            Step::Swap(at, key, expected, new, swapped) => {
                let holds = model.get(&(*at, key.clone())) == expected.as_ref();
                if holds {
                    model.insert((*at, key.clone()), new.clone());
                    has_changed = true;
                }
                holds == *swapped
            }
        };
        if !is_same {
            return (Some(one.clone()), has_changed);
        }
    }
    (None, has_changed)
}

/// What was seen over all transactions.
#[derive(Debug, Default)]
struct Report {
    /// Whether the model follows the store, which is known to go wrong.
    keeps_up: bool,
    committed: usize,
    conflicts: usize,
    anomalies: Vec<Step>,
}

/// A transaction under way, and what was there when it began.
struct Open {
    tx: lsm_valuelog::Transaction,
    begun: Model,
    steps: Vec<Step>,
}

/// Commits some of the open transactions, together where there are several.
fn commit(db: &Db, open: &mut Vec<Open>, random: &mut Rng, model: &mut Model, report: &mut Report) {
    let (sender, ended) = channel();
    for number in 0..1 + random.below(3) {
        if open.is_empty() {
            break;
        }
        let one = open.swap_remove(random.below(open.len()));
        let (tx, steps, mut begun) = (one.tx, one.steps, one.begun);
        let (wrong, has_changed) = again(&mut begun, &steps);
        assert!(
            wrong.is_none(),
            "not what was there when it began: {wrong:?}"
        );
        if !has_changed {
            // It needs no moment but the one when it began.
            tx.commit(Durability::Buffered).unwrap();
            continue;
        }
        if number == 0 && random.percent(50) {
            let outcome = tx.commit(Durability::Buffered);
            sender.send((outcome, steps)).unwrap();
            continue;
        }
        let sender = sender.clone();
        tx.commit_then(Durability::Buffered, move |outcome| {
            sender.send((outcome.map(drop), steps)).unwrap();
        });
    }
    drop(sender);
    let mut is_lost = false;
    for (outcome, steps) in ended {
        match outcome {
            Ok(()) => {
                report.committed += 1;
                let wrong = if is_lost {
                    None
                } else {
                    again(model, &steps).0
                };
                is_lost |= wrong.is_some();
                report.anomalies.extend(wrong);
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
                report.conflicts += 1;
            }
        }
    }
    if report.keeps_up {
        // So that one anomaly is not taken for another, and what a deleted range overlooked is.
        *model = found(db);
    }
}

/// Lets transactions cross at random until enough have committed.
fn cross(options: Options, directory: &Path, seed: u64, keeps_up: bool) -> (Db, Model, Report) {
    let db = options.open(directory.join("store")).unwrap();
    db.update(|tx| {
        SPACES
            .iter()
            .try_for_each(|name| tx.create_space(name).map(drop))
    })
    .unwrap();
    let mut random = Rng::new(seed);
    let mut model = Model::new();
    let mut report = Report {
        keeps_up,
        ..Report::default()
    };
    let mut open: Vec<Open> = Vec::new();
    while report.committed < 1_000 {
        match random.below(40) {
            0..=7 if open.len() < 6 => open.push(Open {
                tx: db.begin().unwrap(),
                begun: model.clone(),
                steps: Vec::new(),
            }),
            8..=12 => commit(&db, &mut open, &mut random, &mut model, &mut report),
            13 => db.flush().unwrap(),
            14 if random.below(20) == 0 => db.flatten().unwrap(),
            15 => drop(db.collect().unwrap()),
            _ if open.is_empty() => {}
            _ => {
                let at = random.below(open.len());
                let one = &mut open[at];
                let done = step(&mut one.tx, &mut random);
                one.steps.push(done);
            }
        }
    }
    drop(open);
    (db, model, report)
}

fn found(db: &Db) -> Model {
    let snapshot = db.snapshot().unwrap();
    let mut found = Model::new();
    for (at, name) in SPACES.iter().enumerate() {
        let space: Space = snapshot.space(name).unwrap().unwrap();
        for pair in snapshot.range(space, ..).unwrap() {
            let (key, value) = pair.unwrap();
            found.insert((at as u8, key.to_vec()), value.to_vec());
        }
    }
    found
}

#[test]
fn whoever_commits_has_seen_what_it_would_have_seen_alone_at_that_moment() {
    for seed in 0..4 {
        let options = match seed % 2 {
            0 => small(),
            _ => small().background(true).idle(Duration::from_millis(1)),
        };
        let directory = tempfile::tempdir().unwrap();
        let (db, model, report) = cross(options, directory.path(), seed, false);
        assert!(
            report.anomalies.is_empty(),
            "{seed}: {:?}",
            report.anomalies.first()
        );
        assert!(report.conflicts > 50, "{seed}: {}", report.conflicts);
        assert_eq!(found(&db), model, "{seed}");
        let mut findings = Vec::new();
        kv_api::capability::Check::check(&db, &mut |finding| findings.push(finding)).unwrap();
        assert_eq!(findings, [], "{seed}");
    }
}

#[test]
fn without_a_look_for_conflicts_every_kind_of_step_is_seen_to_go_wrong() {
    let mut kinds = BTreeSet::new();
    for seed in 0..10 {
        let directory = tempfile::tempdir().unwrap();
        let options = small().detect_conflicts(false);
        let (_, _, report) = cross(options, directory.path(), seed, true);
        assert_eq!(report.conflicts, 0);
        kinds.extend(report.anomalies.iter().map(|step| match step {
            Step::Get(.., None) => "an absent key",
            Step::Get(..) => "a key",
            Step::Forward(..) => "forward",
            Step::Backward(..) => "backward",
            Step::Items(..) => "items",
            Step::Swap(..) => "a swap",
            Step::Put(..) | Step::Delete(..) | Step::DeleteRange(..) => "nothing",
        }));
    }
    let wanted = [
        "a key",
        "a swap",
        "an absent key",
        "backward",
        "forward",
        "items",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), wanted);
}
