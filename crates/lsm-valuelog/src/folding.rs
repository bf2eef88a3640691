//! Operands that a compaction folds into one, beneath what anyone may still read apart.
//!
//! Invariants:
//! * only operands are folded that follow one another: no other operand of their key has a version
//!   between theirs, be it in another table, be it in the same ones and not to be folded, be it
//!   behind those that are held at a time (then nothing of the compaction is folded);
//! * the sum is an operand itself, with key and version of the newest that is in it: whoever may
//!   see it may see all of them;
//! * a compaction that has folded is installed only while nothing newer is there for any operand
//!   that is in a sum, and every transaction that has read one of them meets a conflict: none
//!   counts twice.

use std::collections::BTreeSet;
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

/// Bytes of a sum.
const SUM_BYTES_MAX: usize = 1 << 20;

/// Bytes of operands that are held at a time.
const HELD_BYTES_MAX: usize = 2 * SUM_BYTES_MAX;

/// Of the operands that are held when there is no room for more of their key, so many in four are
/// folded. The newest are not: one that was added beside them may come behind them.
const FOLDED_QUARTERS: usize = 3;

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

/// Whether a record is an operand that may be folded, as far as it can tell.
pub(crate) fn may_be_folded(entry: &Entry<'_>, horizon: Sequence) -> bool {
    entry.kind != Kind::Delete && entry.extra == Extra::default() && entry.sequence <= horizon
}

impl Held {
    fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }

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

/// Operands by their places, oldest first, and their sum.
type Sum = (Vec<usize>, Vec<u8>);

/// What was folded.
#[derive(Default)]
pub(crate) struct Folded {
    /// Operands that are in a sum now, with their versions.
    pub operands: Vec<(Vec<u8>, Sequence)>,
    /// Where the operands of their keys are.
    pub ranges: Vec<StoredRange>,
    /// Whether more could have been folded than one compaction folds.
    pub is_cut: bool,
    /// Whether an operand came behind a sum that belongs among what is in it.
    pub is_wrong: bool,
}

impl Folded {
    /// The newest version in a sum.
    pub fn newest(&self) -> Sequence {
        let versions = self.operands.iter().map(|(_, sequence)| *sequence);
        versions.max().unwrap_or_default()
    }
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
    /// The newest version that is in a sum of those held or let go, of this prefix.
    summed: Sequence,
    /// The newest version that was let go, of this prefix.
    passed: Sequence,
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
            summed: Sequence(0),
            passed: Sequence(0),
            folded: Folded::default(),
        }
    }

    /// Adds a record that is to stay to `output`, or keeps it until the operands of its key are
    /// together. Records come by key.
    pub fn add(&mut self, output: &mut Output<'_>, entry: &Entry<'_>) -> Result<()> {
        // Nearly everything is no operand. Nothing is held then: behind operands there are no keys
        // but reserved ones.
        if !is_reserved(entry.key) || self.operators.is_empty() || self.horizon == Sequence(0) {
            return output.add(entry);
        }
        let prefix = user_key(entry.key).map(|(prefix, key)| (prefix, self.operators.of(&key)));
        let Some((prefix, Some(merge))) = prefix else {
            self.end(output)?;
            return output.add(entry);
        };
        if self.prefix != prefix || self.merge.is_none() {
            let merge = Arc::clone(merge);
            self.end(output)?;
            self.prefix = prefix.to_vec();
            self.merge = Some(merge);
        } else if self.bytes > HELD_BYTES_MAX {
            self.make_room(output)?;
        }
        self.folded.is_wrong |= entry.sequence < self.summed && entry.kind != Kind::Delete;
        let held = Held {
            key: entry.key.to_vec(),
            sequence: entry.sequence,
            kind: entry.kind,
            extra: entry.extra,
            value: entry.value.to_vec(),
        };
        self.bytes += held.bytes();
        self.held.push(held);
        Ok(())
    }

    /// Folds most of what is held, of a key that more may come of, and writes as much of it as is
    /// to make room.
    fn make_room(&mut self, output: &mut Output<'_>) -> Result<()> {
        let mut held = std::mem::take(&mut self.held);
        if let Some(merge) = self.merge.clone() {
            self.fold(&mut held, &*merge, FOLDED_QUARTERS)?;
        }
        self.bytes = held.iter().map(Held::bytes).sum();
        let mut rest = held.into_iter();
        while self.bytes > HELD_BYTES_MAX / 2
            && let Some(first) = rest.next()
        {
            self.bytes -= first.bytes();
            self.passed = self.passed.max(first.sequence);
            output.add(&first.entry())?;
        }
        self.held = rest.collect();
        Ok(())
    }

    /// Writes what is held, folded as far as may be, and is done with the key.
    pub fn end(&mut self, output: &mut Output<'_>) -> Result<()> {
        let merge = self.merge.take();
        let mut held = std::mem::take(&mut self.held);
        if let Some(merge) = merge {
            self.fold(&mut held, &*merge, 4)?;
        }
        self.bytes = 0;
        (self.summed, self.passed) = (Sequence(0), Sequence(0));
        held.iter()
            .try_for_each(|record| output.add(&record.entry()))
    }

    /// The operands that follow one another, oldest first: their places in `held`.
    fn row(&self, held: &[Held]) -> Vec<usize> {
        let key = |at: usize| held.get(at).map(|record| &record.key);
        let is_only = |at: usize| {
            let before = at.checked_sub(1).and_then(key);
            before != key(at) && key(at + 1) != key(at)
        };
        let is_foldable =
            |at: usize, record: &Held| may_be_folded(&record.entry(), self.horizon) && is_only(at);
        let (mut row, mut apart) = (Vec::new(), Vec::new());
        for (at, record) in held.iter().enumerate() {
            if is_foldable(at, record) {
                row.push(at);
            } else if record.kind != Kind::Delete {
                apart.push(record.sequence);
            }
        }
        let sequence = |at: &usize| held.get(*at).map(|record| record.sequence);
        row.sort_by_key(sequence);
        let Some(newest) = row.last().and_then(sequence) else {
            return row;
        };
        let Some(elsewhere) = self.newest_elsewhere(newest) else {
            return Vec::new();
        };
        let apart = apart.into_iter().filter(|other| *other <= newest).max();
        let barrier = elsewhere.max(self.passed).max(apart.unwrap_or(Sequence(0)));
        row.retain(|at| sequence(at).is_some_and(|sequence| sequence > barrier));
        row
    }

    /// The newest version that an operand of the same key in another table may have and that is
    /// older than `newest`; none where a table has such as are older and such as are newer.
    fn newest_elsewhere(&self, newest: Sequence) -> Option<Sequence> {
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
                return None;
            }
        }
        Some(barrier)
    }

    /// Folds the oldest operands of `held`, so many in four of those that may be.
    fn fold(&mut self, held: &mut Vec<Held>, merge: &Merge, quarters: usize) -> Result<()> {
        let mut row = self.row(held);
        row.truncate(row.len() * quarters / 4);
        let room = FOLDED_MAX.saturating_sub(self.folded.operands.len());
        if row.len() > room {
            self.folded.is_cut = true;
            row.truncate(room);
        }
        let Some(sums) = self.sums(held, &row, merge)? else {
            return Ok(());
        };
        let mut needless = BTreeSet::new();
        for (operands, sum) in sums {
            let Some((newest, older)) =
                operands.split_last().filter(|(_, older)| !older.is_empty())
            else {
                continue;
            };
            for record in operands.iter().filter_map(|at| held.get(*at)) {
                let operand = (record.key.clone(), record.sequence);
                self.folded.operands.push(operand);
                self.summed = self.summed.max(record.sequence);
            }
            if let Some(record) = held.get_mut(*newest) {
                (record.kind, record.value) = (Kind::Put, sum);
            }
            needless.extend(older.iter().copied());
        }
        if needless.is_empty() {
            return Ok(());
        }
        self.folded.ranges.push(StoredRange::prefix(&self.prefix));
        let mut places = 0..;
        held.retain(|_| places.next().is_none_or(|place| !needless.contains(&place)));
        Ok(())
    }

    /// The operands of `row` in parts none of whose sums is too large, and their sums; none where
    /// the operator panics.
    fn sums(&self, held: &[Held], row: &[usize], merge: &Merge) -> Result<Option<Vec<Sum>>> {
        let mut sums: Vec<Sum> = Vec::new();
        for at in row {
            let Some(record) = held.get(*at) else {
                continue;
            };
            let value = match record.kind {
                Kind::Pointer => self.version.value(&record.value)?.to_vec(),
                _ => record.value.clone(),
            };
            if let Some((operands, older)) = sums.last_mut() {
                // What is lent to the caller's function is only read.
                let sum = catch_unwind(AssertUnwindSafe(|| merge(older, &value)));
                let Ok(sum) = sum else {
                    return Ok(None);
                };
                if sum.len() <= SUM_BYTES_MAX {
                    operands.push(*at);
                    *older = sum;
                    continue;
                }
            }
            sums.push((vec![*at], value));
        }
        Ok(Some(sums))
    }
}
