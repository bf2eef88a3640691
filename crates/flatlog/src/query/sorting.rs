//! Rows in an order that no walk has.
//!
//! They are gathered without their values, at most as many as the budget takes: the first ones in
//! order. They are judged by their values as they are asked for, and when they are used up, the
//! next ones are gathered. So a LIMIT reads few values, and a small budget costs passes, never an
//! answer.

use std::cmp::Ordering;
use std::vec;

use kv_api::Result;

use crate::query::ast::Column;
use crate::query::limits::{Clock, Touched};
use crate::query::plan::{Access, Plan};
use crate::query::rows::{Direction, Row, RowSource};
use crate::query::walking::Walking;
use crate::search::KeyId;

/// Rows, sorted some at a time.
pub(super) struct Sorted<'a, S: RowSource + 'a> {
    batch: vec::IntoIter<Sortable<'a, S::Row<'a>>>,
    /// The last row of the batch that was gathered last.
    last: Option<Sortable<'a, S::Row<'a>>>,
    has_more: bool,
    batch_rows: usize,
}

/// A row, and what it is sorted by.
#[derive(Clone, Copy)]
pub(super) struct Sortable<'a, R> {
    row: R,
    key: &'a [u8],
    /// 0 where the order is that of the keys.
    commit_index: u64,
}

impl<'a, R: Row<'a>> Sortable<'a, R> {
    fn new(plan: &Plan, row: R) -> Sortable<'a, R> {
        Sortable {
            row,
            key: row.key(),
            commit_index: match plan.order_by {
                Column::Key => 0,
                Column::CommitIndex => row.commit_index(),
            },
        }
    }

    /// The order of the answer. No two rows are equal in it.
    fn compare(&self, other: &Sortable<'_, R>, direction: Direction) -> Ordering {
        let ascending = (self.commit_index, self.key).cmp(&(other.commit_index, other.key));
        match direction {
            Direction::Ascending => ascending,
            Direction::Descending => ascending.reverse(),
        }
    }
}

impl<'a, S: RowSource> Sorted<'a, S> {
    /// Nothing was gathered.
    pub(super) fn new(plan: &Plan) -> Sorted<'a, S> {
        Sorted {
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
        }
    }

    /// The next row in order, judged or not.
    pub(super) fn next(
        &mut self,
        source: &'a S,
        plan: &Plan,
        clock: &mut Clock,
        touched: &mut Touched,
    ) -> Result<Option<S::Row<'a>>> {
        loop {
            if let Some(sorted) = self.batch.next() {
                return Ok(Some(sorted.row));
            }
            if !self.has_more {
                return Ok(None);
            }
            self.gather(source, plan, clock, touched)?;
        }
    }

    /// Gathers the rows that come next after `last`.
    fn gather(
        &mut self,
        source: &'a S,
        plan: &Plan,
        clock: &mut Clock,
        touched: &mut Touched,
    ) -> Result<()> {
        let rows_max = self.batch_rows.clamp(16, plan.sort_rows_max);
        let (last, direction) = (self.last, plan.direction);
        let mut rows: Vec<Sortable<'a, S::Row<'a>>> = Vec::new();
        let mut dropped = false;
        let mut consider = |row: S::Row<'a>| -> Result<()> {
            touched.keys += 1;
            clock.spend(1)?;
            let sortable = Sortable::new(plan, row);
            if last.is_some_and(|last| sortable.compare(&last, direction).is_le())
                || (!plan.is_sure_of(row)
                    && plan.condition.judge(&plan.known(row), clock)? == Some(false))
            {
                return Ok(());
            }
            if rows.len() >= rows_max.saturating_mul(2) {
                rows.select_nth_unstable_by(rows_max, |a, b| a.compare(b, direction));
                rows.truncate(rows_max);
                dropped = true;
            }
            rows.push(sortable);
            Ok(())
        };
        match &plan.access {
            Access::Ids(ids) => {
                for id in ids.iter() {
                    if let Some(row) = source.row_by_id(KeyId(id))? {
                        consider(row)?;
                    }
                }
            }
            Access::Walk | Access::WalkAmong(..) => {
                let mut walking = Walking::new();
                while let Some(row) = walking.next(source, plan)? {
                    consider(row)?;
                }
            }
        }
        rows.sort_unstable_by(|a, b| a.compare(b, direction));
        dropped |= rows.len() > rows_max;
        rows.truncate(rows_max);
        self.last = rows.last().copied();
        self.has_more = dropped;
        self.batch_rows = self.batch_rows.saturating_mul(4);
        self.batch = rows.into_iter();
        Ok(())
    }
}
