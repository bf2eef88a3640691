//! The files that commits are appended to, as whoever holds the logs sees them.
//!
//! Invariants:
//! * `durable` is at most `last`, and everything up to it is synced in its file;
//! * what was appended since a checkpoint can be taken back as long as nobody was told of it.

use std::time::Instant;

use crate::id::{FileId, Sequence};
use crate::key::StoredRange;
use crate::log::wal::{LogWriter, Mark};

/// The logs, as whoever commits sees them.
#[derive(Debug, Default)]
pub(crate) struct Core {
    /// The newest commit.
    pub last: Sequence,
    /// The newest commit that is durable with all before it.
    pub durable: Sequence,
    /// The number that the current memtable's write-ahead log has or will have.
    pub wal_id: FileId,
    pub wal: Option<LogWriter>,
    pub values: Option<ValueWriter>,
    /// What was dropped while transactions that are still open may have read it.
    pub drops: Vec<DroppedRanges>,
    /// How long syncs took that nobody has counted yet, in nanoseconds.
    pub sync_ns: u64,
}

/// Keys that were dropped without deletions being written.
#[derive(Debug)]
pub(crate) struct DroppedRanges {
    /// The how-manieth drop it was since the store was opened.
    pub nth: u64,
    /// The newest commit when it was done.
    pub at: Sequence,
    pub ranges: Vec<StoredRange>,
}

/// The value log's newest file.
#[derive(Debug)]
pub(crate) struct ValueWriter {
    pub log: LogWriter,
    /// Where values must not reach.
    pub capacity: u64,
    /// Bytes of the values in it.
    pub value_bytes: u64,
}

/// A point that a refused group goes back to.
pub(crate) struct Checkpoint {
    /// The newest commit then.
    pub last: Sequence,
    wal: Option<Mark>,
    values: Option<(FileId, Mark, u64)>,
}

/// Changes that are compared with transactions under way one by one; those that began before more
/// of them meet a conflict if they read anything.
const COMPARED_MAX: usize = 1_024;

impl Core {
    /// Has transactions under way that have read anything in `ranges` meet a conflict, if their
    /// state is from before the `nth` drop. Nobody open has read an older version than `settled`.
    pub fn note_unseen(&mut self, nth: u64, ranges: Vec<StoredRange>, settled: Sequence) {
        self.drops.retain(|drop| drop.at >= settled);
        if self.drops.len() >= COMPARED_MAX {
            // The newest of those given up stands for all of them.
            self.drops.drain(..COMPARED_MAX / 2);
            if let Some(oldest) = self.drops.first_mut() {
                oldest.ranges = vec![StoredRange::everything()];
            }
        }
        self.drops.push(DroppedRanges {
            nth,
            at: self.last,
            ranges,
        });
    }

    /// Where the logs stand now.
    pub fn checkpoint(&self) -> Checkpoint {
        let values = self.values.as_ref();
        Checkpoint {
            last: self.last,
            wal: self.wal.as_ref().map(LogWriter::mark),
            values: values.map(|values| (values.log.id, values.log.mark(), values.value_bytes)),
        }
    }

    /// Makes void what was appended since `checkpoint`.
    pub fn take_back(&mut self, checkpoint: &Checkpoint) -> std::io::Result<()> {
        self.last = checkpoint.last;
        if let Some(wal) = &mut self.wal {
            // A log begun since then goes back to its beginning.
            wal.take_back(checkpoint.wal.unwrap_or(Mark::BEGINNING))?;
        }
        if let (Some(values), Some((id, mark, bytes))) = (&mut self.values, checkpoint.values)
            && values.log.id == id
        {
            values.log.take_back(mark)?;
            values.value_bytes = bytes;
        }
        Ok(())
    }

    /// Whether the value log's newest file takes so many bytes more.
    pub fn has_room_for_values(&self, bytes: u64) -> bool {
        let fits = |values: &ValueWriter| values.log.end().saturating_add(bytes) <= values.capacity;
        bytes == 0 || self.values.as_ref().is_some_and(fits)
    }

    /// Hands everything to the system.
    pub fn write_out(&mut self) -> std::io::Result<()> {
        if let Some(wal) = &mut self.wal {
            wal.write_out()?;
        }
        if let Some(values) = &mut self.values {
            values.log.write_out()?;
        }
        Ok(())
    }

    /// Makes what was written durable; answers how many files had to be synced.
    pub fn sync(&mut self) -> std::io::Result<u64> {
        let (mut syncs, began) = (0, Instant::now());
        if let Some(wal) = &mut self.wal {
            syncs += u64::from(wal.is_unsynced);
            wal.sync()?;
        }
        if let Some(values) = &mut self.values {
            syncs += u64::from(values.log.is_unsynced);
            values.log.sync()?;
        }
        if syncs > 0 {
            let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.sync_ns = self.sync_ns.saturating_add(took);
        }
        self.durable = self.last;
        Ok(syncs)
    }
}
