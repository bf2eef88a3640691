//! Bringing back commits that are in the logs and in no table.
//!
//! Both kinds of log are read as one row of commits, by their numbers. The row ends at the first
//! number that is missing. If a whole record from behind that place says that a later commit was
//! durable when it was written, then what is missing was promised: that is damage, and nothing is
//! cut off.

use std::sync::Arc;

use disk::{OpenOptions, read_exact_at, write_all_at};
use kv_api::{Error, Result};

use crate::aside;
use crate::chain::{Chain, LogEnd, LogFile, Next};
use crate::crypt::cipher::Opener;
use crate::error::{damage, locked};
use crate::id::{FileId, Sequence};
use crate::log::commit::replay;
use crate::logs::{memtable_capacity, wal_name};
use crate::manifest::edit::Part;
use crate::memtable::{LogPlace, Memtable};
use crate::shared::Shared;
use crate::skiplist::{RECORDS_EXTRA_BYTES, record_bytes_max};
use crate::table::reader::Reading;
use crate::values::{HEADER_BYTES, values_name};
use crate::version::ValueFileState;
use crate::wire::to_usize;

/// What opening a store brought back and cut off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Commits brought back from the logs.
    pub commits: u64,
    /// Bytes of torn records behind them, in logs and manifest.
    pub torn_bytes: u64,
    /// Commits written whole, but behind one that was not: none of them was durable.
    pub cut_commits: u64,
    /// Files of the directory in which the beginnings of what was cut off are kept aside.
    pub kept_aside: Vec<String>,
}

/// The write-ahead logs from `from` on.
fn wal_files(reading: &Reading, ids: &[FileId]) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for id in ids {
        let name = wal_name(*id);
        let file = reading
            .disk
            .open(&reading.directory.join(&name), &OpenOptions::READ)
            .map_err(|error| Error::io("opening a log", error))?;
        let log = LogFile {
            file,
            id: *id,
            name,
            from: HEADER_BYTES as u64,
        };
        files.push(log);
    }
    Ok(files)
}

impl Shared {
    /// The value-log files that may hold commits that are in no table.
    fn values_to_replay(&self, logs: LogPlace) -> Result<Vec<LogFile>> {
        let version = Arc::clone(&self.state.load().version);
        let (first, offset) = logs.values.unwrap_or_default();
        let mut files = Vec::new();
        for (id, state) in &version.value_states {
            if *id < first || *id != state.physical {
                continue;
            }
            let name = values_name(*id);
            let path = self.reading.directory.join(&name);
            let file = self
                .reading
                .disk
                .open(&path, &OpenOptions::READ)
                .map_err(|error| Error::io("opening a value-log file", error))?;
            let from = if *id == first {
                offset
            } else {
                HEADER_BYTES as u64
            };
            files.push(LogFile {
                file,
                id: *id,
                name,
                from,
            });
        }
        Ok(files)
    }

    /// Replays the logs into tables. Nothing is written if there is nothing to be replayed, nor by
    /// whoever only reads.
    pub fn recover(&self, wals: &[FileId], torn_manifest_bytes: u64) -> Result<Recovery> {
        let logs = locked(&self.files).logs;
        let values = self.values_to_replay(logs)?;
        let starts: Vec<(FileId, u64)> = values.iter().map(|file| (file.id, file.from)).collect();
        let mut values = Chain::new(values, self.reading.keys.clone())?;
        let mut wal = Chain::new(wal_files(&self.reading, wals)?, self.reading.keys.clone())?;
        // Values that no commit points at are counted all the same, as dead.
        let counts_values = values.ends.iter().any(|log| log.value_bytes > 0);
        let has_values = values.next.is_some() || counts_values;
        let is_read_only = self.options.is_read_only;
        if has_values && !is_read_only {
            self.write_again(&starts)?;
        }
        let mut recovery = Recovery::default();
        self.replay_into_tables(&mut wal, &mut values, &mut recovery)?;
        let last = self.visible();
        recovery.cut_commits = wal.exhaust()? + values.exhaust()?;
        let durable = wal.durable.max(values.durable);
        if durable > last {
            let name = if wal.name.is_empty() {
                &values.name
            } else {
                &wal.name
            };
            let what = format!(
                "commits up to {durable} were durable, but the logs break off behind {last}"
            );
            return Err(damage(name, 0, what));
        }
        let cuts = wal.cuts.iter().chain(&values.cuts);
        for (name, (from, to)) in cuts.filter(|_| !is_read_only) {
            let kept = aside::keep(&self.reading, name, *from, *to);
            recovery.kept_aside.extend(kept);
        }
        recovery.torn_bytes = wal.torn_bytes + values.torn_bytes + torn_manifest_bytes;
        let newest = wal.newest.max(values.newest);
        // A file that goes on behind what the manifest knows of it must not be appended to there.
        let version = Arc::clone(&self.state.load().version);
        // Nor must an encrypted file, of which an earlier opening may have lost units whose
        // numbers would be given again.
        let is_encrypted = self.reading.keys.is_some();
        let goes_on = values.ends.iter().any(|log| {
            let state = version.value_states.get(&log.file);
            state.is_some_and(|state| !state.is_sealed && (is_encrypted || state.len != log.end))
        });
        let is_touched = recovery != Recovery::default() || newest > last || has_values || goes_on;
        if !is_read_only {
            self.settle_logs(wals, is_touched, &values.ends)?;
        }
        if recovery != Recovery::default() {
            tracing::info!(?recovery, "recovered");
        }
        Ok(recovery)
    }

    /// Reads value-log files from these places on and writes the same bytes again: what is seen
    /// may be in the cache only, and from now on tables rely on it.
    fn write_again(&self, starts: &[(FileId, u64)]) -> Result<()> {
        const PART_BYTES: u64 = 4 << 20;
        let failed = |error| Error::io("securing the value log", error);
        for (id, start) in starts {
            let path = self.reading.directory.join(values_name(*id));
            let file = self.reading.disk.open(&path, &OpenOptions::READ_WRITE);
            let file = file.map_err(failed)?;
            let len = file.len().map_err(failed)?;
            let mut offset = *start;
            while offset < len {
                let part = (len - offset).min(PART_BYTES);
                let mut bytes = vec![0; to_usize(part)];
                read_exact_at(&*file, &mut bytes, offset).map_err(failed)?;
                write_all_at(&*file, &bytes, offset).map_err(failed)?;
                offset += part;
            }
            file.sync_all().map_err(failed)?;
        }
        Ok(())
    }

    fn replay_into_tables(
        &self,
        wal: &mut Chain,
        values: &mut Chain,
        recovery: &mut Recovery,
    ) -> Result<()> {
        let capacity = memtable_capacity(self.options.memtable_bytes);
        let logs = locked(&self.files).logs;
        let mut memtable = Memtable::new(capacity, logs)?;
        let mut last = self.visible();
        loop {
            // What is in tables already is passed by.
            while wal.sequence().is_some_and(|sequence| sequence <= last) {
                wal.advance()?;
            }
            while values.sequence().is_some_and(|sequence| sequence <= last) {
                values.advance()?;
            }
            let chain = if wal.follows(last) {
                &mut *wal
            } else if values.follows(last) {
                &mut *values
            } else {
                break;
            };
            let Some(record) = chain.next.take() else {
                break;
            };
            let records = record.record.len() / 2 * record_bytes_max(0, 0);
            let needed = record.record.len() + records + RECORDS_EXTRA_BYTES;
            if memtable.room_bytes() < needed && !memtable.is_empty() {
                let full = std::mem::replace(&mut memtable, Memtable::new(capacity, logs)?);
                self.install_replayed(full, last)?;
            }
            if memtable.room_bytes() < needed {
                memtable = Memtable::new(capacity + needed, logs)?;
            }
            let opener = chain.opener.opener();
            self.replay_record(&memtable, &record, opener.as_deref(), &chain.name)?;
            last = record.sequence;
            recovery.commits += 1;
            chain.advance()?;
        }
        if !memtable.is_empty() {
            self.install_replayed(memtable, last)?;
        }
        Ok(())
    }

    fn replay_record(
        &self,
        memtable: &Memtable,
        next: &Next,
        opener: Option<&Opener>,
        name: &str,
    ) -> Result<()> {
        let mut refused = None;
        let (record, sequence) = (&next.record, next.sequence);
        let replayed = replay(record, opener, next.file, sequence, |entry| {
            if let Err(error) = memtable.insert(sequence, [*entry]) {
                refused = Some(error);
            }
        });
        match (replayed, refused) {
            (_, Some(error)) => Err(error),
            (None, _) => Err(damage(name, next.offset, "a commit is malformed")),
            (Some(_), None) => Ok(()),
        }
    }

    /// Writes a replayed memtable to tables. The logs stay until all of them are.
    /// Whoever only reads keeps it in memory.
    fn install_replayed(&self, memtable: Memtable, last: Sequence) -> Result<()> {
        // Retention asks what may be seen, and this is about to be.
        self.publish(last);
        if self.options.is_read_only {
            let memtable = Arc::new(memtable);
            self.state.rcu(|state| {
                let mut state = crate::state::State::clone(state);
                state.sealed.insert(0, Arc::clone(&memtable));
                state
            });
            return Ok(());
        }
        let tables = self.write_memtable(&memtable)?;
        let mut edit = vec![Part::Flushed(last)];
        edit.extend(
            tables
                .iter()
                .map(|table| Part::AddTable(0, table.meta.clone())),
        );
        let mut files = locked(&self.files);
        files.must_rewrite = true;
        self.install(&mut files, edit, |_, version| {
            version.flushed = version.flushed.max(last);
            for table in &tables {
                version.add(0, Arc::clone(table));
            }
        })
    }

    /// Ends the logs that were read, and has the manifest say so.
    fn settle_logs(&self, wals: &[FileId], is_touched: bool, ends: &[LogEnd]) -> Result<()> {
        let mut files = locked(&self.files);
        if is_touched || !wals.is_empty() || files.must_rewrite {
            let version = Arc::clone(&self.state.load().version);
            let mut sealed: Vec<(FileId, ValueFileState)> = Vec::new();
            let referenced = version.referenced();
            for log in ends {
                if let Some(state) = version.value_states.get(&log.file)
                    && !state.is_sealed
                {
                    // What the manifest knows of is up to where the file was read from.
                    let value_bytes = state.value_bytes + log.value_bytes;
                    let living = referenced.get(&log.file).copied().unwrap_or(0);
                    let state = ValueFileState {
                        len: log.end,
                        value_bytes: value_bytes.max(living),
                        is_sealed: true,
                        ..*state
                    };
                    sealed.push((log.file, state));
                }
            }
            // All that was read is sealed now.
            files.logs = LogPlace {
                wal: self.next_file(),
                values: Some((self.next_file(), HEADER_BYTES as u64)),
            };
            files.must_rewrite = true;
            self.install(&mut files, Vec::new(), |_, version| {
                version.value_states.extend(sealed.iter().copied());
            })?;
        }
        for id in wals {
            let path = self.reading.directory.join(wal_name(*id));
            let removed = self.reading.disk.remove(&path);
            removed.map_err(|error| Error::io("removing a replayed log", error))?;
        }
        Ok(())
    }
}
