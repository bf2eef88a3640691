//! The bank, on stores that are sound and on stores that are not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conformance::{MemoryModel, Writers};
use isolation::{Bank, BankReport, Fault, Faulty, ThroughStore, Violation};

fn model(writers: Writers) -> ThroughStore<MemoryModel> {
    ThroughStore::new(MemoryModel::new(writers))
}

fn run(fault: Fault, lasting: Duration) -> Result<BankReport, Violation> {
    let bank = Bank {
        accounts: 30,
        lasting,
        ..Bank::small()
    };
    let faulty = Faulty::new(model(Writers::Optimistic), fault);
    bank.run(&faulty, &|| Ok(()), &mut |_| true)
}

#[test]
fn sound_stores_pass() {
    for writers in [Writers::OneAtATime, Writers::Optimistic] {
        let chores = AtomicU64::new(0);
        let chore = || {
            chores.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let mut told = 0;
        let report = Bank::small().run(&model(writers), &chore, &mut |_| {
            told += 1;
            true
        });
        let report = report.unwrap();
        assert!(
            report.transfers > 0 && report.audits > 0 && report.turnovers > 0,
            "{report:?}"
        );
        assert!(told > 0 && chores.into_inner() > 0);
    }
    let report = run(Fault::None, Duration::from_millis(500)).unwrap();
    assert!(report.transfers > 0 && report.conflicts > 0, "{report:?}");
}

#[test]
fn every_planted_fault_is_found() {
    for fault in [
        Fault::NoDetection,
        Fault::Unrepeatable,
        Fault::Dirty,
        Fault::LosesCommits(100),
        Fault::LosesChanges(100),
    ] {
        // Whole commits that are lost are told by the ledger, at the end.
        let lasting = match fault {
            Fault::LosesCommits(_) => Duration::from_millis(300),
            _ => Duration::from_secs(30),
        };
        let found = run(fault, lasting).unwrap_err();
        assert!(!matches!(found, Violation::Failed(_)), "{fault:?}: {found}");
    }
}

#[test]
fn a_lost_commit_leaves_the_sum_right_and_is_found_all_the_same() {
    let found = run(Fault::LosesCommits(50), Duration::from_millis(300)).unwrap_err();
    assert!(matches!(found, Violation::Ledger { .. }), "{found}");
}

#[test]
fn phantoms_alone_are_found_by_counting() {
    let found = run(Fault::NoRanges, Duration::from_secs(30)).unwrap_err();
    assert!(matches!(found, Violation::Count { .. }), "{found}");
}

#[test]
fn a_chore_that_fails_ends_the_bank() {
    let chore = || Err(kv_api::Error::Closed);
    let bank = Bank {
        lasting: Duration::from_secs(60),
        ..Bank::small()
    };
    let failed = bank.run(&model(Writers::Optimistic), &chore, &mut |_| true);
    assert!(matches!(
        failed,
        Err(Violation::Failed(kv_api::Error::Closed))
    ));
}
