//! Beginning and ending the files that commits are appended to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use disk::{File, OpenOptions, write_all_at};
use kv_api::{Error, Result};

use crate::crypt::envelope::FileKind;
use crate::error::locked;
use crate::id::FileId;
use crate::log::wal::LogWriter;
use crate::manifest::edit::Part;
use crate::memtable::{LogPlace, Memtable};
use crate::open_logs::{Core, ValueWriter};
use crate::shared::Shared;
use crate::skiplist::EMPTY_BYTES;
use crate::state::State;
use crate::values::{HEADER_BYTES, ValueFile, header, values_name};
use crate::version::{ValueFileState, Version};

/// The most zeros that are written ahead in a write-ahead log at a time.
const AHEAD_BYTES_MAX: usize = 512 << 10;

/// The length from which on a log may be worth giving up while nobody writes.
const HEAVY_LOG_BYTES_MIN: u64 = 4 << 20;

/// The name of a write-ahead log.
pub(crate) fn wal_name(id: FileId) -> String {
    format!("{id}.wal")
}

/// Bytes of memory that a memtable reserves.
pub(crate) fn memtable_capacity(memtable_bytes: usize) -> usize {
    memtable_bytes + memtable_bytes / 4 + EMPTY_BYTES
}

impl Shared {
    fn new_file(&self, name: &str) -> Result<Arc<dyn File>> {
        let path = self.reading.directory.join(name);
        let opened = self.reading.disk.open(&path, &OpenOptions::NEW);
        opened.map_err(|error| Error::io("making a log", error))
    }

    /// Zeros that are written ahead in a write-ahead log at a time.
    fn ahead_step(&self) -> usize {
        (self.options.memtable_bytes / 8).min(AHEAD_BYTES_MAX)
    }

    /// The write-ahead log with this number: the one made ready, or one made now.
    pub fn new_wal(&self, id: FileId) -> Result<LogWriter> {
        let ready = locked(&self.ready_log).take_if(|log| log.id == id);
        ready.map_or_else(|| self.make_wal(id), Ok)
    }

    /// Makes the next memtable's log ready if that is wanted; answers whether it was.
    pub fn make_log_ready(&self) -> Result<bool> {
        if !self.wants_log.load(Ordering::Acquire) || locked(&self.ready_log).is_some() {
            return Ok(false);
        }
        let log = self.make_wal(self.new_file_id())?;
        *locked(&self.ready_log) = Some(log);
        Ok(true)
    }

    /// Asks for the next memtable's log once this one is half full.
    pub fn want_log(&self, used_bytes: usize) {
        let is_wanted = self.options.background && used_bytes >= self.options.memtable_bytes / 2;
        if is_wanted && !self.wants_log.swap(true, Ordering::AcqRel) {
            self.work.wake();
        }
    }

    /// Whether the current log takes more than a tenth of what the rest of the store takes.
    pub fn is_log_heavy(&self, version: &Version) -> bool {
        let log = locked(&self.core).wal.as_ref().map_or(0, LogWriter::bytes);
        let tables = version.tables().map(|(_, table)| &table.meta);
        let rest: u64 = tables
            .map(|meta| meta.bytes + meta.referenced_bytes())
            .sum();
        log > HEAVY_LOG_BYTES_MIN && log > rest / 10
    }

    /// Removes logs that are only there to be written again; answers whether there were any.
    pub fn remove_spare_logs(&self) -> bool {
        let core = locked(&self.core);
        let mut files = locked(&self.files);
        let mut spare = std::mem::take(&mut files.free_logs);
        // The current one may be made ready and not begun.
        let ready = locked(&self.ready_log).take_if(|log| log.id > core.wal_id);
        if let Some(log) = ready {
            self.wants_log.store(false, Ordering::Release);
            files.wals.remove(&log.id);
            spare.push(log.id);
        }
        for id in &spare {
            self.reading.discard(&wal_name(*id));
        }
        !spare.is_empty()
    }

    /// A log made of a needless one, or a new file.
    fn make_wal(&self, id: FileId) -> Result<LogWriter> {
        let failed = |error| Error::io("beginning a log", error);
        let (sealer, envelope) = self.reading.new_file_key(FileKind::WriteAhead, id)?;
        let name = wal_name(id);
        let free = locked(&self.files).free_logs.pop();
        locked(&self.files).wals.insert(id);
        let file = match free {
            Some(old) => {
                let path = self.reading.directory.join(&name);
                let old = self.reading.directory.join(wal_name(old));
                let disk = &self.reading.disk;
                disk.rename(&old, &path).map_err(failed)?;
                disk.open(&path, &OpenOptions::READ_WRITE).map_err(failed)?
            }
            None => self.new_file(&name)?,
        };
        let len = file.len().map_err(failed)?;
        let header = header(FileKind::WriteAhead, id, &envelope);
        write_all_at(&*file, &header, 0).map_err(failed)?;
        self.reading
            .disk
            .sync_directory(&self.reading.directory)
            .map_err(failed)?;
        let mut wal = {
            let place = (HEADER_BYTES as u64, len);
            LogWriter::new(file, id, place, sealer, self.ahead_step())
        };
        wal.is_unsynced = true;
        Ok(wal)
    }

    /// Makes sure that `bytes` fit the value log's newest file, beginning a new one if need be.
    pub fn ensure_values(&self, core: &mut Core, bytes: u64) -> Result<()> {
        if let Some(values) = &core.values
            && values.log.end().saturating_add(bytes) <= values.capacity
        {
            return Ok(());
        }
        self.seal_values(core)?;
        let id = self.new_file_id();
        let capacity = self
            .options
            .value_file_bytes
            .max(bytes.saturating_add(HEADER_BYTES as u64));
        let made = self.make_values_file(id).and_then(|log| {
            let file = ValueFile::open(&self.reading, (id, id), capacity, Box::default());
            Ok((log, Arc::new(file?)))
        });
        let (log, file) = made.inspect_err(|_| self.reading.discard(&values_name(id)))?;
        let state = ValueFileState {
            physical: id,
            len: HEADER_BYTES as u64,
            value_bytes: 0,
            is_sealed: false,
        };
        let mut files = locked(&self.files);
        let installed = self.install(&mut files, vec![Part::Values(id, state)], |_, version| {
            version.values.insert(id, Arc::clone(&file));
            version.value_states.insert(id, state);
        });
        if installed.is_err() && self.poisoned().is_none() {
            file.make_obsolete();
        }
        installed?;
        core.values = Some(ValueWriter {
            log,
            capacity,
            value_bytes: 0,
        });
        Ok(())
    }

    pub fn make_values_file(&self, id: FileId) -> Result<LogWriter> {
        let failed = |error| Error::io("beginning a value-log file", error);
        let (sealer, envelope) = self.reading.new_file_key(FileKind::Values, id)?;
        let file = self.new_file(&values_name(id))?;
        let header = header(FileKind::Values, id, &envelope);
        write_all_at(&*file, &header, 0).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        self.reading
            .disk
            .sync_directory(&self.reading.directory)
            .map_err(failed)?;
        let place = (HEADER_BYTES as u64, HEADER_BYTES as u64);
        Ok(LogWriter::new(file, id, place, sealer, 0))
    }

    /// Ends the value log's newest file: it can be collected from now on.
    pub fn seal_values(&self, core: &mut Core) -> Result<()> {
        let Some(values) = &mut core.values else {
            return Ok(());
        };
        let done = values.log.write_out().and_then(|()| values.log.sync());
        if let Err(error) = done {
            let error = Error::io("syncing a value-log file", error);
            return Err(self.poison(&error));
        }
        let id = values.log.id;
        let state = ValueFileState {
            physical: id,
            len: values.log.offset,
            value_bytes: values.value_bytes,
            is_sealed: true,
        };
        let mut files = locked(&self.files);
        self.install(&mut files, vec![Part::Values(id, state)], |_, version| {
            version.value_states.insert(id, state);
        })?;
        core.values = None;
        Ok(())
    }

    /// Seals the current memtable and begins another, with a log of its own.
    pub fn rotate(&self, core: &mut Core) -> Result<()> {
        self.refuse_poisoned()?;
        // From now on only the new log may have anything unsynced in it; and the table that the
        // sealed memtable becomes must not point at values that a crash may take.
        self.write_and_sync(core)?;
        // Within a limit of memory, whoever needs another memtable writes an older one out first.
        let waits = self.options.sealed_memtables_max.max(1);
        while self.options.memory_bytes_max.is_some()
            && self.state.load().sealed.len() >= waits
            && self.flush_one()?
        {}
        // Logs are replayed by their numbers, so one made ready before this one is of no use.
        self.wants_log.store(false, Ordering::Release);
        let mut ready = locked(&self.ready_log);
        drop(ready.take_if(|log| log.id < core.wal_id));
        let wal = ready
            .as_ref()
            .map_or_else(|| self.new_file_id(), |log| log.id);
        drop(ready);
        // Where no file is open, the next one will have a number that is still to be given.
        let values = match &core.values {
            Some(values) => (values.log.id, values.log.end()),
            None => (self.next_file(), HEADER_BYTES as u64),
        };
        let begun = LogPlace {
            wal,
            values: Some(values),
        };
        let capacity = memtable_capacity(self.options.memtable_bytes);
        let mut fresh = Memtable::new(capacity, begun)?;
        fresh.values_before = core.values.as_ref().map_or(0, |values| values.value_bytes);
        let fresh = Arc::new(fresh);
        core.wal = None;
        core.wal_id = wal;
        self.state.rcu(|state| {
            let mut sealed = Vec::with_capacity(state.sealed.len() + 1);
            if !state.memtable.is_empty() {
                sealed.push(Arc::clone(&state.memtable));
            }
            sealed.extend(state.sealed.iter().cloned());
            State {
                memtable: Arc::clone(&fresh),
                sealed,
                version: Arc::clone(&state.version),
                lease: Arc::clone(&state.lease),
                drops: state.drops,
            }
        });
        self.work.wake();
        Ok(())
    }
}
