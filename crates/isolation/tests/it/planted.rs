//! Workloads on stores with a fault planted, and on stores without.

use conformance::{MemoryModel, Writers};
use isolation::history::{Anomaly, CheckOptions, CycleKind, Findings, Workload, check};
use isolation::{Fault, Faulty, Subject, ThroughStore};

fn model() -> ThroughStore<MemoryModel> {
    ThroughStore::new(MemoryModel::new(Writers::Optimistic))
}

fn findings(subject: &impl Subject, workload: &Workload) -> Findings {
    let (history, report) = workload.run(subject).unwrap();
    assert!(report.committed >= workload.transactions, "{report:?}");
    assert_eq!(history.committed() as u64, report.committed);
    check(
        &history,
        CheckOptions {
            kept_max: usize::MAX,
            ..CheckOptions::default()
        },
    )
}

/// Runs workloads until `is_found` says so, or a hundred were run.
fn hunt(fault: Fault, is_found: impl Fn(&Findings) -> bool) {
    let mut last = None;
    for seed in 0..100 {
        let workload = Workload {
            seed,
            transactions: 500,
            keys: 12,
            ..Workload::small()
        };
        let found = findings(&Faulty::new(model(), fault), &workload);
        if is_found(&found) {
            return;
        }
        last = Some(found);
    }
    panic!(
        "{fault:?} was not found: {:?}",
        last.map(|found| found.anomalies)
    );
}

fn any(findings: &Findings, wanted: fn(&Anomaly) -> bool) -> bool {
    findings.anomalies.iter().any(wanted)
}

#[test]
fn sound_stores_are_clean() {
    for writers in [Writers::OneAtATime, Writers::Optimistic] {
        let store = ThroughStore::new(MemoryModel::new(writers));
        let found = findings(&store, &Workload::small());
        assert!(found.is_clean(), "{:?}", found.anomalies.first());
        assert!(found.edges > 0);
    }
    let found = findings(&Faulty::new(model(), Fault::None), &Workload::small());
    assert!(found.is_clean(), "{:?}", found.anomalies.first());
}

#[test]
fn without_detection_updates_are_lost() {
    hunt(Fault::NoDetection, |found| {
        any(found, |anomaly| {
            matches!(anomaly, Anomaly::LostUpdate { .. })
        })
    });
}

#[test]
fn plain_snapshot_isolation_shows_write_skew() {
    hunt(Fault::OnlyWrites, |found| {
        found.has_cycle(CycleKind::WriteSkew)
            && !any(found, |anomaly| {
                matches!(anomaly, Anomaly::LostUpdate { .. })
            })
    });
}

#[test]
fn without_ranges_phantoms_pass() {
    hunt(Fault::NoRanges, |found| found.has_cycle(CycleKind::Phantom));
}

#[test]
fn reads_that_do_not_repeat_are_found() {
    hunt(Fault::Unrepeatable, |found| {
        found.has_cycle(CycleKind::ReadSkew)
            || any(found, |anomaly| matches!(anomaly, Anomaly::Internal { .. }))
    });
}

#[test]
fn dirty_and_intermediate_reads_are_found() {
    hunt(Fault::Dirty, |found| {
        any(found, |anomaly| {
            matches!(anomaly, Anomaly::AbortedRead { .. })
        })
    });
    hunt(Fault::Dirty, |found| {
        any(found, |anomaly| {
            matches!(anomaly, Anomaly::IntermediateRead { .. })
        })
    });
}

#[test]
fn forgotten_commits_are_found() {
    for fault in [Fault::LosesCommits(40), Fault::LosesChanges(40)] {
        hunt(fault, |found| !found.is_clean());
    }
}

#[test]
fn deletions_that_come_back_and_those_that_conflict_with_nobody_are_found() {
    hunt(Fault::LosesDeletions(20), |found| {
        any(found, |anomaly| {
            matches!(anomaly, Anomaly::LostUpdate { .. })
        }) || found.has_cycle(CycleKind::Stale)
    });
    hunt(Fault::OverlooksDeletions, |found| {
        any(
            found,
            |anomaly| matches!(anomaly, Anomaly::LostUpdate { replaced, .. } if replaced.is_some()),
        )
    });
    hunt(Fault::OverlooksDeletions, |found| {
        found.has_cycle(CycleKind::WriteSkew) || found.has_cycle(CycleKind::Phantom)
    });
}

#[test]
fn old_versions_are_found_by_the_clock() {
    hunt(Fault::Stale, |found| found.has_cycle(CycleKind::Stale));
}
