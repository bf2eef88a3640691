//! Answering a query, row by row.
//!
use kv_api::{Error, Result};

use crate::query::ast::Query;
use crate::query::explain::{Explanation, describe};
use crate::query::limits::{Clock, Limits, Touched};
use crate::query::plan::{Plan, plan};
use crate::query::rows::{Row, RowSource};
use crate::query::sorting::Sorted;
use crate::query::walking::Walking;

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
        Reaching::Sorted(Sorted::new(&plan))
    } else {
        Reaching::Walk(Walking::new())
    };
    Ok(FoundRows {
        source,
        put_off: None,
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
    Ok(rows.explanation())
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
    /// Reached, but not judged yet.
    put_off: Option<S::Row<'a>>,
    passed_over: u64,
    left: u64,
    failed: Option<Error>,
}

/// A row of an answer.
pub struct FoundRow<'a, S: RowSource> {
    source: &'a S,
    row: S::Row<'a>,
    /// The value, if it was read to decide about the row.
    value: Option<S::Value<'a>>,
}

impl<'a, S: RowSource> FoundRow<'a, S> {
    /// The key.
    pub fn key(&self) -> &'a [u8] {
        self.row.key()
    }

    /// The commit index of the key's last write.
    pub fn commit_index(&self) -> u64 {
        self.row.commit_index()
    }

    /// The value; it is read now, if it was not before.
    pub fn value(self) -> Result<S::Value<'a>> {
        match self.value {
            Some(value) => Ok(value),
            None => self.source.value(self.row),
        }
    }
}

enum Reaching<'a, S: RowSource + 'a> {
    Walk(Walking<'a, S>),
    Sorted(Sorted<'a, S>),
}

impl<'a, S: RowSource> FoundRows<'a, S> {
    /// What was touched so far.
    pub fn touched(&self) -> Touched {
        self.touched
    }

    /// The way the query is answered, and what was touched so far.
    pub fn explanation(&self) -> Explanation {
        Explanation {
            plan: describe(&self.plan),
            touched: self.touched,
        }
    }

    /// Lets the [time budget](Limits::time_budget) begin anew, as somebody does for whom an answer
    /// that goes on may take as long as it likes, and one in which nothing comes may not.
    pub fn renew_time(&mut self) {
        self.clock.renew();
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

    /// The next row where the walk gives no others and nothing is left to be asked: small enough
    /// to become a part of the caller's loop, since moving rows costs more than finding them.
    #[inline]
    fn next_plain(&mut self) -> Option<S::Row<'a>> {
        if !self.plan.settled || self.passed_over < self.plan.offset || self.clock.is_due() {
            return None;
        }
        let Reaching::Walk(walking) = &mut self.reaching else {
            return None;
        };
        if self.left == 0 || self.put_off.is_some() {
            return None;
        }
        let row = match walking.walk.as_mut()?.next()? {
            Ok(row) => row,
            Err(error) => {
                self.fail(&error);
                return None;
            }
        };
        self.touched.keys += 1;
        if !self.plan.is_sure_of(row) {
            self.put_off = Some(row);
            return None;
        }
        self.clock.tick();
        self.left -= 1;
        self.touched.rows += 1;
        Some(row)
    }

    #[inline(never)]
    fn next_in_any_case(&mut self) -> Option<Result<FoundRow<'a, S>>> {
        if let Some(error) = &self.failed {
            return Some(Err(error.clone()));
        }
        let row = self.step();
        if let Err(error) = &row {
            self.fail(error);
        }
        row.transpose()
    }

    /// From now on there is nothing but this error.
    fn fail(&mut self, error: &Error) {
        self.failed = Some(error.clone());
        self.left = 0;
    }

    /// Whether the row passes; with its value, if that had to be read.
    fn admit(&mut self, row: &S::Row<'a>) -> Result<Option<Admitted<S::Value<'a>>>> {
        if self.plan.is_sure_of(*row) {
            return Ok(Some(Admitted { read: None }));
        }
        if let Some(test) = self.plan.only_test() {
            let value = read(self.source, *row, &mut self.touched, &mut self.clock)?;
            let passes = test.holds_for_value(value.as_ref(), &mut self.clock)?;
            return Ok(passes.then_some(Admitted { read: Some(value) }));
        }
        let known = self.plan.known(*row);
        match self.plan.condition.judge(&known, &mut self.clock)? {
            Some(true) => Ok(Some(Admitted { read: None })),
            Some(false) => Ok(None),
            None => {
                let value = read(self.source, *row, &mut self.touched, &mut self.clock)?;
                let condition = &self.plan.condition;
                let passes = condition.decide(&known, value.as_ref(), &mut self.clock)?;
                Ok(passes.then_some(Admitted { read: Some(value) }))
            }
        }
    }

    /// The next row in order, judged or not.
    fn next_row(&mut self) -> Result<Option<S::Row<'a>>> {
        if let Some(row) = self.put_off.take() {
            return Ok(Some(row));
        }
        self.clock.spend(1)?;
        match &mut self.reaching {
            Reaching::Walk(walking) => {
                let row = walking.next(self.source, &self.plan)?;
                self.touched.keys += u64::from(row.is_some());
                Ok(row)
            }
            Reaching::Sorted(sorted) => {
                sorted.next(self.source, &self.plan, &mut self.clock, &mut self.touched)
            }
        }
    }
}

/// The value of a row about which it is to decide.
fn read<'a, S: RowSource>(
    source: &'a S,
    row: S::Row<'a>,
    touched: &mut Touched,
    clock: &mut Clock,
) -> Result<S::Value<'a>> {
    touched.values += 1;
    let value = source.value(row)?;
    // Reading may have been a disk's work.
    clock.spend(32 + value.as_ref().len() / 64)?;
    Ok(value)
}

/// A row that passes, and its value if it was read.
struct Admitted<V> {
    read: Option<V>,
}

impl<'a, S: RowSource> Iterator for FoundRows<'a, S> {
    type Item = Result<FoundRow<'a, S>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self.next_plain() {
            Some(row) => Some(Ok(FoundRow {
                source: self.source,
                row,
                value: None,
            })),
            None => self.next_in_any_case(),
        }
    }
}
