//! Commits too large for a memtable: their records go straight to tables, and the edit that
//! installs these is the commit.

use std::sync::Arc;

use kv_api::{Error, Result};

use crate::commit_queue::Commit;
use crate::crypt::cipher::UNIT_EXTRA_BYTES;
use crate::entry::{Entry, Kind};
use crate::error::locked;
use crate::id::Sequence;
use crate::level::LEVELS;
use crate::log::commit::{Change, begin_values};
use crate::manifest::edit::Part;
use crate::memtable::LogPlace;
use crate::open_logs::Core;
use crate::output::Output;
use crate::pointer::{Pointer, value_checksum};
use crate::shared::{Files, Shared};
use crate::table::reader::Table;
use crate::values::HEADER_BYTES;
use crate::version::Version;

/// Bytes of values that are written to the value log at once.
const PART_BYTES: usize = 4 << 20;

impl Shared {
    /// Commits what no memtable can take. Everything before it goes to tables first, so that no
    /// older record lies above its own.
    pub fn commit_alone(&self, core: &mut Core, commit: &Commit) -> Result<Sequence> {
        self.flush_all(core)?;
        let sequence = commit.version.unwrap_or(core.last.next());
        let tables = self.write_alone(core, commit, sequence, LEVELS - 1)?;
        let values = match &core.values {
            Some(values) => (values.log.id, values.log.end()),
            None => (self.next_file(), HEADER_BYTES as u64),
        };
        let logs = LogPlace {
            wal: core.wal_id,
            values: Some(values),
        };
        let mut edit = vec![Part::Flushed(sequence), Part::Logs(logs)];
        let mut files = locked(&self.files);
        let version = Arc::clone(&self.state.load().version);
        let level = deepest(&version, &files, &tables);
        edit.extend(
            tables
                .iter()
                .map(|table| Part::AddTable(level, table.meta.clone())),
        );
        let value_bytes = core.values.as_ref().map_or(0, |values| values.value_bytes);
        let counted = self.counted_up_to(logs, value_bytes);
        edit.extend(counted.map(|(id, state)| Part::Values(id, state)));
        let before = std::mem::replace(&mut files.logs, logs);
        let installed = self.install(&mut files, edit, |_, version| {
            version.value_states.extend(counted);
            version.flushed = sequence;
            for table in &tables {
                version.add(level, Arc::clone(table));
            }
        });
        if let Err(error) = installed {
            files.logs = before;
            self.forget_tables(&tables);
            return Err(self.doubt_if_poisoned(sequence, error));
        }
        drop(files);
        core.last = sequence;
        core.durable = sequence;
        self.publish(sequence);
        if !self.subscribers.is_empty() {
            let sorted = commit.writes.sorted();
            self.subscribers.tell(sequence, || sorted.iter());
        }
        self.work.wake();
        Ok(sequence)
    }

    /// Writes the records of `commit`, with the version `sequence`, to tables made for `level`.
    pub fn write_alone(
        &self,
        core: &mut Core,
        commit: &Commit,
        sequence: Sequence,
        level: usize,
    ) -> Result<Vec<Arc<Table>>> {
        let threshold = self.threshold.bytes();
        let is_large = |change: &Change<'_>| change.value.is_some_and(|v| v.len() >= threshold);
        let output = Output::new(self, level, sequence, self.options.table_bytes);
        let mut output = output.waited_for();
        let sorted = commit.writes.sorted();
        let mut at = 0;
        let mut code = Vec::new();
        while at < sorted.len() {
            // As many changes as fill one write of the value log, then their records.
            let (mut end, mut bytes) = (at, 0);
            while bytes < PART_BYTES
                && let Some(change) = sorted.get(end)
            {
                bytes += change.value.map_or(0, <[u8]>::len);
                end += 1;
            }
            let changes = || (at..end).filter_map(|at| sorted.get(at));
            let large: Vec<&[u8]> = changes()
                .filter(&is_large)
                .filter_map(|change| change.value)
                .collect();
            let mut pointers = self.write_values(core, &large, sequence)?.into_iter();
            for change in changes() {
                if change.value.is_none() && self.hides_nothing(change.key, sequence)? {
                    continue;
                }
                let (mut kind, mut value) = match change.value {
                    Some(value) => (Kind::Put, value),
                    None => (Kind::Delete, &[][..]),
                };
                if is_large(&change)
                    && let Some(pointer) = pointers.next()
                {
                    code.clear();
                    pointer.put(&mut code);
                    (kind, value) = (Kind::Pointer, &code);
                }
                output.add(&Entry {
                    key: change.key,
                    sequence,
                    kind,
                    extra: change.extra,
                    value,
                })?;
            }
            at = end;
        }
        self.sync_values(core)?;
        output.finish()
    }

    /// Whether a deletion is needed by nobody: no table holds a record of its key, and no memtable
    /// does, since all were written out before. It would go to the last level, which nothing is
    /// ever merged into that could take it away.
    fn hides_nothing(&self, key: &[u8], sequence: Sequence) -> Result<bool> {
        if self.options.keeps_deletions() {
            return Ok(false);
        }
        Ok(self.state.load().find(key, sequence)?.is_none())
    }

    /// Appends values to the value log and answers where they are.
    fn write_values(
        &self,
        core: &mut Core,
        large: &[&[u8]],
        sequence: Sequence,
    ) -> Result<Vec<Pointer>> {
        if large.is_empty() {
            return Ok(Vec::new());
        }
        let bytes: usize = large.iter().map(|value| value.len()).sum();
        let extra = 128 + UNIT_EXTRA_BYTES * large.len();
        self.ensure_values(core, (bytes + extra) as u64)?;
        let durable = core.durable;
        let Some(values) = &mut core.values else {
            return Ok(Vec::new());
        };
        let (mark, file) = (values.log.mark(), values.log.id);
        let mut pointers = Vec::with_capacity(large.len());
        let mut unplaced = large.iter();
        let each = large.iter().copied();
        values
            .log
            .append(sequence, durable, begin_values, each, |offset| {
                if let Some(value) = unplaced.next() {
                    pointers.push(Pointer {
                        file,
                        offset,
                        len: value.len() as u64,
                        checksum: value_checksum(value),
                    });
                }
            });
        if let Err(error) = values.log.write_out() {
            let error = Error::io("writing values", error);
            let is_void = values.log.take_back(mark).is_ok();
            if !is_void || !matches!(error, Error::NoSpace { .. }) {
                return Err(self.poison(&error));
            }
            return Err(error);
        }
        values.value_bytes += bytes as u64;
        Ok(pointers)
    }

    fn sync_values(&self, core: &mut Core) -> Result<()> {
        let Some(values) = &mut core.values else {
            return Ok(());
        };
        values
            .log
            .sync()
            .map_err(|error| self.poison(&Error::io("syncing values", error)))
    }
}

/// The deepest level that new tables may go to: they meet nothing there or above, nor anything
/// that a compaction under way is writing.
pub(crate) fn deepest(version: &Version, files: &Files, tables: &[Arc<Table>]) -> usize {
    let (Some(first), Some(last)) = (tables.first(), tables.last()) else {
        return 0;
    };
    let (start, end) = (first.meta.smallest.as_slice(), last.meta.biggest.as_slice());
    let mut writing = files.writing.iter();
    if writing.any(|(_, from, to)| from.as_slice() <= end && start <= to.as_slice()) {
        return 0;
    }
    let meets = |level: usize| !version.overlapping(level, start, end).is_empty();
    let first_met = (0..LEVELS).find(|level| meets(*level));
    match first_met {
        Some(level) => level.saturating_sub(1),
        None => LEVELS - 1,
    }
}
