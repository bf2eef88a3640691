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

/// So many rows are held at once even where the budget is for fewer.
pub(super) const SORT_ROWS_MIN: usize = 32;

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

/// The first rows in order of those that were pushed.
///
/// Invariant: there is never room for more than `held_max` rows.
struct Firsts<'a, R> {
    rows: Vec<Sortable<'a, R>>,
    held_max: usize,
    direction: Direction,
    /// Only the first half of what fits is certain to be there.
    dropped: bool,
}

impl<'a, R: Row<'a>> Firsts<'a, R> {
    fn new(held_max: usize, direction: Direction) -> Firsts<'a, R> {
        Firsts {
            rows: Vec::new(),
            held_max,
            direction,
            dropped: false,
        }
    }

    /// How many are certain to be there where some were dropped.
    fn certain(&self) -> usize {
        self.held_max / 2
    }

    fn push(&mut self, row: Sortable<'a, R>) {
        let direction = self.direction;
        if self.rows.len() >= self.held_max {
            let certain = self.certain();
            self.rows
                .select_nth_unstable_by(certain, |a, b| a.compare(b, direction));
            self.rows.truncate(certain);
            self.dropped = true;
        }
        if self.rows.len() == self.rows.capacity() {
            // A vector would double, past what was promised.
            let room = self.rows.len().max(64);
            let room = room.min(self.held_max - self.rows.len());
            self.rows.reserve_exact(room);
        }
        self.rows.push(row);
    }

    /// The rows in order, and whether there are more.
    fn finish(mut self) -> (Vec<Sortable<'a, R>>, bool) {
        let direction = self.direction;
        self.rows.sort_unstable_by(|a, b| a.compare(b, direction));
        if self.dropped {
            self.rows.truncate(self.certain());
        }
        (self.rows, self.dropped)
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
        let held_max = self.batch_rows.saturating_mul(2);
        let held_max = held_max.clamp(SORT_ROWS_MIN, plan.sort_rows_max);
        let (last, direction) = (self.last, plan.direction);
        // What is used up would count beside what is gathered.
        self.batch = Vec::new().into_iter();
        let mut firsts = Firsts::new(held_max, direction);
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
            firsts.push(sortable);
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
        let (rows, has_more) = firsts.finish();
        self.last = rows.last().copied();
        self.has_more = has_more;
        self.batch_rows = self.batch_rows.saturating_mul(4);
        self.batch = rows.into_iter();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;

    #[derive(Clone, Copy)]
    struct Only(u64);

    impl Row<'static> for Only {
        fn key(self) -> &'static [u8] {
            b""
        }

        fn commit_index(self) -> u64 {
            self.0
        }

        fn id(self) -> KeyId {
            KeyId(0)
        }
    }

    #[test]
    fn the_first_rows_are_found_in_no_more_room_than_was_given() {
        for (count, held_max) in [
            (31, 32),
            (32, 32),
            (33, 32),
            (1000, 70),
            (1000, 1000),
            (5000, 999),
        ] {
            for direction in [Direction::Ascending, Direction::Descending] {
                let mut firsts = Firsts::new(held_max, direction);
                let mut indexes: Vec<u64> = (0..count).map(|n| n * 7919 % 10_007).collect();
                for index in &indexes {
                    firsts.push(Sortable {
                        row: Only(*index),
                        key: b"",
                        commit_index: *index,
                    });
                    assert!(firsts.rows.capacity() <= held_max, "{count} in {held_max}");
                }
                indexes.sort_unstable();
                if direction == Direction::Descending {
                    indexes.reverse();
                }
                let (rows, has_more) = firsts.finish();
                let found: Vec<u64> = rows.iter().map(|row| row.commit_index).collect();
                assert_eq!(found, indexes[..found.len()]);
                assert_eq!(has_more, found.len() < indexes.len());
                assert!(!has_more || found.len() == held_max / 2);
            }
        }
    }
}
