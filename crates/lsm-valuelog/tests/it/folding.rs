//! Additions that compactions fold.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crash_kit::{Action, Call, CrashDisk, Fault, Rng, Survivors};
use disk::MemoryDisk;
use kv_api::Durability;
use kv_api::capability::Check;
use lsm_valuelog::{Db, MergeOperator, Options, Sequence};

use crate::conformance::small;

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

fn sum(old: &[u8], new: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
    (number(old) + number(new)).to_be_bytes().to_vec()
}

fn folding() -> Options {
    small()
        .fold_additions(b"log", joined)
        .fold_additions(b"log\0sum", sum)
}

fn log_of(db: &Db, key: &[u8]) -> MergeOperator {
    db.merge_operator(key, joined, None).unwrap()
}

fn value(log: &MergeOperator) -> Vec<u8> {
    log.get()
        .unwrap()
        .map_or_else(Vec::new, |value| value.to_vec())
}

fn add_all(db: &Db, keys: &[&[u8]], count: u8) {
    for number in 0..count {
        for key in keys {
            log_of(db, key)
                .add_with(&[number], Durability::Buffered)
                .unwrap();
        }
    }
}

#[test]
fn a_compaction_folds_the_additions_of_keys_that_have_an_operator() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    let keys: [&[u8]; 4] = [b"log", b"log\0a", b"log 2", b"other"];
    add_all(&db, &keys, 200);
    db.flatten().unwrap();
    let wanted: Vec<u8> = (0..200).collect();
    for (key, left) in keys.into_iter().zip([1, 1, 1, 200]) {
        let log = log_of(&db, key);
        assert_eq!(value(&log), wanted, "{key:?}");
        assert_eq!(log.fold().unwrap(), left, "{key:?}");
        assert_eq!(value(&log), wanted, "{key:?}");
    }
}

#[test]
fn the_operator_with_the_longest_prefix_counts_and_one_that_panics_folds_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding()
        .fold_additions(b"log of panic", |_, _| panic!("on purpose"))
        .open(directory.path().join("store"))
        .unwrap();
    let counter = db.merge_operator(b"log\0sum of all", sum, None).unwrap();
    for _ in 0..50 {
        counter.add(&7_u64.to_be_bytes()).unwrap();
    }
    add_all(&db, &[b"log of panic"], 50);
    db.flatten().unwrap();
    assert_eq!(counter.get().unwrap().unwrap(), 350_u64.to_be_bytes()[..]);
    assert_eq!(counter.fold().unwrap(), 1);
    let log = log_of(&db, b"log of panic");
    assert_eq!(value(&log), (0..50).collect::<Vec<u8>>());
    assert_eq!(log.fold().unwrap(), 50);
}

#[test]
fn without_an_operator_and_where_all_versions_are_kept_additions_stay_apart() {
    let directory = tempfile::tempdir().unwrap();
    let keeping = folding().versions_to_keep(usize::MAX);
    for (name, options) in [("none", small()), ("all", keeping)] {
        let db = options.open(directory.path().join(name)).unwrap();
        add_all(&db, &[b"log"], 50);
        db.flatten().unwrap();
        assert_eq!(log_of(&db, b"log").fold().unwrap(), 50, "{name}");
    }
}

/// What each key's additions came to after each commit.
type Model = BTreeMap<Vec<u8>, BTreeMap<u64, Vec<u8>>>;

fn run(seed: u64) {
    let disk = Arc::new(MemoryDisk::default());
    let mut rng = Rng::new(seed);
    let keeps = rng.percent(50);
    let open = |with: bool| {
        let options = if with { folding() } else { small() };
        let options = options.keep_history(keeps).read_without_mapping(true);
        options
            .disk(Arc::<MemoryDisk>::clone(&disk))
            .open("store")
            .unwrap()
    };
    let mut db = open(true);
    let mut model = Model::new();
    let mut held = Vec::new();
    let keys: [&[u8]; 3] = [b"log", b"log\0", b"logs"];
    let at = |model: &Model, key: &[u8], version: u64| {
        let versions = model.get(key).into_iter();
        let mut newest = versions.filter_map(|versions| versions.range(..=version).next_back());
        newest.next().map(|(_, value)| value.clone())
    };
    let mut mark = 0;
    for step in 0..400_u64 {
        let about = format!("seed {seed}, step {step}");
        let key = keys[rng.below(3)];
        let log = log_of(&db, key);
        let len = if rng.percent(10) { 150 } else { 2 };
        let part = vec![step as u8; len];
        log.add_with(&part, Durability::Buffered).unwrap();
        let mut whole = at(&model, key, u64::MAX).unwrap_or_default();
        whole.extend(part);
        assert_eq!(value(&log), whole, "{about}");
        let versions = model.entry(key.to_vec()).or_default();
        versions.insert(db.newest_version().0, whole);
        match rng.below(25) {
            0 => drop(log.fold().unwrap()),
            1 => db.flatten().unwrap(),
            2 => db.flush().unwrap(),
            3 => held.push((db.snapshot().unwrap(), db.newest_version().0)),
            4 => {
                held.clear();
                drop((log, db));
                db = open(rng.percent(70));
            }
            5 if keeps => {
                mark = db.newest_version().0
                    - rng.below(20).min(db.newest_version().0 as usize) as u64;
                mark = mark.max(db.oldest_version().0);
                db.discard_before(Sequence(mark)).unwrap();
            }
            6 if keeps => {
                let version = mark + rng.below((db.newest_version().0 - mark + 1) as usize) as u64;
                held.push((db.snapshot_at(Sequence(version)).unwrap(), version));
            }
            _ => {}
        }
        for (snapshot, version) in &held {
            for key in keys {
                let then = log_of(&db, key).get_at(snapshot).unwrap();
                let then = then.map(|value| value.to_vec());
                assert_eq!(then, at(&model, key, *version), "{about}, as of {version}");
            }
        }
    }
    let found = db.check(&mut |finding| println!("{finding:?}")).unwrap();
    assert_eq!(found.findings, 0);
}

#[test]
fn folded_or_not_additions_come_to_what_the_model_says_at_every_version() {
    for seed in 0..20 {
        run(seed);
    }
}

#[test]
fn no_addition_is_lost_or_counted_twice_while_compactions_and_others_fold() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding()
        .background(true)
        .idle(Duration::from_millis(1))
        .fold_additions(b"hits", sum)
        .open(directory.path().join("store"))
        .unwrap();
    let counter = db.merge_operator(b"hits", sum, None).unwrap();
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let adding: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        let one = 1_u64.to_be_bytes();
                        counter.add_with(&one, Durability::Deferred).unwrap();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                counter.fold().unwrap();
            }
        });
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                db.flatten().unwrap();
            }
        });
        for thread in adding {
            thread.join().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(counter.get().unwrap().unwrap(), 4_000_u64.to_be_bytes()[..]);
}

#[test]
fn dropping_a_prefix_takes_what_was_folded_along() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    add_all(&db, &[b"log a", b"log b"], 50);
    db.flatten().unwrap();
    db.drop_prefix(None, b"log a").unwrap();
    assert_eq!(log_of(&db, b"log a").get().unwrap(), None);
    assert_eq!(value(&log_of(&db, b"log b")).len(), 50);
}

#[test]
fn a_folding_that_fails_or_is_cut_off_anywhere_changes_no_sum() {
    for call in [Call::AnyChange, Call::AnySync, Call::Open] {
        for nth in 1.. {
            let disk = CrashDisk::new();
            let db = folding().disk(disk.as_dyn()).open("store").unwrap();
            add_all(&db, &[b"log", b"logs"], 60);
            db.sync().unwrap();
            disk.arm(Fault::once(call, nth, Action::Fail(5)));
            let flattened = db.flatten();
            let is_struck = disk.struck() > 0;
            disk.disarm();
            for survivors in [Survivors::Synced, Survivors::Everything] {
                let left = disk.after_crash(survivors);
                let db = folding().disk(left.as_dyn()).open("store").unwrap();
                for key in [b"log".as_slice(), b"logs"] {
                    let wanted: Vec<u8> = (0..60).collect();
                    let about = format!("{call:?} {nth} {survivors:?} {flattened:?}");
                    assert_eq!(value(&log_of(&db, key)), wanted, "{about}");
                }
            }
            if !is_struck {
                break;
            }
        }
    }
}

/// What an operator does besides, once, the first time it is called after it was given.
type Hook = Arc<std::sync::Mutex<Option<Box<dyn FnOnce() + Send>>>>;

fn joined_and(hook: &Hook) -> impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync + 'static {
    let hook = Arc::clone(hook);
    move |old, new| {
        let called = hook.lock().unwrap().take();
        if let Some(call) = called {
            call();
        }
        joined(old, new)
    }
}

#[test]
fn what_was_folded_while_a_compaction_folded_it_too_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let hook = Hook::default();
    let options = small().fold_additions(b"log", joined_and(&hook));
    let db = Arc::new(options.open(directory.path().join("store")).unwrap());
    add_all(&db, &[b"log"], 20);
    db.flush().unwrap();
    let inside = Arc::clone(&db);
    *hook.lock().unwrap() = Some(Box::new(move || {
        assert!(log_of(&inside, b"log").fold().unwrap() > 0);
    }));
    db.flatten().unwrap();
    assert!(
        hook.lock().unwrap().is_none(),
        "the compaction folds nothing"
    );
    assert_eq!(value(&log_of(&db, b"log")), (0..20).collect::<Vec<u8>>());
}

#[test]
fn what_a_compaction_folded_while_somebody_folded_it_too_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let db = folding().open(directory.path().join("store")).unwrap();
    let db = Arc::new(db);
    add_all(&db, &[b"log"], 20);
    db.flush().unwrap();
    let (hook, inside) = (Hook::default(), Arc::clone(&db));
    *hook.lock().unwrap() = Some(Box::new(move || inside.flatten().unwrap()));
    let log = db.merge_operator(b"log", joined_and(&hook), None).unwrap();
    assert_eq!(log.fold().unwrap(), 0, "it meets a conflict");
    assert_eq!(value(&log), (0..20).collect::<Vec<u8>>());
    assert_eq!(log.fold().unwrap(), 1);
    assert_eq!(value(&log), (0..20).collect::<Vec<u8>>());
}
