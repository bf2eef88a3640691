//! What a reader sees: the memtables and a version of the files.
//!
//! Invariants:
//! * a state does not change, but for its newest memtable, which only gains records newer than
//!   any reader of this state may see;
//! * every commit up to the newest visible one is in the state that was current when it became
//!   visible, and in all later ones.

use std::sync::Arc;

use kv_api::Result;

use crate::banned::banned_key;
use crate::entry::{Entry, Extra, Kind};
use crate::id::Sequence;
use crate::lease::Lease;
use crate::memtable::Memtable;
use crate::read_counters::{Counted, ReadCounters};
use crate::slice::Slice;
use crate::table::filter::key_hash;
use crate::table::reader::Table;
use crate::version::Version;

/// One state of the store.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub memtable: Arc<Memtable>,
    /// Memtables on their way into tables, newest first.
    pub sealed: Vec<Arc<Memtable>>,
    pub version: Arc<Version>,
    /// Keeps other processes out for as long as anyone reads.
    pub lease: Arc<Lease>,
    /// How often keys were dropped without deletions, since the store was opened.
    pub drops: u64,
}

/// The newest record of a key.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub sequence: Sequence,
    pub kind: Kind,
    pub extra: Extra,
    /// The value, or where it is.
    pub value: Slice<'a>,
}

impl<'a> Found<'a> {
    fn of(entry: Entry<'a>) -> Found<'a> {
        Found {
            sequence: entry.sequence,
            kind: entry.kind,
            extra: entry.extra,
            value: Slice::lent(entry.value),
        }
    }
}

/// The newer of two records of one key.
fn newer_of<'a>(best: Option<Found<'a>>, found: Found<'a>) -> Option<Found<'a>> {
    match best {
        Some(best) if best.sequence >= found.sequence => Some(best),
        _ => Some(found),
    }
}

fn in_table<'a>(
    table: &'a Table,
    key: &[u8],
    hash: u64,
    at: Sequence,
    (counts, level): (&ReadCounters, usize),
) -> Result<Option<Found<'a>>> {
    if !table.meta.covers(key) {
        return Ok(None);
    }
    if !table.may_hold(hash)? {
        counts.add(Counted::Excused(level), 1);
        return Ok(None);
    }
    counts.add(Counted::Searched(level), 1);
    let number = table.find_block(key)?;
    let block = table.block(number)?;
    let record = block.get(key, hash, at, table.base());
    let Some(record) = record.ok_or_else(|| table.malformed(number))? else {
        return Ok(None);
    };
    Ok(Some(Found {
        sequence: record.sequence,
        kind: record.kind,
        extra: record.extra,
        value: block.lend(record.value),
    }))
}

impl State {
    /// Memtables, newest first.
    pub fn memtables(&self) -> impl Iterator<Item = &Memtable> {
        std::iter::once(&*self.memtable).chain(self.sealed.iter().map(|memtable| &**memtable))
    }

    /// The newest record of the stored key `key` that is not newer than `at`. The first place
    /// that has one ends the search: no older place holds a newer record. Only where versions
    /// came late, and the record is not newer than all of those, the search goes on.
    ///
    /// # Errors
    ///
    /// A key of a banned namespace is refused.
    pub fn find(&self, key: &[u8], at: Sequence) -> Result<Option<Found<'_>>> {
        if self.version.hides(key) {
            return Err(banned_key());
        }
        let mut best = None;
        for memtable in self.memtables() {
            if let Some(entry) = memtable.get(key, at) {
                if entry.sequence > self.version.late.version {
                    self.version.counts.add(Counted::InMemory, 1);
                    return Ok(Some(Found::of(entry)));
                }
                best = newer_of(best, Found::of(entry));
            }
        }
        self.find_in_tables(key, at, Sequence(0), best)
    }

    /// The same in tables only, and only in those that hold anything newer than `since`; `best`
    /// has been found elsewhere, and does not end the search.
    fn find_in_tables<'a>(
        &'a self,
        key: &[u8],
        at: Sequence,
        since: Sequence,
        mut best: Option<Found<'a>>,
    ) -> Result<Option<Found<'a>>> {
        let (hash, counts) = (key_hash(key), &*self.version.counts);
        let newer = |table: &Table| table.meta.max_sequence > since;
        for table in self.version.level(0).iter().filter(|table| newer(table)) {
            if let Some(found) = in_table(table, key, hash, at, (counts, 0))? {
                if found.sequence > self.version.late.version {
                    return Ok(Some(found));
                }
                best = newer_of(best, found);
            }
        }
        for (level, tables) in self.version.levels.iter().enumerate().skip(1) {
            let place = tables.partition_point(|table| table.meta.biggest.as_slice() < key);
            if let Some(table) = tables.get(place).filter(|table| newer(table))
                && let Some(found) = in_table(table, key, hash, at, (counts, level))?
            {
                if found.sequence > self.version.late.version {
                    return Ok(Some(found));
                }
                best = newer_of(best, found);
            }
        }
        Ok(best)
    }

    /// The value of the stored key `key` as of `at`, at the time `now`.
    pub fn get(&self, key: &[u8], at: Sequence, now: u64) -> Result<Option<Slice<'_>>> {
        let counts = &self.version.counts;
        counts.add(Counted::Gets, 1);
        let Some(found) = self.find(key, at)? else {
            return Ok(None);
        };
        if found.extra.is_expired(now) {
            return Ok(None);
        }
        if found.kind != Kind::Delete {
            counts.add(Counted::Found, 1);
        }
        match found.kind {
            Kind::Put => Ok(Some(found.value)),
            Kind::Delete => Ok(None),
            Kind::Pointer => self.version.value(&found.value).map(Some),
        }
    }

    /// Whether `key` has a record newer than `since`.
    pub fn is_newer_than(&self, key: &[u8], since: Sequence) -> Result<bool> {
        let (newest, late) = (Sequence(u64::MAX), self.version.late.version);
        for memtable in self.memtables() {
            if memtable.newest_sequence() <= since && !memtable.is_empty() && since >= late {
                // What is older than this memtable is older still.
                return Ok(false);
            }
            if let Some(entry) = memtable.get(key, newest)
                && (entry.sequence > since || entry.sequence > late)
            {
                return Ok(entry.sequence > since);
            }
        }
        let found = self.find_in_tables(key, newest, since, None)?;
        Ok(found.is_some_and(|found| found.sequence > since))
    }

    /// Whether any key in `start..end` has a record newer than `since`.
    pub fn is_any_newer_than(&self, start: &[u8], end: &[u8], since: Sequence) -> Result<bool> {
        for memtable in self.memtables() {
            if memtable.newest_sequence() <= since {
                continue;
            }
            let mut node = memtable.list().seek(start, Sequence(u64::MAX));
            while let Some(entry) = node
                .map(|node| node.entry())
                .filter(|entry| entry.key < end)
            {
                if entry.sequence > since {
                    return Ok(true);
                }
                node = node.and_then(|node| node.next());
            }
        }
        for (_, table) in self.version.tables() {
            let is_newer = table.meta.max_sequence > since;
            if is_newer && table.meta.overlaps(start, end) && holds_newer(table, start, end, since)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn holds_newer(table: &Arc<Table>, start: &[u8], end: &[u8], since: Sequence) -> Result<bool> {
    let run = std::slice::from_ref(table);
    let mut cursor = crate::table::cursor::RunCursor::new(run);
    cursor.seek(start, Sequence(u64::MAX))?;
    while let Some(entry) = cursor.entry().filter(|entry| entry.key < end) {
        if entry.sequence > since {
            return Ok(true);
        }
        cursor.next()?;
    }
    Ok(false)
}
