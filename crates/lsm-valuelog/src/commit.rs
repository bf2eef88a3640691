//! Making commits durable and visible: the only place that writes to the logs of an open store.
//!
//! The order, for a group of commits:
//! 1. each is checked against everything committed since it began to read, and against those
//!    before it in the group;
//! 2. each goes whole to one file: to the value log if it holds a large value, otherwise to the
//!    write-ahead log;
//! 3. one write per file; then, if anyone asked for `Sync`, one sync per file that needs it. Both
//!    files are synced then: commits are replayed in their order up to the first that is missing,
//!    so a commit is only durable with all before it;
//! 4. the records go to the memtable, and only then does the version become visible.

use std::sync::atomic::Ordering;

use kv_api::{Durability, Error, Result};

use crate::commit_queue::Commit;
use crate::conflict::newest;
use crate::counters::Counters;
use crate::error::locked;
use crate::id::Sequence;
use crate::log::wal::LogWriter;
use crate::open_logs::{Checkpoint, Core};
use crate::pointer::POINTER_BYTES_MAX;
use crate::shared::Shared;
use crate::skiplist::{RECORDS_EXTRA_BYTES, record_bytes_max};

/// Bytes of commits at `Deferred` that are kept back before they are handed to the system.
const DEFERRED_BYTES_MAX: usize = 256 << 10;

/// Bytes that a commit's records take in a memtable at most.
fn memtable_bytes(commit: &Commit, threshold: usize) -> usize {
    let changes = commit.writes.changes();
    let bytes = changes.map(|change| {
        let value = change.value.map_or(0, <[u8]>::len);
        let value = if value >= threshold {
            POINTER_BYTES_MAX
        } else {
            value
        };
        record_bytes_max(change.key.len(), value)
    });
    RECORDS_EXTRA_BYTES + bytes.sum::<usize>()
}

impl Shared {
    /// Commits; answers the version.
    pub fn commit(&self, commit: Commit) -> Result<Sequence> {
        let outcome = self.commit_untidied(commit);
        self.tidy_after(&outcome);
        outcome
    }

    /// The work behind the scenes that a commit has made due, where no thread does it.
    pub fn tidy_after(&self, outcome: &Result<Sequence>) {
        if outcome.is_ok() && !self.options.background {
            self.tidy_now();
        }
    }

    /// Commits and leaves the work behind the scenes to the caller.
    pub fn commit_untidied(&self, commit: Commit) -> Result<Sequence> {
        self.refuse_closed()?;
        self.refuse_read_only()?;
        self.refuse_poisoned()?;
        if commit.writes.is_empty() {
            match commit.durability {
                Durability::Sync => self.sync_logs()?,
                Durability::Buffered => self.write_logs()?,
                Durability::Deferred => {}
            }
            return Ok(commit.read_at);
        }
        self.stall()?;
        self.queue
            .run(Box::new(commit), |group| self.commit_group(group))
    }

    /// Makes every commit so far durable.
    pub fn sync_logs(&self) -> Result<()> {
        let mut core = locked(&self.core);
        self.refuse_poisoned()?;
        self.write_and_sync(&mut core)
    }

    /// Hands every commit so far to the system.
    fn write_logs(&self) -> Result<()> {
        let mut core = locked(&self.core);
        self.refuse_poisoned()?;
        core.write_out()
            .map_err(|error| self.poison(&Error::io("writing the logs", error)))
    }

    pub fn write_and_sync(&self, core: &mut Core) -> Result<()> {
        let last = core.last;
        if core.durable == last {
            return Ok(());
        }
        let done = core.write_out().and_then(|()| core.sync());
        match done {
            Ok(syncs) => {
                self.note_syncs(core, syncs);
                Ok(())
            }
            Err(error) => Err(self.poison(&Error::io("syncing the logs", error))),
        }
    }

    /// Writes a group, in the order given.
    pub fn commit_group(&self, group: &mut [Box<Commit>]) -> Vec<Result<Sequence>> {
        let mut core = locked(&self.core);
        Counters::add(&self.counters.groups, 1);
        if let Err(error) = self.rotate_if_full(&mut core) {
            return group.iter().map(|_| Err(error.clone())).collect();
        }
        let mut outcomes: Vec<Result<Sequence>> = Vec::with_capacity(group.len());
        let mut accepted: Vec<usize> = Vec::new();
        let (mut pending_bytes, mut pending_value_bytes) = (0, 0);
        for (at, commit) in group.iter().enumerate() {
            let pending = || {
                let pending = accepted.iter().filter_map(|at| group.get(*at));
                pending.map(|commit| &**commit)
            };
            let checked = self
                .refuse_closed()
                .and_then(|()| self.refuse_poisoned())
                .and_then(|()| self.refuse_old_version(&core, commit, pending()))
                .and_then(|()| self.refuse_banned(commit))
                .and_then(|()| self.check_conflicts(&core, commit, pending()));
            outcomes.push(checked.map(|()| Sequence(0)));
            if matches!(outcomes.last(), Some(Err(_))) {
                continue;
            }
            let bytes = memtable_bytes(commit, self.threshold.bytes());
            let newest = || newest(&core, pending());
            let late = commit.version.filter(|version| *version <= newest());
            if late.is_some() || bytes > self.options.memtable_bytes / 2 {
                self.write_accepted(&mut core, group, &mut accepted, &mut outcomes);
                (pending_bytes, pending_value_bytes) = (0, 0);
                let outcome = match late {
                    Some(version) => self.commit_late(&mut core, commit, version),
                    None => self.commit_alone(&mut core, commit),
                };
                if let Some(slot) = outcomes.get_mut(at) {
                    *slot = outcome;
                }
                continue;
            }
            let value_bytes = self.value_log_bytes(commit);
            let is_room = pending_bytes + bytes <= self.state.load().memtable.room_bytes()
                && core.has_room_for_values(pending_value_bytes + value_bytes);
            if !is_room {
                // What is pending must not depend on a new file that may be refused.
                self.write_accepted(&mut core, group, &mut accepted, &mut outcomes);
                (pending_bytes, pending_value_bytes) = (0, 0);
                if let Err(error) = self.make_room(&mut core, bytes, value_bytes) {
                    if let Some(slot) = outcomes.get_mut(at) {
                        *slot = Err(error);
                    }
                    continue;
                }
            }
            pending_bytes += bytes;
            pending_value_bytes += value_bytes;
            accepted.push(at);
        }
        self.write_accepted(&mut core, group, &mut accepted, &mut outcomes);
        self.note_written(group, &outcomes);
        outcomes
    }

    fn note_syncs(&self, core: &mut Core, syncs: u64) {
        Counters::add(&self.counters.syncs, syncs);
        let sync_ns = std::mem::take(&mut core.sync_ns);
        Counters::add(&self.counters.sync_ns, sync_ns);
        self.counters
            .sync_ns_max
            .fetch_max(sync_ns, Ordering::Relaxed);
    }

    /// Counts what users have written, and lets the threshold follow the sizes of values.
    fn note_written(&self, group: &[Box<Commit>], outcomes: &[Result<Sequence>]) {
        let written = group.iter().zip(outcomes);
        let written = written.filter(|(_, outcome)| outcome.is_ok());
        for (commit, _) in written {
            let writes = &commit.writes;
            Counters::add(&self.counters.changes, writes.len() as u64);
            Counters::add(&self.counters.changed_bytes, writes.bytes());
            if self.threshold.is_dynamic() {
                let values = writes.changes().filter_map(|change| change.value);
                self.threshold.observe(values.map(<[u8]>::len));
            }
        }
    }

    /// Bytes that `commit` takes in the value log; 0 if it goes elsewhere.
    fn value_log_bytes(&self, commit: &Commit) -> u64 {
        if commit.writes.value_bytes_max() < self.threshold.bytes() {
            return 0;
        }
        commit.writes.log_bytes_max()
    }

    /// A new memtable and a new value-log file, where there is no room for so many bytes.
    fn make_room(&self, core: &mut Core, bytes: usize, value_bytes: u64) -> Result<()> {
        if self.state.load().memtable.room_bytes() < bytes {
            self.rotate(core)?;
        }
        if !core.has_room_for_values(value_bytes) {
            self.ensure_values(core, value_bytes)?;
        }
        Ok(())
    }

    fn rotate_if_full(&self, core: &mut Core) -> Result<()> {
        let state = self.state.load();
        let separated = state.memtable.separated_bytes();
        let used = state.memtable.used_bytes();
        self.want_log(used);
        let is_full =
            used >= self.options.memtable_bytes || separated / 2 >= self.options.value_file_bytes;
        if is_full && !state.memtable.is_empty() && self.poisoned().is_none() {
            self.rotate(core)?;
        }
        Ok(())
    }

    /// Writes the commits of `group` that were accepted, and tells their outcomes.
    fn write_accepted(
        &self,
        core: &mut Core,
        group: &[Box<Commit>],
        accepted: &mut Vec<usize>,
        outcomes: &mut [Result<Sequence>],
    ) {
        if accepted.is_empty() {
            return;
        }
        let commits: Vec<&Commit> = accepted
            .iter()
            .filter_map(|at| group.get(*at).map(|commit| &**commit))
            .collect();
        let before = core.last;
        let written = self.write(core, &commits);
        let mut last = before;
        for at in accepted.drain(..) {
            let version = group.get(at).and_then(|commit| commit.version);
            last = version.unwrap_or(last.next());
            if let Some(slot) = outcomes.get_mut(at) {
                *slot = written.clone().map(|()| last);
            }
        }
    }

    /// Writes commits to the logs and the memtable.
    fn write(&self, core: &mut Core, commits: &[&Commit]) -> Result<()> {
        let checkpoint = core.checkpoint();
        let placed = match self.append_all(core, commits) {
            Ok(placed) => placed,
            Err(error) => return Err(self.refused(core, &checkpoint, error)),
        };
        let is_synced = commits
            .iter()
            .any(|commit| commit.durability == Durability::Sync);
        let is_deferred = commits
            .iter()
            .all(|commit| commit.durability == Durability::Deferred);
        let held = core.wal.as_ref().map_or(0, LogWriter::buffered_bytes);
        if !is_deferred || held > DEFERRED_BYTES_MAX {
            if let Err(error) = core.write_out() {
                let error = Error::io("writing a commit", error);
                return Err(self.refused(core, &checkpoint, error));
            }
        } else if let Some(values) = &mut core.values
            && let Err(error) = values.log.write_out()
        {
            let error = Error::io("writing values", error);
            return Err(self.refused(core, &checkpoint, error));
        }
        if is_synced {
            match core.sync() {
                Ok(syncs) => self.note_syncs(core, syncs),
                Err(error) => return Err(self.in_doubt(core, Error::io("syncing a commit", error))),
            }
        }
        debug_assert!(
            !is_synced || core.durable == core.last,
            "visible before it is durable"
        );
        self.apply(core, &placed)?;
        Counters::add(&self.counters.commits, commits.len() as u64);
        Ok(())
    }

    /// Takes back what was appended. What the disk may hold of it is made void first, so that the
    /// error may say that nothing was committed.
    fn refused(&self, core: &mut Core, checkpoint: &Checkpoint, error: Error) -> Error {
        let is_void = core.take_back(checkpoint).is_ok();
        if is_void && matches!(error, Error::NoSpace { .. }) {
            return error;
        }
        if is_void {
            return self.poison(&error);
        }
        self.in_doubt(core, error)
    }

    /// What an edit that failed means for whoever asked for it: if it may be in the manifest all the
    /// same, which is when writing stops, the next opening shows whether it is.
    pub fn doubt_if_poisoned(&self, sequence: Sequence, error: Error) -> Error {
        match self.poisoned() {
            Some(_) => Error::InDoubt {
                txid: sequence.0,
                cause: std::sync::Arc::new(error),
            },
            None => error,
        }
    }

    /// Stops all writing: whether the newest commits are there will show at the next opening.
    pub fn in_doubt(&self, core: &Core, error: Error) -> Error {
        self.poison(&error);
        Error::InDoubt {
            txid: core.last.0,
            cause: std::sync::Arc::new(error),
        }
    }
}
