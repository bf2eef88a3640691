//! Versions: which tables and value-log files make up the store.
//!
//! Invariants:
//! * a version does not change; a new one replaces it, and what it alone held goes with it;
//! * level 0 is ordered newest first; every other level by key, without overlap;
//! * for one key, a higher level never holds an older record than a lower one, but for records up
//!   to the version that [`late`](Version::late) tells.

use std::collections::BTreeMap;
use std::sync::Arc;

use kv_api::{Place, Result};

use crate::banned::Banned;
use crate::id::{FileId, Sequence};
use crate::late::Late;
use crate::level::LEVELS;
use crate::pointer::Pointer;
use crate::read_counters::{Counted, ReadCounters};
use crate::slice::Slice;
use crate::table::meta::TableMeta;
use crate::table::reader::Table;
use crate::values::ValueFile;

/// What the manifest says about a file of the value log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueFileState {
    /// The file that holds its values now.
    pub physical: FileId,
    /// Bytes of the file, as far as they are known to be whole.
    pub len: u64,
    /// Bytes of the values in it.
    pub value_bytes: u64,
    /// Whether nothing will be appended any more.
    pub is_sealed: bool,
}

/// One state of the store's files.
#[derive(Clone, Debug, Default)]
pub(crate) struct Version {
    pub levels: Vec<Vec<Arc<Table>>>,
    /// By the number that pointers name.
    pub values: BTreeMap<FileId, Arc<ValueFile>>,
    pub value_states: BTreeMap<FileId, ValueFileState>,
    /// Every commit up to this one is in tables.
    pub flushed: Sequence,
    pub counts: Arc<ReadCounters>,
    /// The store as of any version before this one may be lost in part.
    pub discarded: Sequence,
    /// What is known of records that came below newer ones.
    pub late: Late,
    /// Keys were dropped, or additions folded, without deletions being written up to this version.
    pub dropped: Sequence,
    pub banned: Option<Arc<Banned>>,
}

impl Version {
    pub fn tables(&self) -> impl Iterator<Item = (usize, &Arc<Table>)> {
        let levels = self.levels.iter().enumerate();
        levels.flat_map(|(level, tables)| tables.iter().map(move |table| (level, table)))
    }

    pub fn level(&self, level: usize) -> &[Arc<Table>] {
        self.levels.get(level).map_or(&[], Vec::as_slice)
    }

    pub fn level_bytes(&self, level: usize) -> u64 {
        self.level(level).iter().map(|table| table.meta.bytes).sum()
    }

    /// Bytes of the value log that tables point at, by file.
    pub fn referenced(&self) -> BTreeMap<FileId, u64> {
        let mut bytes = BTreeMap::new();
        for (_, table) in self.tables() {
            for reference in &table.meta.references {
                *bytes.entry(reference.file).or_default() += reference.bytes;
            }
        }
        bytes
    }

    /// Whether the stored key is of a banned namespace.
    #[inline]
    pub fn hides(&self, stored: &[u8]) -> bool {
        let banned = self.banned.as_ref();
        banned.is_some_and(|banned| banned.hides(stored))
    }

    /// Adds a ban.
    pub fn ban(&mut self, offset: usize, namespace: u64) {
        let mut banned = self.banned.as_deref().cloned().unwrap_or_default();
        banned.offset = offset;
        banned.namespaces.insert(namespace);
        self.banned = Some(Arc::new(banned));
    }

    /// The tables of `level` that overlap `start..=end`.
    pub fn overlapping(&self, level: usize, start: &[u8], end: &[u8]) -> Vec<Arc<Table>> {
        let tables = self.level(level).iter();
        let overlapping = tables.filter(|table| table.meta.overlaps(start, end));
        overlapping.cloned().collect()
    }

    /// Whether a table below `level` may hold a record of `key`.
    pub fn is_below(&self, level: usize, key: &[u8]) -> bool {
        (level + 1..self.levels.len()).any(|level| {
            let tables = self.level(level);
            let at = tables.partition_point(|table| table.meta.biggest.as_slice() < key);
            tables.get(at).is_some_and(|table| table.meta.covers(key))
        })
    }

    /// What `code` points at, and the file it is in.
    fn pointed(&self, code: &[u8]) -> Result<(Pointer, &ValueFile)> {
        let lost = |what: String| kv_api::Error::corrupt(Place::Store, what);
        let pointer = Pointer::read(code)
            .ok_or_else(|| lost("a pointer into the value log is malformed".to_owned()))?;
        match self.values.get(&pointer.file) {
            Some(file) => Ok((pointer, file)),
            None => Err(lost(format!(
                "a value points at {}.vlog, which is not part of the store",
                pointer.file
            ))),
        }
    }

    /// The value in the value log that `code` points at.
    pub fn value(&self, code: &[u8]) -> Result<Slice<'_>> {
        let (pointer, file) = self.pointed(code)?;
        self.counts.add(Counted::ValueReads, 1);
        self.counts.add(Counted::ValueBytes, pointer.len);
        file.get(&pointer)
    }

    /// Looks whether the value that `code` points at is there and is what was written.
    pub fn verify_value(&self, code: &[u8]) -> Result<()> {
        let (pointer, file) = self.pointed(code)?;
        file.verify(&pointer)
    }

    /// What tables and the files of the value log say of each other that cannot be.
    pub fn miscounted(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, living) in self.referenced() {
            match self.value_states.get(&id) {
                None => wrong.push(format!("{id}.vlog is pointed at but unknown")),
                Some(state) if state.is_sealed && state.value_bytes < living => {
                    wrong.push(format!("{id}.vlog has more living bytes than bytes"));
                }
                Some(_) => {}
            }
        }
        for (id, state) in &self.value_states {
            if state.value_bytes > state.len && state.is_sealed {
                wrong.push(format!("{id}.vlog has more bytes of values than bytes"));
            }
        }
        wrong
    }

    /// Puts `table` where it belongs in `level`.
    pub fn add(&mut self, level: usize, table: Arc<Table>) {
        if self.levels.len() < LEVELS {
            self.levels.resize_with(LEVELS, Vec::new);
        }
        let Some(tables) = self.levels.get_mut(level) else {
            return;
        };
        let at = if level == 0 {
            let newest = |meta: &TableMeta| (meta.max_sequence, meta.id);
            let new = newest(&table.meta);
            tables.partition_point(|other| newest(&other.meta) > new)
        } else {
            tables.partition_point(|other| other.meta.smallest < table.meta.smallest)
        };
        tables.insert(at, table);
    }

    /// Takes a table out of `level`.
    pub fn remove(&mut self, level: usize, id: FileId) -> Option<Arc<Table>> {
        let tables = self.levels.get_mut(level)?;
        let at = tables.iter().position(|table| table.meta.id == id)?;
        Some(tables.remove(at))
    }

    /// The first break of the order of levels, if there is one.
    pub fn disorder(&self) -> Option<String> {
        for (level, tables) in self.levels.iter().enumerate().skip(1) {
            for pair in tables.windows(2) {
                if let [a, b] = pair
                    && a.meta.biggest >= b.meta.smallest
                {
                    return Some(format!(
                        "level {level}: tables {} and {} overlap",
                        a.meta.id, b.meta.id
                    ));
                }
            }
        }
        None
    }
}
