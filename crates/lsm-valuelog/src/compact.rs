//! Doing a compaction.

use std::cell::Cell;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use kv_api::{Error, Place, Result};

use crate::counters::Counters;
use crate::error::locked;
use crate::folding::{Folded, Folding};
use crate::id::{FileId, Sequence};
use crate::key::DEFAULT_SPACE;
use crate::late::Late;
use crate::levels::{Job, job, pick, targets};
use crate::manifest::edit::{Edit, Part};
use crate::merge::{Child, Merge};
use crate::open_logs::Core;
use crate::operands;
use crate::order::Order;
use crate::output::Output;
use crate::retention::{Kept, Retention, Verdict};
use crate::shared::Shared;
use crate::table::meta::TableMeta;
use crate::table::reader::Table;
use crate::version::Version;

/// How often, and after which pause, the logs are tried for.
const LOCK_TRIES: usize = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(1);

/// How the folding of a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FoldingEnd {
    /// All was folded that may be.
    Done,
    /// There is more.
    Cut,
    /// Somebody has changed an operand meanwhile.
    Refused,
}

/// Tables of a job, which nobody else may take while this lives.
struct Reserved<'a> {
    shared: &'a Shared,
    ids: Vec<FileId>,
    mark: FileId,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        let mut files = locked(&self.shared.files);
        for id in &self.ids {
            files.busy.remove(id);
        }
        files.writing.retain(|(mark, ..)| *mark != self.mark);
    }
}

impl Shared {
    /// Takes the job that `choose` names and keeps others away from it.
    fn reserve(
        &self,
        choose: impl FnOnce(&Version, &std::collections::BTreeSet<FileId>) -> Option<Job>,
    ) -> Option<(Job, Reserved<'_>, Arc<Version>)> {
        let mut files = locked(&self.files);
        if files.halts > 0 {
            return None;
        }
        let version = Arc::clone(&self.state.load().version);
        let job = choose(&version, &files.busy)?;
        let ids: Vec<FileId> = job.tables().map(|table| table.meta.id).collect();
        files.busy.extend(ids.iter().copied());
        let mark = self.new_file_id();
        let (start, end) = job.span();
        files.writing.push((mark, start, end));
        let reserved = Reserved {
            shared: self,
            ids,
            mark,
        };
        Some((job, reserved, version))
    }

    /// Does the most urgent compaction; answers whether there was one.
    pub fn compact_one(&self) -> Result<bool> {
        self.run_reserved(|version, busy| pick(version, &self.options, busy))
    }

    /// Does the job that `choose` names; answers whether there was one.
    pub fn run_reserved(
        &self,
        choose: impl FnOnce(&Version, &std::collections::BTreeSet<FileId>) -> Option<Job>,
    ) -> Result<bool> {
        let reserved = self.reserve(choose);
        let Some((job, reserved, version)) = reserved else {
            return Ok(false);
        };
        self.run_job(&job, &version, true)?;
        drop(reserved);
        self.work.wake();
        Ok(true)
    }

    /// Does the job that `choose` names for the sake of what may be folded in it; answers how that
    /// ended, none if there was no such job.
    pub fn run_folding(
        &self,
        choose: impl FnOnce(&Version, &std::collections::BTreeSet<FileId>) -> Option<Job>,
    ) -> Result<Option<FoldingEnd>> {
        let Some((job, reserved, version)) = self.reserve(choose) else {
            return Ok(None);
        };
        let end = self.run_job(&job, &version, false)?;
        drop(reserved);
        self.work.wake();
        Ok(Some(end))
    }

    /// Merges tables of `level` down, urgent or not; answers whether there were any.
    pub fn compact_level(&self, level: usize) -> Result<bool> {
        self.run_reserved(|version, busy| {
            let targets = targets(version, &self.options);
            job(version, &targets, level, busy)
        })
    }

    /// Does a job. Where nothing may be folded after all, its tables are written without, if they
    /// are to be written for anything else.
    fn run_job(&self, job: &Job, version: &Version, is_needed: bool) -> Result<FoldingEnd> {
        Counters::add(&self.counters.compactions, 1);
        if job.from != job.to && self.is_trivial(job) && version.banned.is_none() {
            self.move_down(job)?;
            return Ok(FoldingEnd::Done);
        }
        let read: u64 = job.tables().map(|table| table.meta.bytes).sum();
        Counters::add(&self.counters.compaction_bytes_read, read);
        let (tables, folded) = self.merge_tables(job, version, true)?;
        if folded.operands.is_empty() {
            self.install_merged(job, &tables, None)?;
            return Ok(FoldingEnd::Done);
        }
        let (is_cut, is_wrong) = (folded.is_cut, folded.is_wrong);
        if !is_wrong && let Some(mut core) = self.settle_folded(&folded) {
            self.install_merged(job, &tables, Some((&mut core, folded)))?;
            return Ok(if is_cut {
                FoldingEnd::Cut
            } else {
                FoldingEnd::Done
            });
        }
        self.forget_tables(&tables);
        if is_needed {
            let (tables, _) = self.merge_tables(job, version, false)?;
            self.install_merged(job, &tables, None)?;
        }
        Ok(if is_wrong {
            FoldingEnd::Done
        } else {
            FoldingEnd::Refused
        })
    }

    /// Has the tables that a compaction has written take the place of those it has read. Where it
    /// has folded operands, no commit may come between.
    fn install_merged(
        &self,
        job: &Job,
        tables: &[Arc<Table>],
        folded: Option<(&mut Core, Folded)>,
    ) -> Result<()> {
        let written: u64 = tables.iter().map(|table| table.meta.bytes).sum();
        Counters::add(&self.counters.compaction_bytes_written, written);
        if let Some(counter) = self.counters.written_by_level.get(job.to) {
            Counters::add(counter, written);
        }
        let mut edit: Edit = removals(job);
        edit.extend(
            tables
                .iter()
                .map(|table| Part::AddTable(job.to, table.meta.clone())),
        );
        // A sum holds what a copy of changes may have told of before, under the version of its
        // newest part: such copies are refused, as where keys were dropped.
        let summed = folded.as_ref().map(|(_, folded)| folded.newest());
        let before = self.state.load().version.dropped;
        let dropped = summed.map_or(before, |summed| summed.max(before));
        if dropped > before {
            edit.push(Part::Dropped(dropped));
        }
        let nth = self.state.load().drops + 1;
        let mut files = locked(&self.files);
        let installed = self.install(&mut files, edit, |state, version| {
            if folded.is_some() {
                state.drops = nth;
            }
            version.dropped = version.dropped.max(dropped);
            remove_inputs(job, version);
            for table in tables {
                version.add(job.to, Arc::clone(table));
            }
        });
        drop(files);
        if let Err(error) = installed {
            self.forget_tables(tables);
            return Err(error);
        }
        if let Some((core, folded)) = folded {
            core.note_unseen(nth, folded.ranges, self.settled());
        }
        job.tables().for_each(|table| table.make_obsolete());
        Ok(())
    }

    /// Whether a table can go down as it is: it meets nothing, and holds nothing to be dropped.
    fn is_trivial(&self, job: &Job) -> bool {
        let is_clean = |table: &Arc<Table>| {
            table.meta.tombstones == 0
                && table.meta.keys == table.meta.entries
                && table.meta.expires_max == 0
                && !self.may_fold(&table.meta)
        };
        let compression = |level: usize| self.options.compression.get(level);
        job.bottom.is_empty()
            && job.top.len() == 1
            && job.top.iter().all(is_clean)
            && compression(job.from) == compression(job.to)
    }

    /// Whether a table may hold additions that an operator folds.
    fn may_fold(&self, meta: &TableMeta) -> bool {
        let operands = operands::of_space(DEFAULT_SPACE);
        !self.options.operators.is_empty() && meta.overlaps(&operands.start, &operands.end)
    }

    fn move_down(&self, job: &Job) -> Result<()> {
        let mut edit = removals(job);
        edit.extend(
            job.top
                .iter()
                .map(|table| Part::AddTable(job.to, table.meta.clone())),
        );
        let mut files = locked(&self.files);
        self.install(&mut files, edit, |_, version| {
            remove_inputs(job, version);
            for table in &job.top {
                version.add(job.to, Arc::clone(table));
            }
        })
    }

    /// The logs, if what was folded may be installed: nothing newer is there for any operand, and
    /// nothing will be before they are let go. Somebody who has them may be waiting for this very
    /// compaction, so they are not waited for too long.
    fn settle_folded(&self, folded: &Folded) -> Option<MutexGuard<'_, Core>> {
        let core = (0..LOCK_TRIES).find_map(|_| {
            let core = self.core.try_lock().ok();
            if core.is_none() {
                std::thread::sleep(LOCK_PAUSE);
            }
            core
        })?;
        let state = self.state.load();
        let is_settled = folded
            .operands
            .iter()
            .all(|(key, sequence)| matches!(state.is_newer_than(key, *sequence), Ok(false)));
        is_settled.then_some(core)
    }

    /// Writes the tables of `job` anew, folding what may be if that is asked for.
    fn merge_tables(
        &self,
        job: &Job,
        version: &Version,
        folds: bool,
    ) -> Result<(Vec<Arc<Table>>, Folded)> {
        let retention = self.retention();
        let has_late = version.late != Late::default();
        let horizon = if folds {
            folding_horizon(&retention, version)
        } else {
            Sequence(0)
        };
        let mut folding = Folding::new(&self.options.operators, version, job, horizon);
        let base = job.tables().map(|table| table.meta.min_sequence).min();
        let base = base.unwrap_or(Sequence(0));
        let mut output = Output::new(self, job.to, base, self.options.table_bytes);
        let top: Vec<&[Arc<Table>]> = if job.from == 0 {
            job.top.iter().map(std::slice::from_ref).collect()
        } else {
            vec![&job.top]
        };
        let runs = top.into_iter().chain([job.bottom.as_slice()]);
        let mut merge = Merge::new(runs.map(Child::run_in_passing).collect());
        merge.first()?;
        let mut kept = Kept::default();
        let mut last_key = Vec::new();
        let mut is_first = true;
        let mut order = Order::default();
        while let Some(entry) = merge.entry() {
            if cfg!(debug_assertions)
                && let Some(place) = merge.source()
                && let Some(what) = order.take(&entry, place, version.late.version)
            {
                return Err(Error::corrupt(Place::Store, what));
            }
            if is_first || last_key != entry.key {
                kept = Kept::default();
                last_key.clear();
                last_key.extend_from_slice(entry.key);
                is_first = false;
            }
            let hides_nothing = Cell::new(false);
            let is_bottom = || {
                let is_bottom = !version.is_below(job.to, entry.key)
                    && (!has_late || self.is_alone(job, entry.key));
                hides_nothing.set(is_bottom);
                is_bottom
            };
            match retention.judge(&mut kept, &entry, is_bottom) {
                Verdict::Keep => folding.add(&mut output, &entry)?,
                Verdict::Bury => folding.add(&mut output, &entry.buried())?,
                Verdict::Drop if hides_nothing.get() => {
                    let inputs = job.tables().map(|table| table.meta.id);
                    self.assert_hides_nothing(&entry, inputs)?;
                }
                Verdict::Drop => {}
            }
            merge.advance()?;
        }
        folding.end(&mut output)?;
        Ok((output.finish()?, folding.folded))
    }
}

impl Shared {
    /// Whether no place but the tables of `job` may hold a record of `key`. Where versions came
    /// late, older ones may be above a newer one. What comes later still is newer than whatever
    /// may be dropped now.
    fn is_alone(&self, job: &Job, key: &[u8]) -> bool {
        let state = self.state.load();
        let is_of_job = |id: FileId| job.tables().any(|table| table.meta.id == id);
        let mut tables = state.version.tables();
        let newest = Sequence(u64::MAX);
        !tables.any(|(_, table)| table.meta.covers(key) && !is_of_job(table.meta.id))
            && !state
                .memtables()
                .any(|memtable| memtable.get(key, newest).is_some())
    }
}

/// Up to which version nobody reads operands apart; 0 where somebody always may.
pub(crate) fn folding_horizon(retention: &Retention, version: &Version) -> Sequence {
    match retention.history_from {
        _ if version.late != Late::default() || retention.versions == usize::MAX => Sequence(0),
        Some(mark) => mark,
        None => retention.settled,
    }
}

fn removals(job: &Job) -> Edit {
    let top = job
        .top
        .iter()
        .map(|table| Part::RemoveTable(job.from, table.meta.id));
    let bottom = job
        .bottom
        .iter()
        .map(|table| Part::RemoveTable(job.to, table.meta.id));
    top.chain(bottom).collect()
}

fn remove_inputs(job: &Job, version: &mut Version) {
    for table in &job.top {
        version.remove(job.from, table.meta.id);
    }
    for table in &job.bottom {
        version.remove(job.to, table.meta.id);
    }
}
