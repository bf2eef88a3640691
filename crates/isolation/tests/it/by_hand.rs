//! One history written by hand for each thing that cannot be.

use isolation::history::{
    Anomaly, CheckOptions, CycleKind, Findings, History, Key, Operation, Outcome,
    RecordedTransaction, Seen, TransactionId, Version, check,
};

/// What stands for an operation here: a number, a key, and the writer and place of a version.
#[derive(Clone, Copy)]
enum Op {
    /// Read a key as absent.
    None(u32),
    /// Read a key's version by this writer.
    Read(u32, u32),
    /// Read a key's version by this writer, as which of its writes.
    ReadNth(u32, u32, u32),
    Write(u32),
    Delete(u32),
    /// Read the keys from 0 to 9 and found one, by a writer.
    Range(Option<(u32, u32)>),
}

fn transaction(
    id: u32,
    (begun, ended): (u64, u64),
    outcome: Outcome,
    ops: &[Op],
) -> RecordedTransaction {
    let version = |writer, nth| Version {
        writer: TransactionId(writer),
        nth,
    };
    let mut nth = 0;
    let operations = ops.iter().map(|op| match *op {
        Op::None(key) => Operation::Read(Key(key), None),
        Op::Read(key, writer) => Operation::Read(Key(key), Some(version(writer, 0))),
        Op::ReadNth(key, writer, nth) => Operation::Read(Key(key), Some(version(writer, nth))),
        Op::Write(key) => {
            nth += 1;
            Operation::Write(Key(key), version(id, nth - 1))
        }
        Op::Delete(key) => {
            nth += 1;
            Operation::Delete(Key(key), version(id, nth - 1))
        }
        Op::Range(found) => Operation::Range {
            first: Key(0),
            last: Key(9),
            seen: found
                .map(|(key, writer)| Seen {
                    key: Key(key),
                    version: version(writer, 0),
                })
                .into_iter()
                .collect(),
        },
    });
    RecordedTransaction {
        begun,
        ended,
        outcome,
        operations: operations.collect(),
    }
}

/// Checks transactions that all run at the same time.
fn found(transactions: &[(Outcome, &[Op])]) -> Findings {
    let transactions = transactions.iter().zip(0..);
    let transactions =
        transactions.map(|((outcome, ops), id)| transaction(id, (0, 1), *outcome, ops));
    check(
        &History::of(transactions.collect()),
        CheckOptions::default(),
    )
}

fn committed(transactions: &[&[Op]]) -> Findings {
    let all: Vec<(Outcome, &[Op])> = transactions
        .iter()
        .map(|ops| (Outcome::Committed, *ops))
        .collect();
    found(&all)
}

use Op::{Delete, None as Absent, Range, Read, ReadNth, Write};

/// Checks transactions that run one after the other, but for those of the same turn.
fn in_turns(transactions: &[(u64, &[Op])]) -> Findings {
    let transactions = transactions.iter().zip(0..);
    let transactions = transactions.map(|((turn, ops), id)| {
        transaction(id, (turn * 10, turn * 10 + 5), Outcome::Committed, ops)
    });
    check(
        &History::of(transactions.collect()),
        CheckOptions::default(),
    )
}

#[test]
fn what_could_have_run_one_after_another_is_clean() {
    let findings = committed(&[
        &[Absent(1), Write(1), Absent(2), ReadNth(1, 0, 0)],
        &[Read(1, 0), Write(1), ReadNth(1, 1, 0), Absent(2), Write(2)],
        &[Read(1, 1), ReadNth(2, 1, 1)],
        &[Read(1, 0), Absent(2)],
        &[Range(Some((1, 0)))],
    ]);
    assert!(findings.is_clean(), "{findings:?}");
    assert_eq!(findings.transactions, 5);
}

#[test]
fn a_value_that_nobody_wrote_is_found() {
    let findings = committed(&[&[Absent(1), Write(1)], &[Read(2, 0)], &[Read(1, 7)]]);
    assert_eq!(findings.count, 2);
    assert!(matches!(findings.anomalies[0], Anomaly::Garbage { .. }));
}

#[test]
fn a_dirty_read_is_found() {
    let writer: &[Op] = &[Absent(1), Write(1)];
    let findings = found(&[
        (Outcome::Aborted, writer),
        (Outcome::Committed, &[Read(1, 0)]),
    ]);
    assert!(matches!(
        findings.anomalies[..],
        [Anomaly::AbortedRead { .. }]
    ));
    // What may have been committed may be read.
    let findings = found(&[
        (Outcome::InDoubt, writer),
        (Outcome::Committed, &[Read(1, 0)]),
    ]);
    assert!(findings.is_clean());
}

#[test]
fn an_intermediate_read_is_found() {
    let findings = committed(&[&[Absent(1), Write(1), Write(1)], &[ReadNth(1, 0, 0)]]);
    assert!(matches!(
        findings.anomalies[..],
        [Anomaly::IntermediateRead { .. }]
    ));
    assert!(committed(&[&[Absent(1), Write(1), Write(1)], &[ReadNth(1, 0, 1)]]).is_clean());
}

#[test]
fn a_transaction_that_does_not_see_itself_or_reads_in_two_ways_is_found() {
    for ops in [
        &[Absent(1), Write(1), Absent(1)][..],
        &[Absent(1), Read(1, 0)],
        &[Absent(1), Write(1), Range(None)],
        &[Range(Some((1, 0))), Absent(1)],
        &[Absent(1), Range(Some((1, 0)))],
    ] {
        let findings = committed(&[&[Absent(1), Write(1)], ops]);
        let is_internal = |anomaly: &Anomaly| matches!(anomaly, Anomaly::Internal { .. });
        assert!(findings.anomalies.iter().any(is_internal), "{findings:?}");
    }
}

#[test]
fn a_lost_update_is_found() {
    let findings = committed(&[
        &[Absent(1), Write(1)],
        &[Read(1, 0), Write(1)],
        &[Read(1, 0), Write(1)],
    ]);
    let is_lost = |anomaly: &Anomaly| matches!(anomaly, Anomaly::LostUpdate { .. });
    assert!(findings.anomalies.iter().any(is_lost), "{findings:?}");
}

#[test]
fn writes_that_overtake_each_other_are_found() {
    // By their last writes each replaced the other's version, of two keys.
    let findings = committed(&[
        &[Absent(1), Write(1), Read(2, 1), Write(2)],
        &[Absent(2), Write(2), Read(1, 0), Write(1)],
    ]);
    assert!(
        findings
            .anomalies
            .iter()
            .any(|a| matches!(a, Anomaly::Cycle { .. })),
        "{findings:?}"
    );
    assert!(
        findings.has_cycle(CycleKind::WriteCycle)
            || findings.has_cycle(CycleKind::CircularInformation),
        "{findings:?}"
    );
}

#[test]
fn information_that_flows_in_a_circle_is_found() {
    let findings = committed(&[
        &[Absent(1), Write(1), Read(2, 1)],
        &[Absent(2), Write(2), Read(1, 0)],
    ]);
    assert!(
        findings.has_cycle(CycleKind::CircularInformation),
        "{findings:?}"
    );
}

#[test]
fn read_skew_is_found() {
    let findings = committed(&[
        &[Absent(1), Absent(2), Write(1), Write(2)],
        &[Absent(1), ReadNth(2, 0, 1)],
    ]);
    assert!(findings.has_cycle(CycleKind::ReadSkew), "{findings:?}");
}

#[test]
fn write_skew_is_found() {
    let findings = committed(&[
        &[Absent(1), Absent(2), Write(1)],
        &[Absent(1), Absent(2), Write(2)],
    ]);
    assert!(findings.has_cycle(CycleKind::WriteSkew), "{findings:?}");
}

#[test]
fn a_phantom_is_found() {
    let findings = committed(&[
        &[Range(None), Absent(1), Write(1)],
        &[Range(None), Absent(2), Write(2)],
    ]);
    assert!(findings.has_cycle(CycleKind::Phantom), "{findings:?}");
}

#[test]
fn the_anomaly_that_only_a_reader_sees_is_found() {
    // Snapshot isolation's: without the reader, 1 then 0 would be an order.
    let findings = committed(&[
        &[Absent(1), Absent(2), Write(1)],
        &[Absent(2), Write(2)],
        &[ReadNth(2, 1, 0), Absent(1)],
    ]);
    assert!(findings.has_cycle(CycleKind::WriteSkew), "{findings:?}");
    assert!(committed(&[&[Absent(1), Absent(2), Write(1)], &[Absent(2), Write(2)]]).is_clean());
}

#[test]
fn a_stale_read_is_found_by_the_clock_alone() {
    let history = || {
        History::of(vec![
            transaction(0, (0, 1), Outcome::Committed, &[Absent(1), Write(1)]),
            transaction(1, (2, 3), Outcome::Committed, &[Absent(1)]),
        ])
    };
    let findings = check(&history(), CheckOptions::default());
    assert!(findings.has_cycle(CycleKind::Stale), "{findings:?}");
    let untimed = CheckOptions {
        time: false,
        ..CheckOptions::default()
    };
    assert!(check(&history(), untimed).is_clean());
}

#[test]
fn a_key_may_be_deleted_and_put_again_and_found_missing_between() {
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1)]),
        (1, &[Read(1, 0), Delete(1), Absent(1), Range(None)]),
        (2, &[Absent(1), Range(None)]),
        (2, &[Absent(1), Delete(1)]),
        (3, &[Absent(1), Write(1), Delete(1), Absent(1)]),
        (4, &[Absent(1), Write(1)]),
        (5, &[Read(1, 5), Delete(1), Write(1), ReadNth(1, 6, 1)]),
        (6, &[ReadNth(1, 6, 1)]),
    ]);
    assert!(findings.is_clean(), "{findings:?}");
    // At one time with those who delete and put, either is right.
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1)]),
        (1, &[Read(1, 0), Delete(1)]),
        (1, &[Absent(1), Write(1)]),
        (1, &[Absent(1)]),
        (1, &[Read(1, 0)]),
        (1, &[Read(1, 2)]),
    ]);
    assert!(findings.is_clean(), "{findings:?}");
}

#[test]
fn a_deleted_version_that_is_read_later_is_found() {
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1)]),
        (1, &[Read(1, 0), Delete(1)]),
        (2, &[Read(1, 0)]),
    ]);
    assert!(findings.has_cycle(CycleKind::Stale), "{findings:?}");
}

#[test]
fn a_key_that_is_missing_while_it_lives_is_found() {
    for lost in [&[Absent(1)][..], &[Range(None)]] {
        let findings = in_turns(&[
            (0, &[Absent(1), Write(1)]),
            (1, lost),
            (2, &[Read(1, 0), Delete(1)]),
            (3, &[Absent(1), Write(1)]),
        ]);
        assert!(findings.has_cycle(CycleKind::Stale), "{findings:?}");
        let findings = in_turns(&[
            (0, &[Absent(1), Write(1)]),
            (1, &[Read(1, 0), Delete(1)]),
            (2, &[Absent(1), Write(1)]),
            (3, lost),
        ]);
        assert!(findings.has_cycle(CycleKind::Stale), "{findings:?}");
    }
}

#[test]
fn an_update_that_a_deletion_did_not_see_is_found() {
    for late in [Write(1), Delete(1)] {
        let findings = committed(&[
            &[Absent(1), Write(1)],
            &[Read(1, 0), Delete(1)],
            &[Read(1, 0), late],
        ]);
        let is_lost = |anomaly: &Anomaly| {
            matches!(
                anomaly,
                Anomaly::LostUpdate {
                    replaced: Some(_),
                    ..
                }
            )
        };
        assert!(findings.anomalies.iter().any(is_lost), "{findings:?}");
    }
    // Put again by two at once, neither of which was deleted.
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1)]),
        (1, &[Read(1, 0), Delete(1)]),
        (2, &[Absent(1), Write(1)]),
        (2, &[Absent(1), Write(1)]),
    ]);
    let is_lost = |anomaly: &Anomaly| matches!(anomaly, Anomaly::LostUpdate { replaced: None, .. });
    assert!(findings.anomalies.iter().any(is_lost), "{findings:?}");
}

#[test]
fn skews_over_deletions_are_found() {
    // Each deletes what the other relied on.
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1), Absent(2), Write(2)]),
        (1, &[Read(1, 0), ReadNth(2, 0, 1), Delete(1)]),
        (1, &[Read(1, 0), ReadNth(2, 0, 1), Delete(2)]),
    ]);
    assert!(findings.has_cycle(CycleKind::WriteSkew), "{findings:?}");
    // Half of a transaction's deletions are seen.
    let findings = in_turns(&[
        (0, &[Absent(1), Write(1), Absent(2), Write(2)]),
        (1, &[Read(1, 0), Delete(1), ReadNth(2, 0, 1), Delete(2)]),
        (2, &[Absent(1), Absent(2)]),
        (3, &[Absent(1), ReadNth(2, 0, 1)]),
    ]);
    assert!(!findings.is_clean(), "{findings:?}");
}

#[test]
fn without_the_clock_lives_have_no_order_and_nothing_is_made_up() {
    let history = History::of(vec![
        transaction(0, (0, 1), Outcome::Committed, &[Absent(1), Write(1)]),
        transaction(1, (2, 3), Outcome::Committed, &[Read(1, 0), Delete(1)]),
        transaction(2, (4, 5), Outcome::Committed, &[Absent(1), Write(1)]),
        transaction(3, (6, 7), Outcome::Committed, &[Absent(1)]),
        transaction(4, (8, 9), Outcome::Committed, &[Read(1, 2), Delete(1)]),
    ]);
    let untimed = CheckOptions {
        time: false,
        ..CheckOptions::default()
    };
    assert!(check(&history, untimed).is_clean());
    assert!(!check(&history, CheckOptions::default()).is_clean());
}

#[test]
fn a_life_whose_writers_looked_late_at_the_clock_is_not_put_behind_any_it_overlaps() {
    // Key 1 lives three times: by 0 until 1, by 2 until 3, and from 4 on. 0 came first, but saw
    // the clock last; its life surely follows neither of the others.
    let history = History::of(vec![
        transaction(0, (0, 50), Outcome::Committed, &[Absent(1), Write(1)]),
        transaction(
            1,
            (1, 30),
            Outcome::Committed,
            &[Read(1, 0), Delete(1), Absent(2), Write(2)],
        ),
        transaction(
            2,
            (2, 10),
            Outcome::Committed,
            &[Absent(1), Write(1), ReadNth(2, 1, 1)],
        ),
        transaction(3, (3, 20), Outcome::Committed, &[Read(1, 2), Delete(1)]),
        transaction(4, (15, 25), Outcome::Committed, &[Absent(1), Write(1)]),
    ]);
    let findings = check(&history, CheckOptions::default());
    assert!(findings.is_clean(), "{:?}", findings.anomalies);
}
