//! Looking a history through.

use crate::history::anomaly::{Anomaly, CycleKind, Findings};
use crate::history::cycle::{cycle_in, knots};
use crate::history::graph::Graph;
use crate::history::key_index::{Judged, KeyIndex, judge, place};
use crate::history::record::{
    History, Key, Operation, Outcome, RecordedTransaction, TransactionId, Version,
};

/// How thoroughly to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// Whether a transaction that began after another had ended must come behind it. On by default:
    /// all of `kv-api`'s stores promise that.
    pub time: bool,
    /// How many anomalies are kept; all are counted.
    pub kept_max: usize,
}

impl Default for CheckOptions {
    fn default() -> CheckOptions {
        CheckOptions {
            time: true,
            kept_max: 100,
        }
    }
}

/// Looks `history` through. Takes time and memory in proportion to its operations.
pub fn check(history: &History, options: CheckOptions) -> Findings {
    let mut findings = Findings {
        transactions: history.committed() as u64,
        kept_max: options.kept_max,
        ..Findings::default()
    };
    for (id, transaction) in history.numbered() {
        if transaction.outcome == Outcome::Committed {
            check_reads(history, id, transaction, &mut findings);
        }
    }
    let keys = KeyIndex::of(history, options.time, &mut findings);
    // A history with other faults is told what it is without the clock.
    let time = options.time && findings.count == 0;
    let keys = match options.time && !time {
        true => KeyIndex::of(history, false, &mut Findings::default()),
        false => keys,
    };
    let graph = Graph::of(history, &keys, time);
    findings.edges = graph.edges_len() as u64;
    let timed = knots(&graph);
    // So is a cycle that closes without it; one that does not is the clock's.
    let untimed = (time && !timed.is_empty()).then(|| {
        let keys = KeyIndex::of(history, false, &mut Findings::default());
        let graph = Graph::of(history, &keys, false);
        (knots(&graph), graph)
    });
    let (found, graph, is_clocks) = match untimed {
        Some((found, graph)) if !found.is_empty() => (found, graph, false),
        _ => (timed, graph, time),
    };
    for knot in found {
        let (kind, steps) = cycle_in(&graph, &knot, history.transactions().len());
        let kind = if is_clocks { CycleKind::Stale } else { kind };
        findings.report(Anomaly::Cycle { kind, steps });
    }
    findings
}

/// What a transaction knows of the keys it has touched.
#[derive(Default)]
struct Known(Vec<(Key, Option<Version>)>);

impl Known {
    /// Notes what is seen of `key`; answers what it must have been if that is something else.
    fn see(&mut self, key: Key, found: Option<Version>) -> Option<Option<Version>> {
        match self.0.iter().find(|(known, _)| *known == key) {
            Some((_, expected)) => (*expected != found).then_some(*expected),
            None => {
                self.0.push((key, found));
                None
            }
        }
    }

    fn write(&mut self, key: Key, version: Option<Version>) {
        self.0.retain(|(known, _)| *known != key);
        self.0.push((key, version));
    }
}

fn check_reads(
    history: &History,
    id: TransactionId,
    transaction: &RecordedTransaction,
    findings: &mut Findings,
) {
    let mut known = Known::default();
    for operation in &transaction.operations {
        match operation {
            Operation::Read(key, found) => {
                check_read(history, (id, *key, *found), &mut known, findings);
            }
            Operation::Range { first, last, seen } => {
                for seen in seen {
                    let read = (id, seen.key, Some(seen.version));
                    check_read(history, read, &mut known, findings);
                }
                let missing: Vec<Key> = known
                    .0
                    .iter()
                    .map(|(key, _)| *key)
                    .filter(|key| (*first..=*last).contains(key))
                    .filter(|key| !seen.iter().any(|seen| seen.key == *key))
                    .collect();
                for key in missing {
                    check_read(history, (id, key, None), &mut known, findings);
                }
            }
            Operation::Write(key, version) => known.write(*key, Some(*version)),
            Operation::Delete(key, _) => known.write(*key, None),
        }
    }
}

fn check_read(
    history: &History,
    (reader, key, found): (TransactionId, Key, Option<Version>),
    known: &mut Known,
    findings: &mut Findings,
) {
    if let Some(expected) = known.see(key, found) {
        findings.report(Anomaly::Internal {
            reader,
            key,
            expected,
            found,
        });
    }
    let Some(version) = found.filter(|version| place(version.writer) != place(reader)) else {
        return;
    };
    match judge(history, key, version) {
        Ok(()) => {}
        Err(Judged::Garbage) => findings.report(Anomaly::Garbage {
            reader,
            key,
            version,
        }),
        Err(Judged::Aborted) => findings.report(Anomaly::AbortedRead {
            reader,
            key,
            version,
        }),
        Err(Judged::Intermediate) => findings.report(Anomaly::IntermediateRead {
            reader,
            key,
            version,
        }),
    }
}
