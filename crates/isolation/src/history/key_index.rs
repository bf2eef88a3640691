//! The versions of each key, in order, as the reads before writes tell it.

use std::collections::HashMap;

use crate::history::anomaly::{Anomaly, Findings};
use crate::history::record::{History, Key, Operation, Outcome, TransactionId, Version};

/// What is known of a key.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// What follows each version, and what the absence it begins with, which is none.
    next: HashMap<Option<Version>, Version>,
}

impl Versions {
    /// The version that replaced `version`; the first one for none.
    pub fn after(&self, version: Option<Version>) -> Option<Version> {
        self.next.get(&version).copied()
    }
}

/// Every key of a history that was written.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    /// Ascending by key.
    keys: Vec<(Key, Versions)>,
}

/// The last write of each key by one transaction, with the version that it replaced, if the
/// transaction read that.
pub(crate) fn last_writes(
    operations: &[Operation],
) -> Vec<(Key, Version, Option<Option<Version>>)> {
    let mut found: Vec<(Key, Version, Option<Option<Version>>)> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let Operation::Write(key, version) = operation else {
            continue;
        };
        if let Some(known) = found.iter_mut().find(|(known, ..)| known == key) {
            known.1 = *version;
            continue;
        }
        let before = operations.iter().take(at);
        let replaced = before.rev().find_map(|earlier| read_of(earlier, *key));
        found.push((*key, *version, replaced));
    }
    found
}

/// What an operation read of `key`.
fn read_of(operation: &Operation, key: Key) -> Option<Option<Version>> {
    match operation {
        Operation::Read(read, version) if *read == key => Some(*version),
        Operation::Range { first, last, seen } if (*first..=*last).contains(&key) => {
            let found = seen.iter().find(|seen| seen.key == key);
            Some(found.map(|seen| seen.version))
        }
        _ => None,
    }
}

impl KeyIndex {
    /// Orders the versions of acknowledged transactions. A version replaced twice is reported.
    pub fn of(history: &History, findings: &mut Findings) -> KeyIndex {
        let mut keys: HashMap<Key, Versions> = HashMap::new();
        for (id, transaction) in history.numbered() {
            if transaction.outcome != Outcome::Committed {
                continue;
            }
            for (key, version, replaced) in last_writes(&transaction.operations) {
                let versions = keys.entry(key).or_default();
                // A write without a read has no place that is known.
                let Some(replaced) = replaced else { continue };
                if let Some(other) = versions.next.insert(replaced, version) {
                    findings.report(Anomaly::LostUpdate {
                        key,
                        replaced,
                        writers: [other.writer, id],
                    });
                }
            }
        }
        let mut keys: Vec<(Key, Versions)> = keys.into_iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        KeyIndex { keys }
    }

    pub fn get(&self, key: Key) -> Option<&Versions> {
        let at = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.keys.get(at).map(|(_, versions)| versions)
    }

    /// Keys from `first` to `last` that were written.
    pub fn between(&self, first: Key, last: Key) -> &[(Key, Versions)] {
        let start = self.keys.partition_point(|(key, _)| *key < first);
        let end = self.keys.partition_point(|(key, _)| *key <= last);
        self.keys.get(start..end.max(start)).unwrap_or_default()
    }
}

/// Whether `version` is the last write of its key by an acknowledged transaction, or what else.
pub(crate) fn judge(history: &History, key: Key, version: Version) -> Result<(), Judged> {
    let writer = history.get(version.writer).ok_or(Judged::Garbage)?;
    let wrote = |operation: &Operation| matches!(operation, Operation::Write(k, v) if *k == key && *v == version);
    let at = writer
        .operations
        .iter()
        .position(wrote)
        .ok_or(Judged::Garbage)?;
    if writer.outcome == Outcome::Aborted {
        return Err(Judged::Aborted);
    }
    let mut later = writer.operations.iter().skip(at + 1);
    if later.any(|operation| matches!(operation, Operation::Write(k, _) if *k == key)) {
        return Err(Judged::Intermediate);
    }
    Ok(())
}

/// What is wrong with a version that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    Garbage,
    Aborted,
    Intermediate,
}

/// The number of a transaction as a place in a list.
pub(crate) fn place(id: TransactionId) -> usize {
    id.0 as usize
}
