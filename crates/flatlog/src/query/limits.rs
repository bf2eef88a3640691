//! What a query may cost, and what it did cost.

use std::time::{Duration, Instant};

use crate::query::error::QueryError;

/// What a query may cost, and when its helpers are worth theirs.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest text that is taken.
    pub query_bytes_max: usize,
    /// The deepest nesting of parentheses and NOTs.
    pub depth_max: usize,
    /// How long a query may run, from its beginning to its last row. None: for ever.
    pub time_budget: Option<Duration>,
    /// How much memory sorted rows may take. With less than the rows need, sorting takes several
    /// passes.
    pub sort_bytes_max: usize,
    /// From how many rows in the key ranges the value index is asked.
    pub index_rows_min: u64,
    /// Up to how many rows in question it costs less to read their values than to search the
    /// tokens for a part of one.
    pub few_rows: u64,
    /// How many rows a walk that looks at ids only passes in the time that finding one row by
    /// its id takes.
    pub lookup_cost: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            query_bytes_max: 64 << 10,
            depth_max: 100,
            time_budget: Some(Duration::from_secs(30)),
            sort_bytes_max: 64 << 20,
            index_rows_min: 32,
            few_rows: 64,
            lookup_cost: 1500,
        }
    }
}

/// What a query touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    /// Rows whose key was looked at, once for each pass.
    pub keys: u64,
    /// Values that were read to decide about their rows.
    pub values: u64,
    /// Rows answered.
    pub rows: u64,
}

/// How many steps of work go by between two looks at the time.
const STEPS_PER_LOOK: u64 = 4096;

/// The time a query has, measured in steps of about ten nanoseconds and looked at now and then.
#[derive(Debug)]
pub(super) struct Clock {
    end: Option<Instant>,
    budget: Duration,
    steps: u64,
    /// The next look begins a new budget.
    renewed: bool,
}

impl Clock {
    pub(super) fn start(budget: Option<Duration>) -> Clock {
        Clock {
            end: budget.and_then(|budget| Instant::now().checked_add(budget)),
            budget: budget.unwrap_or_default(),
            steps: 0,
            renewed: false,
        }
    }

    /// Lets the budget begin anew. It does with the next look, so this costs next to nothing.
    pub(super) fn renew(&mut self) {
        self.renewed = true;
    }

    /// Counts `steps`, and refuses to go on when the time is over.
    pub(super) fn spend(&mut self, steps: usize) -> Result<(), QueryError> {
        self.steps = self.steps.saturating_add(steps as u64);
        if self.steps < STEPS_PER_LOOK {
            return Ok(());
        }
        self.look()
    }

    /// Whether it is time for a look.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        self.steps >= STEPS_PER_LOOK
    }

    /// Counts a step; somebody asks whether a look is due.
    #[inline]
    pub(super) fn tick(&mut self) {
        self.steps = self.steps.saturating_add(1);
    }

    /// Refuses to go on when the time is over.
    pub(super) fn look(&mut self) -> Result<(), QueryError> {
        self.steps = 0;
        let Some(end) = self.end else {
            return Ok(());
        };
        let now = Instant::now();
        if std::mem::take(&mut self.renewed) {
            self.end = now.checked_add(self.budget);
        } else if now >= end {
            let budget_ms = u64::try_from(self.budget.as_millis()).unwrap_or(u64::MAX);
            return Err(QueryError::OutOfTime { budget_ms });
        }
        Ok(())
    }
}
