//! Bringing accepted commits to their places: the frames in the logs, then the memtable.

use kv_api::{Error, Result};

use crate::commit_queue::Commit;
use crate::counters::Counters;
use crate::entry::{Entry, Kind};
use crate::id::Sequence;
use crate::log::commit::{Change, begin, put};
use crate::open_logs::Core;
use crate::pointer::{POINTER_BYTES_MAX, Pointer, value_checksum};
use crate::shared::Shared;

/// A commit on its way: where its large values went.
pub(crate) struct Placed<'a> {
    commit: &'a Commit,
    sequence: Sequence,
    /// By place among the commit's changes.
    pointers: Vec<(usize, Pointer)>,
}

impl Shared {
    /// Appends commits to the buffers of their logs.
    pub fn append_all<'c>(
        &self,
        core: &mut Core,
        commits: &[&'c Commit],
    ) -> Result<Vec<Placed<'c>>> {
        let threshold = self.options.value_threshold_bytes;
        let mut placed = Vec::with_capacity(commits.len());
        for commit in commits {
            let sequence = core.last.next();
            let mut pointers = Vec::new();
            if commit.writes.value_bytes_max() >= threshold {
                self.append_values(core, commit, sequence, &mut pointers)?;
            } else {
                self.append_wal(core, commit, sequence)?;
            }
            core.last = sequence;
            placed.push(Placed {
                commit,
                sequence,
                pointers,
            });
        }
        Ok(placed)
    }

    fn append_wal(&self, core: &mut Core, commit: &Commit, sequence: Sequence) -> Result<()> {
        if core.wal.is_none() {
            match self.new_wal(core.wal_id) {
                Ok(wal) => core.wal = Some(wal),
                Err(error) => {
                    // What was begun may have the name, so the next try takes another.
                    core.wal_id = self.new_file_id();
                    return Err(error);
                }
            }
        }
        let durable = core.durable;
        if let Some(wal) = &mut core.wal {
            let before = wal.buffered_bytes();
            wal.append(sequence, durable, |to, _| {
                begin(to, commit.writes.len());
                for change in commit.writes.sorted().iter() {
                    put(to, &change, false);
                }
            });
            let grown = wal.buffered_bytes() - before;
            Counters::add(&self.counters.log_bytes, grown as u64);
        }
        Ok(())
    }

    fn append_values(
        &self,
        core: &mut Core,
        commit: &Commit,
        sequence: Sequence,
        pointers: &mut Vec<(usize, Pointer)>,
    ) -> Result<()> {
        let threshold = self.options.value_threshold_bytes;
        let durable = core.durable;
        let Some(values) = &mut core.values else {
            return Err(Error::NoSpace {
                what: "there is no value-log file".to_owned(),
            });
        };
        let (id, before) = (values.log.id, values.log.buffered_bytes());
        let mut value_bytes = 0;
        values.log.append(sequence, durable, |to, file_offset| {
            begin(to, commit.writes.len());
            for (at, change) in commit.writes.sorted().iter().enumerate() {
                let value = change.value.unwrap_or_default();
                let stays = value.len() >= threshold;
                let start = put(to, &change, stays);
                if stays {
                    value_bytes += value.len() as u64;
                    let pointer = Pointer {
                        file: id,
                        offset: file_offset + start as u64,
                        len: value.len() as u64,
                        checksum: value_checksum(value),
                    };
                    pointers.push((at, pointer));
                }
            }
        });
        values.value_bytes += value_bytes;
        let grown = values.log.buffered_bytes() - before;
        Counters::add(&self.counters.value_bytes, grown as u64);
        Ok(())
    }

    /// Brings written commits into the memtable and makes them visible.
    pub fn apply(&self, core: &Core, placed: &[Placed<'_>]) -> Result<()> {
        let state = self.state.load();
        for one in placed {
            let sorted = one.commit.writes.sorted();
            let codes: Vec<Vec<u8>> = one
                .pointers
                .iter()
                .map(|(_, pointer)| {
                    let mut code = Vec::with_capacity(POINTER_BYTES_MAX);
                    pointer.put(&mut code);
                    code
                })
                .collect();
            let mut pointed = one
                .pointers
                .iter()
                .map(|(at, _)| *at)
                .zip(&codes)
                .peekable();
            let entries = sorted.iter().enumerate().map(|(at, change)| {
                let code = pointed.next_if(|(of, _)| *of == at).map(|(_, code)| code);
                entry_of(change, one.sequence, code)
            });
            if let Err(error) = state.memtable.insert(one.sequence, entries) {
                // It is in the log, so it cannot be refused any more.
                return Err(self.in_doubt(core, error));
            }
        }
        self.publish(core.last);
        Ok(())
    }
}

fn entry_of<'e>(change: Change<'e>, sequence: Sequence, code: Option<&'e Vec<u8>>) -> Entry<'e> {
    let (kind, value) = match (code, change.value) {
        (Some(code), _) => (Kind::Pointer, code.as_slice()),
        (None, Some(value)) => (Kind::Put, value),
        (None, None) => (Kind::Delete, &[][..]),
    };
    Entry {
        key: change.key,
        sequence,
        kind,
        extra: change.extra,
        value,
    }
}
