//! What compactions fold stays in the order of its commits, and counts once, whoever folds too.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use kv_api::Durability;
use lsm_valuelog::{Db, MergeOperator, Sequence};

use crate::conformance::small;

fn joined(old: &[u8], new: &[u8]) -> Vec<u8> {
    [old, new].concat()
}

fn value(log: &MergeOperator) -> Vec<u8> {
    log.get().unwrap().map_or_else(Vec::new, |sum| sum.to_vec())
}

fn add(db: &Db, numbers: std::ops::Range<u32>) {
    let log = db.merge_operator(b"log", joined, None).unwrap();
    for number in numbers {
        let number = number.to_be_bytes();
        log.add_with(&number, Durability::Buffered).unwrap();
    }
}

#[test]
fn additions_of_many_threads_stay_in_the_order_of_their_commits_when_parts_of_them_are_folded() {
    for round in 0..4 {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("store");
        let options = || small().table_bytes(1 << 10).base_level_bytes(8 << 10);
        // Numbers of additions are in order but for those of threads that add at one time, and
        // tables end anywhere between them.
        let db = options().open(&path).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..6 {
                let db = &db;
                scope.spawn(move || add(db, thread * 1_000..thread * 1_000 + 150));
            }
        });
        let log = db.merge_operator(b"log", joined, None).unwrap();
        let mut expected = value(&log);
        assert_eq!(expected.len(), 4 * 6 * 150);
        drop((log, db));
        let folding = options().base_level_bytes(2 << 10);
        let db = folding.fold_additions(b"log", joined).open(&path).unwrap();
        let log = db.merge_operator(b"log", joined, None).unwrap();
        for number in (100_000..).step_by(40).take(10) {
            add(&db, number..number + 40);
            expected.extend((number..number + 40).flat_map(u32::to_be_bytes));
            db.flush().unwrap();
            assert!(value(&log) == expected, "round {round}, {number}");
        }
        db.flatten().unwrap();
        assert!(value(&log) == expected, "round {round}");
        assert_eq!(log.fold().unwrap(), 1, "round {round}: all were folded");
        assert!(value(&log) == expected, "round {round}");
    }
}

type Call = Box<dyn FnOnce() + Send>;

/// Joins, and does something before the first time it does.
fn joined_and(first: Arc<Mutex<Option<Call>>>) -> impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync {
    move |old, new| {
        let call = first.lock().unwrap().take();
        if let Some(call) = call {
            call();
        }
        joined(old, new)
    }
}

#[test]
fn what_somebody_has_folded_in_part_while_a_compaction_folded_it_counts_once() {
    let directory = tempfile::tempdir().unwrap();
    let in_compaction = Arc::new(Mutex::new(None));
    let options = small().keep_history(true).level_zero_tables(20, 30, 40);
    let options = options.fold_additions(b"log", joined_and(Arc::clone(&in_compaction)));
    let db = Arc::new(options.open(directory.path().join("store")).unwrap());
    add(&db, 0..10);
    let (came, comes) = channel();
    let (go, goes) = channel();
    let (inside, thread) = (Arc::clone(&db), Arc::new(Mutex::new(None)));
    let begun = Arc::clone(&thread);
    // Ten more come when these are being folded, and a compaction takes all of them.
    let behind: Call = Box::new(move || {
        add(&inside, 10..20);
        inside.flush().unwrap();
        inside.discard_before(inside.newest_version()).unwrap();
        *in_compaction.lock().unwrap() = Some(Box::new(move || {
            came.send(()).unwrap();
            goes.recv().unwrap();
        }) as Call);
        let db = Arc::clone(&inside);
        *begun.lock().unwrap() = Some(std::thread::spawn(move || db.flatten().unwrap()));
        comes.recv().unwrap();
    });
    let behind = Arc::new(Mutex::new(Some(behind)));
    let calls = Mutex::new(0);
    let first = joined_and(behind);
    let fold = move |old: &[u8], new: &[u8]| {
        *calls.lock().unwrap() += 1;
        if *calls.lock().unwrap() == 10 {
            // The first ten are folded, and the compaction goes on before the others are.
            go.send(()).unwrap();
            let flattening = thread.lock().unwrap().take().unwrap();
            flattening.join().unwrap();
        }
        first(old, new)
    };
    let log = db.merge_operator(b"log", fold, None).unwrap();
    assert!(log.fold().unwrap() >= 10);
    let expected: Vec<u8> = (0..20_u32).flat_map(u32::to_be_bytes).collect();
    assert_eq!(value(&log), expected);
    db.flatten().unwrap();
    assert_eq!(value(&log), expected);
    assert!(db.oldest_version() > Sequence(10));
}
