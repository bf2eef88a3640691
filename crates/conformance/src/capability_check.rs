//! Laws about a store that can account for every byte it believes to own.

use kv_api::capability::{Check, CheckSummary, Finding};
use kv_api::{Durability, Space, Store, Transaction};
use quickcheck::TestResult;

use crate::Fixture;
use crate::model::run_scripts;
use crate::scaffold::{commit_pairs, contents, numbered, opened, without_blocking};
use crate::script::Op;
use crate::session::Session;

/// Checks, and fails on any finding.
#[track_caller]
pub(crate) fn assert_sound(store: &impl Check) -> CheckSummary {
    let mut findings: Vec<Finding> = Vec::new();
    let summary = store.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
    assert_eq!(summary.findings, 0, "the summary counts what was reported");
    summary
}

/// A fresh store has no findings.
pub fn a_fresh_store_has_no_findings<F: Fixture>()
where
    F::Store: Check,
{
    let (_fixture, store) = opened::<F>();
    assert_sound(&store);
}

/// Neither has one that was filled, emptied, filled again and opened again.
pub fn a_used_store_has_no_findings<F: Fixture>()
where
    F::Store: Check,
{
    let (fixture, store) = opened::<F>();
    let pairs = numbered(3_000);
    commit_pairs(&store, &pairs);
    assert_sound(&store);
    store
        .update(|tx| tx.delete_range(Space::DEFAULT, "key 000500".."key 002500"))
        .unwrap();
    assert_sound(&store);
    store
        .update(|tx| {
            let space = tx.create_space(b"s")?;
            tx.put(space, b"large", &vec![1; 300_000])
        })
        .unwrap();
    assert_sound(&store);
    store.update(|tx| tx.drop_space(b"s")).unwrap();
    store
        .update(|tx| tx.delete_range(Space::DEFAULT, ..))
        .unwrap();
    assert_sound(&store);
    store.close().unwrap();
    drop(store);
    let store = fixture.open().unwrap();
    commit_pairs(&store, &pairs);
    assert_sound(&store);
}

/// A transaction that was rolled back leaves nothing to find.
pub fn a_rolled_back_transaction_leaves_no_findings<F: Fixture>()
where
    F::Store: Check,
{
    let (_fixture, store) = opened::<F>();
    commit_pairs(&store, &numbered(1_000));
    for _ in 0..3 {
        let mut tx = store.begin().unwrap();
        tx.delete_range(Space::DEFAULT, "key 000100"..).unwrap();
        tx.put(Space::DEFAULT, b"large", &vec![1; 300_000]).unwrap();
        tx.rollback();
        assert_sound(&store);
    }
}

/// A check runs while snapshots are held and a transaction is open, and finds nothing.
pub fn a_check_runs_beside_readers_and_a_writer<F: Fixture>()
where
    F::Store: Check,
{
    without_blocking(|| {
        let (_fixture, store) = opened::<F>();
        commit_pairs(&store, &numbered(1_000));
        let snapshot = store.snapshot().unwrap();
        let before = contents(&snapshot);
        store
            .update(|tx| tx.delete_range(Space::DEFAULT, .."key 000900"))
            .unwrap();
        let mut tx = store.begin().unwrap();
        tx.put(Space::DEFAULT, b"open", b"").unwrap();
        assert_sound(&store);
        tx.commit(Durability::Sync).unwrap();
        assert_sound(&store);
        assert!(contents(&snapshot) == before);
    });
}

/// A check looks at something: a larger store has more units.
pub fn a_check_looks_at_more_in_a_larger_store<F: Fixture>()
where
    F::Store: Check,
{
    let (_fixture, store) = opened::<F>();
    let before = assert_sound(&store).units;
    commit_pairs(&store, &numbered(5_000));
    assert!(assert_sound(&store).units > before);
}

/// Whatever random scripts do, nothing is found at their end.
pub fn random_scripts_leave_no_findings<F: Fixture>()
where
    F::Store: Check,
{
    run_scripts(120, leaves_no_findings::<F> as fn(Vec<Op>) -> TestResult);
}

fn leaves_no_findings<F: Fixture>(script: Vec<Op>) -> TestResult
where
    F::Store: Check,
{
    let fixture = F::new();
    let mut session = Session::new(fixture.open().unwrap());
    for op in &script {
        session.run(op, || fixture.open()).unwrap();
    }
    assert_sound(session.store());
    TestResult::passed()
}
