//! How much of the store a range of keys takes, without reading it.

use kv_api::{KeyRange, Result, Space};

use crate::db::Db;
use crate::key::StoredRange;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::table::reader::Table;

/// Bytes of a table, and of the value log as far as it points there, for keys in `range`: whole if
/// the range has all of it, otherwise the share of blocks.
fn in_table(table: &Table, range: &StoredRange) -> Result<u64> {
    let meta = &table.meta;
    let (start, end) = (range.start.as_slice(), range.end.as_slice());
    if meta.biggest.as_slice() < start || meta.smallest.as_slice() >= end {
        return Ok(0);
    }
    let whole = meta.bytes + meta.referenced_bytes();
    if start <= meta.smallest.as_slice() && meta.biggest.as_slice() < end {
        return Ok(whole);
    }
    let (first, last) = (table.find_block(start)?, table.find_block(end)?);
    let blocks = table.blocks()?.max(1) as u64;
    let held = (last.saturating_sub(first) as u64 + 1).min(blocks);
    let share = u128::from(whole) * u128::from(held) / u128::from(blocks);
    Ok(u64::try_from(share).unwrap_or(whole))
}

/// Bytes of records in memory, and of the value log as far as they point there.
fn in_memory(state: &State, range: &StoredRange) -> u64 {
    let mut bytes = 0;
    for memtable in state.memtables() {
        let newest = crate::id::Sequence(u64::MAX);
        let mut node = memtable.list().seek(&range.start, newest);
        while let Some(current) = node.filter(|node| node.entry().key < range.end.as_slice()) {
            let entry = current.entry();
            let pointer = match entry.kind {
                crate::entry::Kind::Pointer => crate::pointer::Pointer::read(entry.value),
                _ => None,
            };
            let value = pointer.map_or(entry.value.len() as u64, |pointer| pointer.len);
            bytes += entry.key.len() as u64 + value;
            node = current.next();
        }
    }
    bytes
}

fn estimate(state: &State, range: &StoredRange) -> Result<u64> {
    let mut bytes = in_memory(state, range);
    for (_, table) in state.version.tables() {
        bytes += in_table(table, range)?;
    }
    Ok(bytes)
}

impl Snapshot {
    /// About how many bytes hold the records of `space` whose keys are in `keys`: of tables as
    /// stored, counted by blocks, of memtables, and of the value log as far as they point there.
    /// Old versions count too. Takes time by the tables that the range ends in and by its records
    /// in memory, not by its size.
    pub fn estimate_bytes(&self, space: Space, keys: impl Into<KeyRange>) -> Result<u64> {
        let range = StoredRange::of(self.number(space)?, &keys.into());
        estimate(self.state(), &range)
    }
}

impl Db {
    /// The same for keys of the default space in the newest version; 0 where an index cannot be
    /// read.
    pub fn estimate_bytes(&self, keys: impl Into<KeyRange>) -> u64 {
        let range = StoredRange::of(crate::key::DEFAULT_SPACE, &keys.into());
        estimate(&self.shared.state.load(), &range).unwrap_or(0)
    }
}
