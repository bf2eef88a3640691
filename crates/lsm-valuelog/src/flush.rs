//! Writing memtables to tables.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kv_api::Result;

use crate::counters::Counters;
use crate::error::locked;
use crate::id::{FileId, Sequence};
use crate::logs::wal_name;
use crate::manifest::edit::Part;
use crate::memtable::{LogPlace, Memtable};
use crate::open_logs::Core;
use crate::output::Output;
use crate::retention::{Kept, Retention, Verdict};
use crate::shared::{Files, Shared};
use crate::table::reader::Table;
use crate::version::ValueFileState;

/// Write-ahead logs kept to be written again.
const FREE_LOGS_MAX: usize = 1;

impl Shared {
    pub fn retention(&self) -> Retention {
        // In this order: whoever begins at an older version notes it and then looks at the mark.
        let mark = Sequence(self.discard_at.load(Ordering::Acquire));
        Retention {
            versions: self.options.versions_to_keep,
            history_from: self.options.keeps_history.then_some(mark),
            settled: self.settled(),
            now: self.now(),
            banned: self.state.load().version.banned.clone(),
        }
    }

    /// Writes the oldest sealed memtable to a table; answers whether there was one.
    pub fn flush_one(&self) -> Result<bool> {
        let _turn = locked(&self.flushing);
        let state = self.state.load_full();
        let Some(oldest) = state.sealed.last() else {
            return Ok(false);
        };
        let behind = state.sealed.len().checked_sub(2);
        let next = behind.and_then(|at| state.sealed.get(at));
        let next = next.unwrap_or(&state.memtable);
        let tables = self.write_memtable(oldest)?;
        self.install_flushed(oldest, &tables, next)?;
        Counters::add(&self.counters.flushes, 1);
        self.work.wake();
        Ok(true)
    }

    pub fn write_memtable(&self, memtable: &Memtable) -> Result<Vec<Arc<Table>>> {
        let retention = self.retention();
        let version = Arc::clone(&self.state.load().version);
        let mut output = Output::new(self, 0, memtable.first_sequence(), u64::MAX);
        let mut kept = Kept::default();
        let mut last_key: Option<&[u8]> = None;
        let mut node = memtable.list().first();
        while let Some(current) = node {
            let entry = current.entry();
            if last_key != Some(entry.key) {
                kept = Kept::default();
                last_key = Some(entry.key);
            }
            let hides_nothing = Cell::new(false);
            let is_bottom = || {
                let in_zero = version
                    .level(0)
                    .iter()
                    .any(|table| table.meta.covers(entry.key));
                hides_nothing.set(!in_zero && !version.is_below(0, entry.key));
                hides_nothing.get()
            };
            match retention.judge(&mut kept, &entry, is_bottom) {
                Verdict::Keep => output.add(&entry)?,
                Verdict::Bury => output.bury(&entry)?,
                Verdict::Drop if hides_nothing.get() => {
                    self.assert_hides_nothing(&entry, std::iter::empty())?;
                }
                Verdict::Drop => {}
            }
            node = current.next();
        }
        output.finish()
    }

    fn install_flushed(
        &self,
        memtable: &Arc<Memtable>,
        tables: &[Arc<Table>],
        next: &Memtable,
    ) -> Result<()> {
        let (flushed, logs) = (memtable.newest_sequence(), next.begun);
        let mut edit = vec![Part::Flushed(flushed), Part::Logs(logs)];
        for table in tables {
            edit.push(Part::AddTable(0, table.meta.clone()));
            Counters::add(&self.counters.flush_bytes, table.meta.bytes);
        }
        let mut files = locked(&self.files);
        let counted = self.counted_up_to(logs, next.values_before);
        edit.extend(counted.map(|(id, state)| Part::Values(id, state)));
        let before = std::mem::replace(&mut files.logs, logs);
        let installed = self.install(&mut files, edit, |state, version| {
            version.value_states.extend(counted);
            state.sealed.retain(|sealed| !Arc::ptr_eq(sealed, memtable));
            version.flushed = version.flushed.max(flushed);
            for table in tables {
                version.add(0, Arc::clone(table));
            }
        });
        if let Err(error) = installed {
            files.logs = before;
            self.forget_tables(tables);
            return Err(error);
        }
        self.free_logs(&mut files, logs.wal);
        Ok(())
    }

    /// What is known of the file that is appended to once its commits are replayed from `logs` on:
    /// what lies before is not looked at again, so its values are counted now. Asked by whoever
    /// holds the files, so that nobody ends it meanwhile.
    pub fn counted_up_to(
        &self,
        logs: LogPlace,
        value_bytes: u64,
    ) -> Option<(FileId, ValueFileState)> {
        let (id, _) = logs.values?;
        let state = *self.state.load().version.value_states.get(&id)?;
        let counted = ValueFileState {
            value_bytes,
            ..state
        };
        (!state.is_sealed).then_some((id, counted))
    }

    /// Has tables removed that were not installed, unless the manifest may name them.
    pub fn forget_tables(&self, tables: &[Arc<Table>]) {
        if self.poisoned().is_none() {
            tables.iter().for_each(|table| table.make_obsolete());
        }
    }

    /// Keeps or removes the write-ahead logs before `end`, which are needless now.
    fn free_logs(&self, files: &mut Files, end: FileId) {
        let needed = files.wals.split_off(&end);
        let needless = std::mem::replace(&mut files.wals, needed);
        for id in needless {
            if files.free_logs.len() < FREE_LOGS_MAX && self.options.memtable_bytes > 1 << 20 {
                files.free_logs.push(id);
                continue;
            }
            self.reading.discard(&wal_name(id));
        }
    }

    /// Writes everything that is only in memory to tables.
    pub fn flush_all(&self, core: &mut Core) -> Result<()> {
        if !self.state.load().memtable.is_empty() {
            self.rotate(core)?;
        }
        while self.flush_one()? {}
        Ok(())
    }
}
