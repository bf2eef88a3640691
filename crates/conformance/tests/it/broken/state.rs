//! Commit indexes and snapshot streams with faults.

use std::io::{Read, Write};

use conformance::{MemoryModel, Writers};
use kv_api::capability::{CommitIndexes, Progress, ReportProgress, SetCommitIndex, SnapshotStream};
use kv_api::{Error, Reader, Result, Space, Store, Transaction};

use super::fault::Fault;
use super::snapshot::BrokenSnapshot;
use super::store::{BrokenStore, copy_of};
use super::transaction::BrokenTransaction;

impl CommitIndexes for BrokenSnapshot {
    fn commit_index(&self) -> u64 {
        match self.fault() {
            Fault::IndexesStandStill => self.inner().commit_index().min(1),
            _ => self.inner().commit_index(),
        }
    }

    fn commit_index_of(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        let found = self.inner().commit_index_of(space, key)?;
        Ok(match self.fault() {
            Fault::PairsHaveTheNewestIndex => found.map(|_| self.inner().commit_index()),
            Fault::GonePairsKeepAnIndex => Some(found.unwrap_or(1)),
            _ => found,
        })
    }
}

impl SetCommitIndex for BrokenTransaction {
    fn set_commit_index(&mut self, commit_index: u64) -> Result<()> {
        let is_late = self.has_put();
        match self.fault() {
            Fault::EntriesAreAppliedTwice => {
                // As if it were another entry.
                match self.inner_mut().set_commit_index(commit_index) {
                    Err(Error::AlreadyApplied { .. }) => Ok(()),
                    done => done,
                }
            }
            Fault::LateIndexesAreForgotten if is_late => Ok(()),
            Fault::EmptyEntriesAreForgotten => {
                self.number_only_changes();
                self.inner_mut().set_commit_index(commit_index)
            }
            _ => self.inner_mut().set_commit_index(commit_index),
        }
    }
}

/// Takes what it is given and hides every failure.
struct Hides<'a>(&'a mut dyn Write);

impl Write for Hides<'_> {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        Ok(self.0.write(part).unwrap_or(part.len()).max(1))
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl SnapshotStream for BrokenStore {
    fn write_snapshot(&self, to: &mut dyn Write, report: ReportProgress<'_>) -> Result<u64> {
        let model = self.open_model()?;
        match self.fault() {
            Fault::StreamFailuresAreHidden => model.write_snapshot(&mut Hides(to), report),
            Fault::StreamsHoldTheDefaultSpaceOnly => {
                let part = copy_of(&model);
                let mut tx = part.begin()?;
                for name in tx.space_names()? {
                    tx.drop_space(&name)?;
                }
                tx.commit(kv_api::Durability::Sync)?;
                part.write_snapshot(to, report)
            }
            Fault::ProgressStopsShort => model.write_snapshot(to, &mut |progress| {
                report(Progress {
                    pairs: 0,
                    ..progress
                })
            }),
            Fault::NobodyCanCancel => model.write_snapshot(to, &mut |progress| {
                report(progress);
                true
            }),
            _ => model.write_snapshot(to, report),
        }
    }

    fn restore_snapshot(&self, from: &mut dyn Read, report: ReportProgress<'_>) -> Result<()> {
        let model = self.open_model()?;
        match self.fault() {
            Fault::RestoreEmptiesFirst => {
                self.shared().replace(MemoryModel::new(Writers::OneAtATime));
                self.open_model()?.restore_snapshot(from, report)?;
            }
            Fault::RestoreMerges => {
                let old = model.snapshot()?;
                model.restore_snapshot(from, report)?;
                model.update(|tx| {
                    for pair in old.range(Space::DEFAULT, ..)? {
                        let (key, value) = pair?;
                        tx.insert_if_absent(Space::DEFAULT, key, value)?;
                    }
                    Ok(())
                })?;
            }
            Fault::StreamsMayBeDamaged => {
                // Whatever can be read is taken.
                if model.restore_snapshot(from, report).is_err() {
                    model.update(|tx| tx.delete_range(Space::DEFAULT, ..))?;
                }
            }
            _ => model.restore_snapshot(from, report)?,
        }
        if self.fault() != Fault::RestoreIsForgotten {
            self.shared().make_durable();
        }
        Ok(())
    }
}

/// What an engine that keeps no indexes leaves of a store.
pub fn without_indexes(model: &MemoryModel) -> MemoryModel {
    let copy = MemoryModel::new(Writers::OneAtATime);
    let snapshot = model.reopen().snapshot().unwrap();
    copy.update(|tx| {
        for pair in snapshot.range(Space::DEFAULT, ..)? {
            let (key, value) = pair?;
            tx.put(Space::DEFAULT, key, value)?;
        }
        Ok(())
    })
    .unwrap();
    copy
}
