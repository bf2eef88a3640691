//! Operands that a compaction folds into one, beneath what anyone may still read apart.
//!
//! Invariants:
//! * only operands are folded that follow one another: no operand of their key that lies elsewhere
//!   has a version between theirs;
//! * the sum is an operand itself, with key and version of the newest that is in it: whoever may
//!   see it may see all of them;
//! * a compaction that has folded is installed only while nothing newer is there for any operand
//!   that is in a sum, and every transaction that has read one of them meets a conflict: none
//!   counts twice.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kv_api::Result;

use crate::entry::{Entry, Extra, Kind};
use crate::id::{FileId, Sequence};
use crate::key::{StoredRange, is_reserved};
use crate::levels::Job;
use crate::operands::user_key;
use crate::operators::{Merge, Operators};
use crate::output::Output;
use crate::version::Version;

/// Bytes of operands that are held at a time, and of a sum.
const BYTES_MAX: usize = 1 << 20;

/// Operands that one compaction folds.
const FOLDED_MAX: usize = 10_000;

/// A record that waits for the others of its key.
struct Held {
    key: Vec<u8>,
    sequence: Sequence,
    kind: Kind,
    extra: Extra,
    value: Vec<u8>,
}

impl Held {
    fn entry(&self) -> Entry<'_> {
        Entry {
            key: &self.key,
            sequence: self.sequence,
            kind: self.kind,
            extra: self.extra,
            value: &self.value,
        }
    }
}

/// What was folded.
#[derive(Default)]
pub(crate) struct Folded {
    /// Operands that are in a sum now, with their versions.
    pub operands: Vec<(Vec<u8>, Sequence)>,
    /// Where the operands of their keys are.
    pub ranges: Vec<StoredRange>,
}

/// Folding on its way through a compaction.
pub(crate) struct Folding<'a> {
    operators: &'a Operators,
    version: &'a Version,
    /// Tables that the compaction reads.
    inputs: Vec<FileId>,
    /// What is newer may have to be read without what is older.
    horizon: Sequence,
    /// What all keys held begin with.
    prefix: Vec<u8>,
    merge: Option<Arc<Merge>>,
    held: Vec<Held>,
    bytes: usize,
    pub folded: Folded,
}

impl<'a> Folding<'a> {
    pub fn new(
        operators: &'a Operators,
        version: &'a Version,
        job: &Job,
        horizon: Sequence,
    ) -> Folding<'a> {
        Folding {
            operators,
            version,
            inputs: job.tables().map(|table| table.meta.id).collect(),
            horizon,
            prefix: Vec::new(),
            merge: None,
            held: Vec::new(),
            bytes: 0,
            folded: Folded::default(),
        }
    }

    /// Adds a record that is to stay to `output`, or keeps it until the operands of its key are
    /// together. Records come by key.
    pub fn add(&mut self, output: &mut Output<'_>, entry: &Entry<'_>) -> Result<()> {
        // Nearly everything is no operand.
        if !is_reserved(entry.key) || self.operators.is_empty() || self.horizon == Sequence(0) {
            if !self.held.is_empty() {
                self.end(output)?;
            }
            return output.add(entry);
        }
        let prefix = user_key(entry.key).map(|(prefix, key)| (prefix, self.operators.of(&key)));
        let Some((prefix, Some(merge))) = prefix else {
            self.end(output)?;
            return output.add(entry);
        };
        if self.prefix != prefix || self.bytes > BYTES_MAX {
            let merge = Arc::clone(merge);
            self.end(output)?;
            self.prefix = prefix.to_vec();
            self.merge = Some(merge);
        }
        self.bytes += entry.key.len() + entry.value.len();
        self.held.push(Held {
            key: entry.key.to_vec(),
            sequence: entry.sequence,
            kind: entry.kind,
            extra: entry.extra,
            value: entry.value.to_vec(),
        });
        Ok(())
    }

    /// Writes what is held, folded as far as may be.
    pub fn end(&mut self, output: &mut Output<'_>) -> Result<()> {
        let merge = self.merge.take();
        let mut held = std::mem::take(&mut self.held);
        self.bytes = 0;
        if let Some(merge) = merge {
            self.fold(&mut held, &*merge)?;
        }
        held.iter()
            .try_for_each(|record| output.add(&record.entry()))
    }

    /// The operands that follow one another, oldest first: their places in `held`.
    fn row(&self, held: &[Held]) -> Vec<usize> {
        let is_only = |at: usize| {
            let key = |at: usize| held.get(at).map(|record| &record.key);
            let before = at.checked_sub(1).and_then(key);
            before != key(at) && key(at + 1) != key(at)
        };
        let mut row: Vec<usize> = (0..held.len())
            .filter(|at| {
                held.get(*at).is_some_and(|record| {
                    record.kind != Kind::Delete
                        && record.extra == Extra::default()
                        && record.sequence <= self.horizon
                        && is_only(*at)
                })
            })
            .collect();
        row.sort_by_key(|at| held.get(*at).map(|record| (record.sequence, &record.key)));
        let newest = row.last().and_then(|at| held.get(*at));
        let Some(newest) = newest.map(|record| record.sequence) else {
            return row;
        };
        // Operands of the same key in other tables: behind all of these, or before some.
        let range = StoredRange::prefix(&self.prefix);
        let elsewhere = self.version.tables().filter(|(_, table)| {
            table.meta.overlaps(&range.start, &range.end) && !self.inputs.contains(&table.meta.id)
        });
        let mut barrier = Sequence(0);
        for (_, table) in elsewhere {
            let meta = &table.meta;
            if meta.max_sequence < newest {
                barrier = barrier.max(meta.max_sequence);
            } else if meta.min_sequence <= newest {
                return Vec::new();
            }
        }
        let is_behind = |at: &usize| held.get(*at).is_some_and(|one| one.sequence > barrier);
        row.retain(is_behind);
        row
    }

    fn fold(&mut self, held: &mut Vec<Held>, merge: &Merge) -> Result<()> {
        let row = self.row(held);
        let is_full = self.folded.operands.len() + row.len() > FOLDED_MAX;
        if row.len() < 2 || is_full {
            return Ok(());
        }
        let mut sum: Option<Vec<u8>> = None;
        for record in row.iter().filter_map(|at| held.get(*at)) {
            let value = match record.kind {
                Kind::Pointer => self.version.value(&record.value)?.to_vec(),
                _ => record.value.clone(),
            };
            sum = match sum {
                None => Some(value),
                // What is lent to the caller's function is only read.
                Some(older) => catch_unwind(AssertUnwindSafe(|| merge(&older, &value))).ok(),
            };
            if sum.as_ref().is_none_or(|sum| sum.len() > BYTES_MAX) {
                return Ok(());
            }
        }
        let (Some(newest), Some(sum)) = (row.last(), sum) else {
            return Ok(());
        };
        if let Some(record) = held.get_mut(*newest) {
            (record.kind, record.value) = (Kind::Put, sum);
        }
        let operands = row.iter().filter_map(|at| held.get(*at));
        let operands = operands.map(|record| (record.key.clone(), record.sequence));
        self.folded.operands.extend(operands);
        self.folded.ranges.push(StoredRange::prefix(&self.prefix));
        let mut at = 0;
        held.retain(|_| {
            at += 1;
            let place = at - 1;
            place == *newest || !row.contains(&place)
        });
        Ok(())
    }
}
