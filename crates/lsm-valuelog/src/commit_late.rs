//! Commits with a version below one that is there already.
//!
//! Invariants:
//! * a late commit goes straight to tables of level 0, and the edit that installs them is the
//!   commit: snapshots that are open hold a state without them and stay what they are;
//! * the version of the files says up to which version records may have come late: a search that
//!   has met a record below that looks on, everything else may be relied on as ever;
//! * nothing is committed at or below the mark before which history was given up, so what a
//!   compaction drops there hides nothing that is still to come;
//! * no key has two records of one version.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use kv_api::{Error, Result};

use crate::commit_queue::Commit;
use crate::error::locked;
use crate::id::Sequence;
use crate::key::{StoredRange, after};
use crate::late::Late;
use crate::manifest::edit::{Edit, Part};
use crate::open_logs::Core;
use crate::shared::Shared;
use crate::transaction::discarded;

impl Shared {
    /// Whether `version` may be committed at all behind `last`.
    pub fn admit_version(&self, version: Sequence, last: Sequence) -> Result<()> {
        if version > last {
            return Ok(());
        }
        if !self.options.versions_in_any_order {
            return Err(Error::AlreadyApplied {
                index: version.0,
                last: last.0,
            });
        }
        if version.0 <= self.discard_at.load(Ordering::Acquire) {
            return Err(discarded());
        }
        Ok(())
    }

    /// Commits with a version that is not newer than all that is there.
    pub fn commit_late(
        &self,
        core: &mut Core,
        commit: &Commit,
        version: Sequence,
    ) -> Result<Sequence> {
        self.refuse_repeated(core, commit, version)?;
        // It is durable from now on, and so must be all before it.
        self.write_and_sync(core)?;
        let tables = self.write_alone(core, commit, version, 0)?;
        let (state, seen) = (self.state.load_full(), core.last);
        let late = Late {
            version: state.version.late.version.max(version),
            seen,
        };
        let nth = state.drops + 1;
        let added = tables.iter();
        let mut edit: Edit = added
            .map(|table| Part::AddTable(0, table.meta.clone()))
            .collect();
        edit.push(Part::Late(late));
        let mut files = locked(&self.files);
        let installed = self.install(&mut files, edit, |state, files| {
            state.drops = nth;
            files.late = late;
            for table in &tables {
                files.add(0, Arc::clone(table));
            }
        });
        drop(files);
        if let Err(error) = installed {
            self.forget_tables(&tables);
            return Err(match self.poisoned() {
                Some(_) => Error::InDoubt {
                    txid: version.0,
                    cause: Arc::new(error),
                },
                None => error,
            });
        }
        self.note_late(core, commit, nth);
        if !self.subscribers.is_empty() {
            let sorted = commit.writes.sorted();
            self.subscribers.tell(version, || sorted.iter());
        }
        self.work.wake();
        Ok(version)
    }

    /// Refuses a second record of one version of a key: neither would be the newer one.
    fn refuse_repeated(&self, core: &Core, commit: &Commit, version: Sequence) -> Result<()> {
        let state = self.state.load();
        for change in commit.writes.changes() {
            let found = state.find(change.key, version)?;
            if found.is_some_and(|found| found.sequence == version) {
                return Err(Error::AlreadyApplied {
                    index: version.0,
                    last: core.last.0,
                });
            }
        }
        Ok(())
    }

    /// Has transactions under way that read what `commit` changed meet a conflict: its records
    /// are not newer than what they read.
    fn note_late(&self, core: &mut Core, commit: &Commit, nth: u64) {
        let changes = commit.writes.sorted();
        let ranges = changes.iter().map(|change| StoredRange {
            start: change.key.to_vec(),
            end: after(change.key.to_vec()),
        });
        core.note_unseen(nth, ranges.collect(), self.settled());
    }
}
