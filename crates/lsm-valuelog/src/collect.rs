//! Collecting the value log: giving back the space of values that nobody points at.
//!
//! A file with much that is dead is written anew with its living values only, and one edit says
//! that its values are there now. Pointers stay as they are, so no record is written again, no
//! older version comes to lie above a newer one, and a reader of an older version goes on reading
//! the old file, which is removed when the last of them ends.

use std::sync::Arc;

use kv_api::{Error, Result};

use crate::counters::Counters;
use crate::entry::Kind;
use crate::error::locked;
use crate::id::FileId;
use crate::manifest::edit::Part;
use crate::memtable::LogPlace;
use crate::moves::MovedFile;
use crate::pointer::Pointer;
use crate::shared::Shared;
use crate::table::cursor::RunCursor;
use crate::values::{ValueFile, values_name};
use crate::version::{ValueFileState, Version};

impl Shared {
    /// Gives back the space of the value-log file with the largest share of dead bytes; answers
    /// whether one was worth it.
    pub fn collect_one(&self) -> Result<bool> {
        self.collect_from(self.options.garbage_percent)
    }

    /// The same for files of which at least so many percent are dead.
    pub fn collect_from(&self, percent: u64) -> Result<bool> {
        let _turn = locked(&self.collecting);
        // Both at once: a flush between them would say that all commits of a file are in tables,
        // and have put them into one that this version does not have.
        let (version, logs) = {
            let files = locked(&self.files);
            (Arc::clone(&self.state.load().version), files.logs)
        };
        let Some((id, state, living)) = self.most_dead(&version, logs, percent) else {
            return Ok(false);
        };
        if living == 0 {
            self.remove_file(&version, id)?;
        } else {
            self.move_living(&version, id)?;
        }
        Counters::add(&self.counters.collections, 1);
        let dead = state.value_bytes.saturating_sub(living);
        Counters::add(&self.counters.collected_bytes, dead);
        self.work.wake();
        Ok(true)
    }

    /// The sealed file, all of whose commits are in tables, of which the most is dead, if that is
    /// so many percent at least; with the bytes that are alive.
    fn most_dead(
        &self,
        version: &Version,
        logs: LogPlace,
        percent: u64,
    ) -> Option<(FileId, ValueFileState, u64)> {
        let referenced = version.referenced();
        let first = logs.values.map(|(id, _)| id).unwrap_or_default();
        let percent = percent.max(1);
        let files = version.value_states.iter().filter_map(|(id, state)| {
            let is_replayed = *id == state.physical && *id >= first;
            let living = referenced.get(id).copied().unwrap_or(0);
            let dead = state.value_bytes.saturating_sub(living);
            let share = dead.saturating_mul(100) / state.value_bytes.max(1);
            let is_due = state.is_sealed && !is_replayed && (living == 0 || share >= percent);
            is_due.then_some((share, *id, *state, living))
        });
        let (_, id, state, living) = files.max_by_key(|(share, id, ..)| (*share, *id))?;
        Some((id, state, living))
    }

    fn remove_file(&self, version: &Version, id: FileId) -> Result<()> {
        let mut files = locked(&self.files);
        self.install(&mut files, vec![Part::RemoveValues(id)], |_, version| {
            version.values.remove(&id);
            version.value_states.remove(&id);
        })?;
        drop(files);
        if let Some(file) = version.values.get(&id) {
            file.make_obsolete();
        }
        Ok(())
    }

    /// Writes the living values of a file to a new one, which takes its place.
    fn move_living(&self, version: &Version, id: FileId) -> Result<()> {
        let physical = self.new_file_id();
        let moved = self.write_living(version, id, physical);
        let (file, state) = match moved {
            Ok(moved) => moved,
            Err(error) => {
                self.reading.discard(&values_name(physical));
                return Err(error);
            }
        };
        let mut files = locked(&self.files);
        let installed = self.install(&mut files, vec![Part::Values(id, state)], |_, version| {
            version.values.insert(id, Arc::clone(&file));
            version.value_states.insert(id, state);
        });
        drop(files);
        if let Err(error) = installed {
            if self.poisoned().is_none() {
                file.make_obsolete();
            }
            return Err(error);
        }
        if let Some(old) = version.values.get(&id) {
            old.make_obsolete();
        }
        Ok(())
    }

    fn write_living(
        &self,
        version: &Version,
        id: FileId,
        physical: FileId,
    ) -> Result<(Arc<ValueFile>, ValueFileState)> {
        let mut to = MovedFile::create(&self.reading, physical)?;
        let mut value_bytes = 0;
        for (_, table) in version.tables() {
            let points = |reference: &crate::table::meta::Reference| reference.file == id;
            if !table.meta.references.iter().any(points) {
                continue;
            }
            let run = std::slice::from_ref(table);
            let mut cursor = RunCursor::in_passing(run);
            cursor.first()?;
            while let Some(entry) = cursor.entry() {
                if entry.kind == Kind::Pointer
                    && let Some(pointer) = Pointer::read(entry.value)
                    && pointer.file == id
                {
                    let value = version.value(entry.value)?;
                    to.add(pointer.offset, &value)?;
                    value_bytes += pointer.len;
                }
                cursor.next()?;
            }
        }
        let described = version.referenced().get(&id).copied().unwrap_or(0);
        if value_bytes != described {
            // Otherwise the file would look as dead as before, and be moved again for ever.
            let what = "tables point at other bytes of the file than they say";
            return Err(crate::error::damage(&values_name(id), 0, what));
        }
        let (len, moves) = to.finish()?;
        self.reading
            .disk
            .sync_directory(&self.reading.directory)
            .map_err(|error| Error::io("syncing the name of moved values", error))?;
        let state = ValueFileState {
            physical,
            len,
            value_bytes,
            is_sealed: true,
        };
        let file = ValueFile::open(&self.reading, (id, physical), len, moves)?;
        Ok((Arc::new(file), state))
    }

    /// Ends the value log's newest file if much of it is dead, so that it can be collected;
    /// answers whether it did. Only while nothing waits to be written to tables.
    pub fn seal_wasteful(&self) -> Result<bool> {
        let mut core = locked(&self.core);
        let state = self.state.load_full();
        let Some(values) = &core.values else {
            return Ok(false);
        };
        if !state.memtable.is_empty() || !state.sealed.is_empty() {
            return Ok(false);
        }
        let living = state.version.referenced().get(&values.log.id).copied();
        let dead = values.value_bytes.saturating_sub(living.unwrap_or(0));
        let percent = self.options.garbage_percent.max(1);
        if dead == 0 || dead.saturating_mul(100) < values.value_bytes.saturating_mul(percent) {
            return Ok(false);
        }
        self.seal_values(&mut core)?;
        self.rotate(&mut core)?;
        let logs = self.state.load().memtable.begun;
        let mut files = locked(&self.files);
        let before = std::mem::replace(&mut files.logs, logs);
        let installed = self.install(&mut files, vec![Part::Logs(logs)], |_, _| ());
        if installed.is_err() {
            files.logs = before;
        }
        installed.map(|()| true)
    }
}
