//! Rows in key order: a walk over one span of keys after the other.

use kv_api::Result;

use crate::query::ast::Column;
use crate::query::plan::{Access, Plan};
use crate::query::rows::{Direction, RowSource};

/// How far the walks have come.
pub(super) struct Walking<'a, S: RowSource + 'a> {
    /// How many spans were begun.
    next_span: usize,
    pub(super) walk: Option<S::Walk<'a>>,
}

impl<'a, S: RowSource> Walking<'a, S> {
    /// None was begun.
    pub(super) fn new() -> Walking<'a, S> {
        Walking {
            next_span: 0,
            walk: None,
        }
    }

    /// The next row of the plan's spans.
    pub(super) fn next(&mut self, source: &'a S, plan: &Plan) -> Result<Option<S::Row<'a>>> {
        // Only an order by key has a direction on the way; a sort needs none.
        let direction = match plan.order_by {
            Column::Key => plan.direction,
            Column::CommitIndex => Direction::Ascending,
        };
        loop {
            if let Some(row) = self.walk.as_mut().and_then(Iterator::next) {
                return row.map(Some);
            }
            let number = match direction {
                Direction::Ascending => Some(self.next_span),
                Direction::Descending => plan.spans.len().checked_sub(self.next_span + 1),
            };
            let Some(span) = number.and_then(|number| plan.spans.get(number)) else {
                return Ok(None);
            };
            self.next_span += 1;
            self.walk = None;
            if let Some(key) = span.only_key() {
                if let Some(row) = source.row(key)? {
                    return Ok(Some(row));
                }
            } else {
                let among = match &plan.access {
                    Access::WalkAmong(ids, _) => Some(ids),
                    _ => None,
                };
                self.walk = Some(source.walk(span, direction, among));
            }
        }
    }
}
