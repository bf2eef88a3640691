//! The memtable: what was committed and is in no table yet.

use std::sync::atomic::{AtomicU64, Ordering};

use kv_api::{Error, Result};

use crate::entry::Entry;
use crate::id::{FileId, Sequence};
use crate::skiplist::{EMPTY_BYTES, Skiplist};

/// Where the logs stood when a memtable was begun: what it holds is replayed from there on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPlace {
    /// The write-ahead log it was begun with. All before it are needless once what came before
    /// this memtable is in tables.
    pub wal: FileId,
    /// The value-log file and the place in it, if there was one.
    pub values: Option<(FileId, u64)>,
}

/// Numbers that a memtable keeps about itself. Its one writer changes them, after the records.
#[derive(Debug, Default)]
struct Counts {
    first: AtomicU64,
    newest: AtomicU64,
    entries: AtomicU64,
    /// Bytes in the value log that its records point at.
    separated_bytes: AtomicU64,
}

/// Adds to a number that nobody else changes.
fn add(number: &AtomicU64, by: u64) {
    let before = number.load(Ordering::Relaxed);
    number.store(before + by, Ordering::Release);
}

/// A memtable: its skiplist, the log that goes with it, and the newest version in it.
pub(crate) struct Memtable {
    list: Skiplist,
    /// Where what it holds begins in the logs.
    pub begun: LogPlace,
    /// Bytes of the values before that place in the value-log file it is in.
    pub values_before: u64,
    counts: Counts,
}

impl Memtable {
    pub fn new(capacity: usize, begun: LogPlace) -> Result<Memtable> {
        let list = Skiplist::new(capacity).ok_or(Error::NoSpace {
            what: "memory for a memtable".to_owned(),
        })?;
        Ok(Memtable {
            list,
            begun,
            values_before: 0,
            counts: Counts::default(),
        })
    }

    pub fn list(&self) -> &Skiplist {
        &self.list
    }

    /// Bytes of its records.
    pub fn used_bytes(&self) -> usize {
        self.list.used_bytes() - EMPTY_BYTES
    }

    /// Bytes that further records may take.
    pub fn room_bytes(&self) -> usize {
        self.list.capacity_bytes() - self.list.used_bytes()
    }

    /// Adds the records of one commit, which ascend by key and all have `sequence`; for the one
    /// who holds the logs.
    pub fn insert<'e>(
        &self,
        sequence: Sequence,
        records: impl IntoIterator<Item = Entry<'e>>,
    ) -> Result<()> {
        let (mut entries, mut separated_bytes) = (0, 0);
        let counted = records.into_iter().inspect(|entry| {
            entries += 1;
            if entry.kind == crate::entry::Kind::Pointer
                && let Some(pointer) = crate::pointer::Pointer::read(entry.value)
            {
                separated_bytes += pointer.len;
            }
        });
        if !self.list.insert_all(counted) {
            return Err(Error::NoSpace {
                what: "room in the memtable".to_owned(),
            });
        }
        let counts = &self.counts;
        if self.is_empty() {
            counts.first.store(sequence.0, Ordering::Release);
        }
        let newest = self.newest_sequence().max(sequence);
        counts.newest.store(newest.0, Ordering::Release);
        add(&counts.separated_bytes, separated_bytes);
        add(&counts.entries, entries);
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    pub fn entries(&self) -> u64 {
        self.counts.entries.load(Ordering::Acquire)
    }

    /// The oldest version in it.
    pub fn first_sequence(&self) -> Sequence {
        Sequence(self.counts.first.load(Ordering::Acquire))
    }

    /// The newest version in it.
    pub fn newest_sequence(&self) -> Sequence {
        Sequence(self.counts.newest.load(Ordering::Acquire))
    }

    pub fn separated_bytes(&self) -> u64 {
        self.counts.separated_bytes.load(Ordering::Acquire)
    }

    /// The newest record of `key` not newer than `at`.
    #[inline]
    pub fn get(&self, key: &[u8], at: Sequence) -> Option<Entry<'_>> {
        let entry = self.list.seek(key, at)?.entry();
        (entry.key == key).then_some(entry)
    }
}

impl std::fmt::Debug for Memtable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memtable")
            .field("begun", &self.begun)
            .field("counts", &self.counts)
            .finish()
    }
}
