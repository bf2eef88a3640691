//! Isolation under strain: the bank and random histories, with flushes, compactions and collection
//! going on; and that what finds nothing here finds what is planted.

use std::time::{Duration, Instant};

use isolation::history::{Anomaly, CheckOptions, CycleKind, Findings, Workload, check};
use isolation::{Bank, BankReport, Fault, Faulty, ThroughStore, Violation};
use kv_api::Store;
use lsm_valuelog::{Db, Options};

use crate::conformance::small;

fn busy() -> Options {
    small().background(true).idle(Duration::from_millis(1))
}

/// Runs `bank` on a new store with all that goes on behind the scenes, and more of it.
fn run_bank(options: Options, bank: &Bank) -> Result<(BankReport, Db), Violation> {
    let directory = tempfile::tempdir().unwrap();
    let subject = ThroughStore::new(options.open(directory.path().join("store")).unwrap());
    let chore = || {
        subject.store().flush()?;
        subject.store().collect()?;
        // Somebody else's keys come and go.
        subject.store().update_retry(|tx| {
            use kv_api::Transaction;
            tx.drop_space(b"junk")?;
            let space = tx.create_space(b"junk")?;
            (0..50_u8).try_for_each(|key| tx.put(space, &[key], &[key; 200]))
        })
    };
    let report = bank.run(&subject, &chore, &mut |_| true)?;
    Ok((report, subject.into_store()))
}

#[test]
fn the_bank_balances_while_everything_goes_on() {
    let bank = Bank {
        lasting: Duration::from_secs(2),
        padding_bytes: 200,
        ..Bank::small()
    };
    let (report, db) = run_bank(busy(), &bank).unwrap();
    assert!(report.transfers > 0 && report.audits > 0, "{report:?}");
    let metrics = db.metrics();
    assert!(
        metrics.flushes > 0 && metrics.compactions > 0,
        "{metrics:?}"
    );
    assert!(
        metrics.value_bytes > 0 && metrics.collections > 0,
        "{metrics:?}"
    );
}

#[test]
fn the_bank_finds_a_lost_update_and_missing_detection() {
    for fault in [
        Fault::LosesCommits(50),
        Fault::LosesChanges(50),
        Fault::NoDetection,
    ] {
        let directory = tempfile::tempdir().unwrap();
        let db = small().open(directory.path().join("store")).unwrap();
        let subject = Faulty::new(ThroughStore::new(db), fault);
        let bank = Bank {
            accounts: 20,
            lasting: Duration::from_secs(2),
            ..Bank::small()
        };
        let found = bank.run(&subject, &|| Ok(()), &mut |_| true).unwrap_err();
        assert!(!matches!(found, Violation::Failed(_)), "{fault:?}: {found}");
    }
}

fn history_of(options: Options, workload: &Workload) -> Findings {
    let directory = tempfile::tempdir().unwrap();
    let db = options.open(directory.path().join("store")).unwrap();
    let (history, report) = workload.run(&ThroughStore::new(db)).unwrap();
    assert!(
        report.committed >= workload.transactions && report.conflicts > 0,
        "{report:?}"
    );
    check(&history, CheckOptions::default())
}

#[test]
fn histories_have_no_anomaly() {
    for (options, padding_bytes) in [(busy(), 200), (small(), 0), (Options::new(), 3_000)] {
        let workload = Workload {
            padding_bytes,
            ..Workload::small()
        };
        let findings = history_of(options, &workload);
        assert!(findings.is_clean(), "{:?}", findings.anomalies.first());
    }
}

#[test]
fn anomalies_planted_in_front_of_the_store_are_found() {
    let directory = tempfile::tempdir().unwrap();
    type Wanted = fn(&Findings) -> bool;
    let faults: [(Fault, Wanted); 5] = [
        (Fault::NoDetection, |found| {
            let is_lost = |anomaly: &Anomaly| matches!(anomaly, Anomaly::LostUpdate { .. });
            found.anomalies.iter().any(is_lost)
        }),
        (Fault::OnlyWrites, |found| {
            found.has_cycle(CycleKind::WriteSkew)
        }),
        (Fault::NoRanges, |found| found.has_cycle(CycleKind::Phantom)),
        (Fault::LosesDeletions(20), |found| !found.is_clean()),
        (Fault::OverlooksDeletions, |found| {
            let is_lost = |anomaly: &Anomaly| matches!(anomaly, Anomaly::LostUpdate { .. });
            found.anomalies.iter().any(is_lost)
        }),
    ];
    for (at, (fault, wanted)) in faults.into_iter().enumerate() {
        let is_found = (0..50).any(|seed| {
            let path = directory.path().join(format!("{at} {seed}"));
            let db = small().open(path).unwrap();
            let workload = Workload {
                seed,
                transactions: 500,
                keys: 12,
                ..Workload::small()
            };
            let subject = Faulty::new(ThroughStore::new(db), fault);
            let (history, _) = workload.run(&subject).unwrap();
            wanted(&check(&history, CheckOptions::default()))
        });
        assert!(is_found, "{fault:?}");
    }
}

/// Run by `scripts/isolation`.
#[test]
#[ignore = "takes a minute and two processors"]
fn a_million_transactions_have_no_anomaly() {
    let began = Instant::now();
    let workload = Workload {
        transactions: 1_000_000,
        threads: 8,
        keys: 20_000,
        range_keys: 8,
        padding_bytes: 600,
        seed: 1,
    };
    let options = Options::new()
        .memtable_bytes(4 << 20)
        .value_threshold_bytes(500)
        .value_file_bytes(16 << 20)
        .table_bytes(2 << 20)
        .base_level_bytes(4 << 20)
        .idle(Duration::from_millis(10));
    let directory = tempfile::tempdir().unwrap();
    let subject = ThroughStore::new(options.open(directory.path().join("store")).unwrap());
    let (history, report) = workload.run(&subject).unwrap();
    let ran = began.elapsed();
    let metrics = subject.store().metrics();
    assert!(
        metrics.compactions > 0 && metrics.collections > 0,
        "{metrics:?}"
    );
    let findings = check(&history, CheckOptions::default());
    for anomaly in findings.anomalies.iter().take(5) {
        println!("{anomaly}");
    }
    println!(
        "isolation history transactions={} conflicts={} edges={} anomalies={} ran_secs={:.1} secs={:.1}",
        findings.transactions,
        report.conflicts,
        findings.edges,
        findings.count,
        ran.as_secs_f64(),
        began.elapsed().as_secs_f64(),
    );
    assert!(findings.is_clean());
    assert!(findings.transactions >= 1_000_000);
}

/// Run by `scripts/isolation`, which says for how long.
#[test]
#[ignore = "takes a minute and two processors"]
fn the_bank_balances_for_a_minute() {
    let secs = std::env::var("BANK_SECS")
        .ok()
        .and_then(|secs| secs.parse().ok());
    let bank = Bank {
        accounts: 1_000,
        threads: 16,
        lasting: Duration::from_secs(secs.unwrap_or(60)),
        padding_bytes: 600,
        seed: 1,
    };
    let options = Options::new()
        .memtable_bytes(2 << 20)
        .value_threshold_bytes(500)
        .value_file_bytes(8 << 20)
        .table_bytes(1 << 20)
        .base_level_bytes(2 << 20);
    let (report, db) = run_bank(options, &bank).unwrap();
    let metrics = db.metrics();
    println!(
        "isolation bank threads=16 transfers={} conflicts={} turnovers={} audits={} look_ups={} flushes={} compactions={} collections={} secs={}",
        report.transfers,
        report.conflicts,
        report.turnovers,
        report.audits,
        report.look_ups,
        metrics.flushes,
        metrics.compactions,
        metrics.collections,
        bank.lasting.as_secs(),
    );
    assert!(metrics.compactions > 0 && metrics.collections > 0);
}
