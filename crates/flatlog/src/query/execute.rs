//! Answering a query, row by row.
//!
//! Rows that must be sorted are gathered without their values, at most as many as the budget
//! takes: the first ones in order. They are judged by their values as they are asked for, and
//! when they are used up, the next ones are gathered. So a LIMIT reads few values, and a small
//! budget costs passes, never an answer.

use std::cmp::Ordering;
use std::vec;

use kv_api::{Error, Result};

use crate::query::ast::{Column, Query};
use crate::query::condition::Known;
use crate::query::explain::{Explanation, describe};
use crate::query::limits::{Clock, Limits, Touched};
use crate::query::plan::{Access, Plan, plan};
use crate::query::rows::{Direction, Row, RowSource};

/// Answers `query` from `source`, row by row.
///
/// Planning and its look-ups in the value index happen now, everything else as rows are asked
/// for. The time budget runs from now on.
pub fn run<'a, S: RowSource>(
    query: &Query,
    source: &'a S,
    limits: &Limits,
) -> Result<FoundRows<'a, S>> {
    let mut clock = Clock::start(limits.time_budget);
    let plan = plan(query, source, limits, &mut clock)?;
    let reaching = if plan.sorts() {
        Reaching::Sorted(Sorted {
            batch: Vec::new().into_iter(),
            last: None,
            has_more: true,
            // A LIMIT needs few rows, but values may turn some of them down.
            batch_rows: match plan.limit {
                Some(limit) => usize::try_from(limit.saturating_add(plan.offset))
                    .unwrap_or(usize::MAX)
                    .saturating_mul(4)
                    .max(1024),
                None => usize::MAX,
            },
        })
    } else {
        Reaching::Walk {
            next_span: 0,
            walk: None,
        }
    };
    Ok(FoundRows {
        source,
        passed_over: 0,
        left: plan.limit.unwrap_or(u64::MAX),
        plan,
        clock,
        touched: Touched::default(),
        reaching,
        failed: None,
    })
}

/// Answers `query` without giving the rows, and tells the way and what it touched.
pub fn explain<S: RowSource>(query: &Query, source: &S, limits: &Limits) -> Result<Explanation> {
    let mut rows = run(query, source, limits)?;
    for row in &mut rows {
        row?;
    }
    Ok(Explanation {
        plan: describe(&rows.plan),
        touched: rows.touched,
    })
}

/// The rows of an answer, in their order.
///
/// An error is given again by every further call: it is never mistaken for the end.
pub struct FoundRows<'a, S: RowSource> {
    source: &'a S,
    plan: Plan,
    clock: Clock,
    touched: Touched,
    reaching: Reaching<'a, S>,
    passed_over: u64,
    left: u64,
    failed: Option<Error>,
}

/// A row of an answer.
pub struct FoundRow<'a, S: RowSource> {
    source: &'a S,
    row: Row<'a, S::Handle>,
    /// The value, if it was read to decide about the row.
    value: Option<S::Value<'a>>,
}

impl<'a, S: RowSource> FoundRow<'a, S> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.row.key
    }

    /// The commit index of the key's last write.
    pub fn commit_index(&self) -> u64 {
        self.row.commit_index
    }

    /// The value; it is read now, if it was not before.
    pub fn value(self) -> Result<S::Value<'a>> {
        match self.value {
            Some(value) => Ok(value),
            None => self.source.value(&self.row),
        }
    }
}

enum Reaching<'a, S: RowSource + 'a> {
    Walk {
        /// How many spans were begun.
        next_span: usize,
        walk: Option<S::Walk<'a>>,
    },
    Sorted(Sorted<'a, S>),
}

struct Sorted<'a, S: RowSource + 'a> {
    batch: vec::IntoIter<Row<'a, S::Handle>>,
    /// The last row of the batch that was gathered last.
    last: Option<Row<'a, S::Handle>>,
    has_more: bool,
    batch_rows: usize,
}

impl<'a, S: RowSource> FoundRows<'a, S> {
    /// What was touched so far.
    pub fn touched(&self) -> Touched {
        self.touched
    }

    fn step(&mut self) -> Result<Option<FoundRow<'a, S>>> {
        while self.left > 0 {
            let Some(row) = self.next_row()? else {
                return Ok(None);
            };
            let Some(value) = self.admit(&row)? else {
                continue;
            };
            if self.passed_over < self.plan.offset {
                self.passed_over += 1;
                continue;
            }
            self.left -= 1;
            self.touched.rows += 1;
            return Ok(Some(FoundRow {
                source: self.source,
                row,
                value: value.read,
            }));
        }
        Ok(None)
    }

    /// Whether the row passes; with its value, if that had to be read.
    fn admit(&mut self, row: &Row<'a, S::Handle>) -> Result<Option<Admitted<S::Value<'a>>>> {
        let known = known(&self.plan, row);
        match self.plan.condition.judge(&known, &mut self.clock)? {
            Some(true) => Ok(Some(Admitted { read: None })),
            Some(false) => Ok(None),
            None => {
                self.touched.values += 1;
                let value = self.source.value(row)?;
                let bytes = value.as_ref();
                // Reading may have been a disk's work.
                self.clock.spend(32 + bytes.len() / 64)?;
                let passes = self.plan.condition.decide(&known, bytes, &mut self.clock)?;
                Ok(passes.then_some(Admitted { read: Some(value) }))
            }
        }
    }

    /// The next row in order, judged or not.
    fn next_row(&mut self) -> Result<Option<Row<'a, S::Handle>>> {
        self.clock.spend(1)?;
        match &mut self.reaching {
            Reaching::Walk { next_span, walk } => {
                let row = next_of_walk(self.source, &self.plan, next_span, walk)?;
                self.touched.keys += u64::from(row.is_some());
                Ok(row)
            }
            Reaching::Sorted(sorted) => loop {
                if let Some(row) = sorted.batch.next() {
                    return Ok(Some(row));
                }
                if !sorted.has_more {
                    return Ok(None);
                }
                sorted.gather(self.source, &self.plan, &mut self.clock, &mut self.touched)?;
            },
        }
    }
}

/// A row that passes, and its value if it was read.
struct Admitted<V> {
    read: Option<V>,
}

impl<'a, S: RowSource> Iterator for FoundRows<'a, S> {
    type Item = Result<FoundRow<'a, S>>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        let row = self.step();
        if let Err(error) = &row {
            self.failed = Some(error.clone());
        }
        row.transpose()
    }
}

/// A row in the eyes of a condition.
fn known<'a, Handle>(plan: &Plan, row: &Row<'a, Handle>) -> Known<'a> {
    Known {
        key: row.key,
        commit_index: row.commit_index,
        id: row.id,
        in_sets: !plan.changed.contains(row.id.0),
    }
}

/// The next row of the plan's spans.
fn next_of_walk<'a, S: RowSource>(
    source: &'a S,
    plan: &Plan,
    next_span: &mut usize,
    walk: &mut Option<S::Walk<'a>>,
) -> Result<Option<Row<'a, S::Handle>>> {
    // Only an order by key has a direction on the way; a sort needs none.
    let direction = match plan.order_by {
        Column::Key => plan.direction,
        Column::CommitIndex => Direction::Ascending,
    };
    loop {
        if let Some(row) = walk.as_mut().and_then(Iterator::next) {
            return row.map(Some);
        }
        let number = match direction {
            Direction::Ascending => Some(*next_span),
            Direction::Descending => plan.spans.len().checked_sub(*next_span + 1),
        };
        let Some(span) = number.and_then(|number| plan.spans.get(number)) else {
            return Ok(None);
        };
        *next_span += 1;
        *walk = None;
        if let Some(key) = span.only_key() {
            if let Some(row) = source.row(key)? {
                return Ok(Some(row));
            }
        } else {
            *walk = Some(source.walk(span, direction));
        }
    }
}

impl<'a, S: RowSource> Sorted<'a, S> {
    /// Gathers the rows that come next after `last`.
    fn gather(
        &mut self,
        source: &'a S,
        plan: &Plan,
        clock: &mut Clock,
        touched: &mut Touched,
    ) -> Result<()> {
        let rows_max = self.batch_rows.clamp(16, plan.sort_rows_max);
        let last = self.last;
        let mut rows: Vec<Row<'a, S::Handle>> = Vec::new();
        let mut dropped = false;
        let mut consider = |row: Row<'a, S::Handle>| -> Result<()> {
            touched.keys += 1;
            clock.spend(1)?;
            if last.is_some_and(|last| compare(plan, &row, &last).is_le())
                || plan.condition.judge(&known(plan, &row), clock)? == Some(false)
            {
                return Ok(());
            }
            if rows.len() >= rows_max.saturating_mul(2) {
                rows.select_nth_unstable_by(rows_max, |a, b| compare(plan, a, b));
                rows.truncate(rows_max);
                dropped = true;
            }
            rows.push(row);
            Ok(())
        };
        match &plan.access {
            Access::Ids(ids) => {
                for id in ids.iter() {
                    if let Some(row) = source.row_by_id(crate::search::KeyId(id))? {
                        consider(row)?;
                    }
                }
            }
            Access::Walk => {
                let (mut next_span, mut walk) = (0, None);
                while let Some(row) = next_of_walk(source, plan, &mut next_span, &mut walk)? {
                    consider(row)?;
                }
            }
        }
        rows.sort_unstable_by(|a, b| compare(plan, a, b));
        dropped |= rows.len() > rows_max;
        rows.truncate(rows_max);
        self.last = rows.last().copied();
        self.has_more = dropped;
        self.batch_rows = self.batch_rows.saturating_mul(4);
        self.batch = rows.into_iter();
        Ok(())
    }
}

/// The order of the answer. No two rows are equal in it.
fn compare<Handle>(plan: &Plan, a: &Row<'_, Handle>, b: &Row<'_, Handle>) -> Ordering {
    let ascending = match plan.order_by {
        Column::Key => a.key.cmp(b.key),
        Column::CommitIndex => (a.commit_index, a.key).cmp(&(b.commit_index, b.key)),
    };
    match plan.direction {
        Direction::Ascending => ascending,
        Direction::Descending => ascending.reverse(),
    }
}
