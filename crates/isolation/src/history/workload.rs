//! Random transactions of many threads, recorded.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use kv_api::{Error, Outcome as CommitOutcome, Result};

use crate::history::record::{
    History, Key, Operation, Outcome, RecordedTransaction, Seen, TransactionId, Version,
};
use crate::random::Random;
use crate::subject::{Subject, SubjectTransaction};

/// What keys of the workload begin with.
const PREFIX: &[u8] = b"history/";

/// Transactions to be run.
#[derive(Clone, Debug)]
pub struct Workload {
    /// How many are to be committed in all.
    pub transactions: u64,
    /// Threads that run them.
    pub threads: usize,
    /// Keys that are there, or may come to be there.
    pub keys: u32,
    /// Keys of a range that is read.
    pub range_keys: u32,
    /// Bytes behind some of the values: choose it so that they go where large values go.
    pub padding_bytes: usize,
    /// The same seed makes the same choices.
    pub seed: u64,
}

/// What a workload did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkloadReport {
    /// Transactions that were acknowledged.
    pub committed: u64,
    /// Transactions that met a conflict.
    pub conflicts: u64,
    /// Transactions that were rolled back on purpose.
    pub rolled_back: u64,
}

impl Workload {
    /// 3,000 transactions of 4 threads over 60 keys: for a test among others.
    pub fn small() -> Workload {
        Workload {
            transactions: 3_000,
            threads: 4,
            keys: 60,
            range_keys: 8,
            padding_bytes: 0,
            seed: 1,
        }
    }

    /// Runs it on `subject`, where none of its keys may be yet; answers what happened.
    ///
    /// # Errors
    ///
    /// What the subject refuses, conflicts and commits in doubt apart.
    pub fn run<S: Subject>(&self, subject: &S) -> Result<(History, WorkloadReport)> {
        let shared = Shared {
            ids: AtomicU32::new(0),
            clock: AtomicU64::new(0),
            committed: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            failure: Mutex::new(None),
        };
        let mut parts: Vec<Runner<'_>> = (0..self.threads as u64)
            .map(|thread| Runner::new(self, &shared, thread))
            .collect();
        std::thread::scope(|scope| {
            for part in &mut parts {
                scope.spawn(|| part.run(subject));
            }
        });
        let mut report = WorkloadReport::default();
        let count = shared.ids.load(Ordering::Relaxed) as usize;
        let mut all = vec![RecordedTransaction::default(); count];
        for part in parts {
            report.committed += part.report.committed;
            report.conflicts += part.report.conflicts;
            report.rolled_back += part.report.rolled_back;
            for (id, transaction) in part.done {
                if let Some(slot) = all.get_mut(id.0 as usize) {
                    *slot = transaction;
                }
            }
        }
        let failure = shared.failure.into_inner();
        match failure.unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok((History::of(all), report)),
        }
    }
}

struct Shared {
    ids: AtomicU32,
    clock: AtomicU64,
    committed: AtomicU64,
    stop: AtomicBool,
    failure: Mutex<Option<Error>>,
}

impl Shared {
    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }
}

/// One thread of a workload.
struct Runner<'w> {
    workload: &'w Workload,
    shared: &'w Shared,
    random: Random,
    done: Vec<(TransactionId, RecordedTransaction)>,
    report: WorkloadReport,
}

fn stored_key(key: Key) -> Vec<u8> {
    [PREFIX, &key.0.to_be_bytes()].concat()
}

fn parsed_key(stored: &[u8]) -> Option<Key> {
    let bytes = stored.strip_prefix(PREFIX)?;
    Some(Key(u32::from_be_bytes(bytes.try_into().ok()?)))
}

fn stored_version(version: Version, padding_bytes: usize) -> Vec<u8> {
    let mut value = version.writer.0.to_le_bytes().to_vec();
    value.extend(version.nth.to_le_bytes());
    value.resize(8 + padding_bytes, 0xA5);
    value
}

fn parsed_version(value: &[u8]) -> Option<Version> {
    let (writer, rest) = value.split_first_chunk()?;
    let (nth, padding) = rest.split_first_chunk()?;
    let is_whole = padding.iter().all(|byte| *byte == 0xA5);
    is_whole.then(|| Version {
        writer: TransactionId(u32::from_le_bytes(*writer)),
        nth: u32::from_le_bytes(*nth),
    })
}

/// A value that no workload writes: it is told as one that nobody wrote.
const NOBODY: Version = Version {
    writer: TransactionId(u32::MAX),
    nth: 0,
};

impl<'w> Runner<'w> {
    fn new(workload: &'w Workload, shared: &'w Shared, thread: u64) -> Runner<'w> {
        Runner {
            workload,
            shared,
            random: Random::new(workload.seed.wrapping_mul(7_919).wrapping_add(thread)),
            done: Vec::new(),
            report: WorkloadReport::default(),
        }
    }

    fn run<S: Subject>(&mut self, subject: &S) {
        let shared = self.shared;
        while !shared.stop.load(Ordering::Relaxed)
            && shared.committed.load(Ordering::Relaxed) < self.workload.transactions
        {
            if let Err(error) = self.one(subject) {
                let mut failure = shared
                    .failure
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                shared.stop.store(true, Ordering::Relaxed);
            }
        }
    }

    fn key(&mut self) -> Key {
        let key = self.random.below(u64::from(self.workload.keys));
        Key(u32::try_from(key).unwrap_or(0))
    }

    fn one<S: Subject>(&mut self, subject: &S) -> Result<()> {
        let id = TransactionId(self.shared.ids.fetch_add(1, Ordering::Relaxed));
        let mut recorded = RecordedTransaction {
            begun: self.shared.tick(),
            ..RecordedTransaction::default()
        };
        let only_reads = self.random.percent(15);
        let mut transaction = if only_reads {
            subject.begin_read()?
        } else {
            subject.begin()?
        };
        self.fill(&mut transaction, id, only_reads, &mut recorded.operations)?;
        if !only_reads && self.random.percent(4) {
            drop(transaction);
            self.report.rolled_back += 1;
        } else {
            recorded.outcome = match transaction.commit() {
                Ok(()) => Outcome::Committed,
                Err(Error::Conflict) => {
                    self.report.conflicts += 1;
                    Outcome::Aborted
                }
                Err(error) if error.outcome() == CommitOutcome::InDoubt => Outcome::InDoubt,
                Err(error) => return Err(error),
            };
        }
        recorded.ended = self.shared.tick();
        if recorded.outcome == Outcome::Committed {
            self.report.committed += 1;
            self.shared.committed.fetch_add(1, Ordering::Relaxed);
        }
        self.done.push((id, recorded));
        Ok(())
    }

    /// Does what a transaction does: a few reads, by key and by range, and writes and deletions
    /// of keys read.
    fn fill<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        id: TransactionId,
        only_reads: bool,
        operations: &mut Vec<Operation>,
    ) -> Result<()> {
        let steps = 2 + self.random.below(3);
        let mut nth = 0;
        for _ in 0..steps {
            let key = self.key();
            if self.random.percent(25) {
                operations.push(self.range(transaction, key)?);
                continue;
            }
            let read = self.read(transaction, key)?;
            let is_there = matches!(read, Operation::Read(_, Some(_)));
            operations.push(read);
            if only_reads || self.random.percent(45) {
                continue;
            }
            // Now and then twice, so that there is something in between to be seen.
            let times = if self.random.percent(10) { 2 } else { 1 };
            for _ in 0..times {
                let version = Version { writer: id, nth };
                nth += 1;
                let deletes = self.random.percent(if is_there { 30 } else { 5 });
                if deletes {
                    transaction.set(&stored_key(key), None)?;
                    operations.push(Operation::Delete(key, version));
                    continue;
                }
                let padding = self.workload.padding_bytes;
                let padding = if self.random.percent(20) { padding } else { 0 };
                transaction.set(&stored_key(key), Some(&stored_version(version, padding)))?;
                operations.push(Operation::Write(key, version));
                if times > 1 {
                    std::thread::yield_now();
                }
            }
        }
        Ok(())
    }

    fn read<T: SubjectTransaction>(&mut self, transaction: &mut T, key: Key) -> Result<Operation> {
        let stored = stored_key(key);
        let value = if self.random.percent(50) {
            transaction.get(&stored)?
        } else {
            transaction.seek(&stored)?
        };
        let version = value.map(|value| parsed_version(&value).unwrap_or(NOBODY));
        Ok(Operation::Read(key, version))
    }

    fn range<T: SubjectTransaction>(
        &mut self,
        transaction: &mut T,
        first: Key,
    ) -> Result<Operation> {
        let last = Key(first
            .0
            .saturating_add(self.workload.range_keys.saturating_sub(1)));
        let end = stored_key(Key(last.0.saturating_add(1)));
        let pairs = transaction.scan(&stored_key(first), &end)?;
        let seen = pairs.iter().filter_map(|(key, value)| {
            Some(Seen {
                key: parsed_key(key)?,
                version: parsed_version(value).unwrap_or(NOBODY),
            })
        });
        Ok(Operation::Range {
            first,
            last,
            seen: seen.collect(),
        })
    }
}
