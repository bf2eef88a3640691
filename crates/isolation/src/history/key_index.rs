//! The versions of each key, in order, as the reads before writes tell it.

use std::collections::{HashMap, HashSet};

use crate::history::absence::Absences;
use crate::history::anomaly::{Anomaly, Findings};
use crate::history::record::{History, Key, Operation, Outcome, TransactionId, Version};

/// What is known of a key.
#[derive(Debug, Default)]
pub(crate) struct Versions {
    /// What follows each version: the next one, or its deletion.
    next: HashMap<Version, Version>,
    /// Which of those are deletions.
    deletions: HashSet<Version>,
    /// Versions that were put where nothing was.
    inserted: Vec<Version>,
    /// Whether some of it was written by transactions that did not read it, or of which nobody
    /// knows what became: then there may be more of it than is known.
    is_partly_known: bool,
    /// When it was not there.
    pub absences: Absences,
}

impl Versions {
    /// What replaced `version`: another one, or its deletion.
    pub fn after(&self, version: Version) -> Option<Version> {
        self.next.get(&version).copied()
    }

    pub fn is_deletion(&self, version: Version) -> bool {
        self.deletions.contains(&version)
    }

    pub fn inserted(&self) -> &[Version] {
        &self.inserted
    }
}

/// Every key of a history that was written.
#[derive(Debug, Default)]
pub(crate) struct KeyIndex {
    /// Ascending by key.
    keys: Vec<(Key, Versions)>,
}

/// What one transaction did to a key in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastWrite {
    pub key: Key,
    pub version: Version,
    pub is_deletion: bool,
    /// What it replaced, none for nothing, if the transaction read that.
    pub replaced: Option<Option<Version>>,
}

/// The last write of each key by one transaction. To delete what is not there changes nothing.
pub(crate) fn last_writes(operations: &[Operation]) -> Vec<LastWrite> {
    let mut found: Vec<LastWrite> = Vec::new();
    for (at, operation) in operations.iter().enumerate() {
        let (key, version, is_deletion) = match operation {
            Operation::Write(key, version) => (*key, *version, false),
            Operation::Delete(key, version) => (*key, *version, true),
            Operation::Read(..) | Operation::Range { .. } => continue,
        };
        if let Some(known) = found.iter_mut().find(|known| known.key == key) {
            (known.version, known.is_deletion) = (version, is_deletion);
            continue;
        }
        let before = operations.iter().take(at);
        found.push(LastWrite {
            key,
            version,
            is_deletion,
            replaced: before.rev().find_map(|earlier| read_of(earlier, key)),
        });
    }
    found.retain(|write| !(write.is_deletion && write.replaced == Some(None)));
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
    /// Orders the versions of acknowledged transactions, lives of a key by the clock if `time`
    /// says so. A version replaced twice is reported.
    pub fn of(history: &History, time: bool, findings: &mut Findings) -> KeyIndex {
        let mut keys: HashMap<Key, Versions> = HashMap::new();
        for (id, transaction) in history.numbered() {
            if transaction.outcome == Outcome::Aborted {
                continue;
            }
            for write in last_writes(&transaction.operations) {
                let versions = keys.entry(write.key).or_default();
                if transaction.outcome == Outcome::InDoubt {
                    versions.is_partly_known = true;
                    continue;
                }
                versions.take(id, &write, findings);
            }
        }
        let mut keys: Vec<(Key, Versions)> = keys.into_iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        for (key, versions) in &mut keys {
            if !versions.is_partly_known {
                versions.absences = Absences::of(history, *key, versions, time, findings);
            }
        }
        KeyIndex { keys }
    }

    pub fn get(&self, key: Key) -> Option<&Versions> {
        let at = self.keys.binary_search_by_key(&key, |(key, _)| *key).ok()?;
        self.keys.get(at).map(|(_, versions)| versions)
    }

    /// All of them.
    pub fn all(&self) -> &[(Key, Versions)] {
        &self.keys
    }

    /// Keys from `first` to `last` that were written.
    pub fn between(&self, first: Key, last: Key) -> &[(Key, Versions)] {
        let start = self.keys.partition_point(|(key, _)| *key < first);
        let end = self.keys.partition_point(|(key, _)| *key <= last);
        self.keys.get(start..end.max(start)).unwrap_or_default()
    }
}

impl Versions {
    fn take(&mut self, id: TransactionId, write: &LastWrite, findings: &mut Findings) {
        if write.is_deletion {
            self.deletions.insert(write.version);
        }
        match write.replaced {
            // A write without a read has no place that is known.
            None => self.is_partly_known = true,
            Some(None) => self.inserted.push(write.version),
            Some(Some(replaced)) => {
                if let Some(other) = self.next.insert(replaced, write.version) {
                    findings.report(Anomaly::LostUpdate {
                        key: write.key,
                        replaced: Some(replaced),
                        writers: [other.writer, id],
                    });
                }
            }
        }
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
    let replaces = |operation: &Operation| matches!(operation, Operation::Write(k, _) | Operation::Delete(k, _) if *k == key);
    if later.any(replaces) {
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
