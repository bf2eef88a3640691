//! By which way a query is answered.

use std::sync::Arc;

use kv_api::Result;
use roaring::RoaringBitmap;

use crate::query::ast::{Column, Query};
use crate::query::condition::{Condition, Known, Test};
use crate::query::key_spans::key_spans;
use crate::query::limits::{Clock, Limits};
use crate::query::normal::normal_form;
use crate::query::rows::{Direction, KeySpan, Row, RowSource};
use crate::query::sets::{Asking, candidates, settled_but_for};
use crate::query::sorting::{SORT_ROWS_MIN, Sortable};
use crate::search::IdBits;

/// A way to answer a query.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) condition: Condition,
    /// Where the rows are looked for, ascending.
    pub(super) spans: Vec<KeySpan>,
    /// About how many rows lie there.
    pub(super) rows: u64,
    pub(super) access: Access,
    /// Every row that is reached passes, unless its id is among the `doubts`.
    pub(super) settled: bool,
    pub(super) doubts: IdBits,
    /// The ids about which sets are not believed.
    pub(super) changed: RoaringBitmap,
    pub(super) order_by: Column,
    pub(super) direction: Direction,
    pub(super) limit: Option<u64>,
    pub(super) offset: u64,
    /// How many rows are sorted at once.
    pub(super) sort_rows_max: usize,
}

/// How the rows are reached.
#[derive(Clone, Debug)]
pub(super) enum Access {
    /// In key order, over the spans.
    Walk,
    /// The same, but only over rows with these ids, so many of them.
    WalkAmong(Arc<IdBits>, u64),
    /// By their ids.
    Ids(Arc<RoaringBitmap>),
}

impl Plan {
    /// Whether the row passes for having been reached: nothing more is to be asked.
    #[inline]
    pub(super) fn is_sure_of<'a>(&self, row: impl Row<'a>) -> bool {
        self.settled && (self.doubts.is_empty() || !self.doubts.contains(row.id()))
    }

    /// The test of the value that decides about every row that is reached and not sure, if there
    /// is but this one: it was reached for being in the test's set, so that asking that again
    /// would tell nothing.
    #[inline]
    pub(super) fn only_test(&self) -> Option<&Test> {
        match &self.condition {
            Condition::Leaf(leaf) if !matches!(self.access, Access::Walk) => {
                (!leaf.negated && leaf.set.is_some()).then_some(&leaf.test)
            }
            _ => None,
        }
    }

    /// The row in the eyes of the condition.
    pub(super) fn known<'a, R: Row<'a>>(&self, row: R) -> Known<R> {
        let id = row.id();
        Known {
            row,
            id,
            in_sets: !self.changed.contains(id.0),
        }
    }

    /// Whether rows have to be sorted: ids stand in no order, walks in that of the keys.
    pub(super) fn sorts(&self) -> bool {
        matches!(self.access, Access::Ids(_)) || self.order_by == Column::CommitIndex
    }
}

/// Chooses the way for `query` over `source`.
pub(super) fn plan<S: RowSource>(
    query: &Query,
    source: &S,
    limits: &Limits,
    clock: &mut Clock,
) -> Result<Plan> {
    let mut condition = normal_form(query.filter.as_ref());
    let mut spans = key_spans(&condition);
    if query.limit == Some(0) {
        spans.clear();
    }
    let rows = spans.iter().fold(0u64, |rows, span| {
        rows.saturating_add(match span.only_key() {
            Some(_) => 1,
            None => source.rows_estimate(span),
        })
    });
    let mut changed = RoaringBitmap::new();
    let mut access = Access::Walk;
    let mut settled = false;
    let mut doubts = IdBits::default();
    let row_bytes = size_of::<Sortable<'_, S::Row<'_>>>();
    let sort_rows_max = (limits.sort_bytes_max / row_bytes).max(SORT_ROWS_MIN);
    if let Some(index) = source.value_index()
        && rows >= limits.index_rows_min
    {
        let few_rows = limits.few_rows;
        Asking {
            index,
            rows,
            few_rows,
            clock,
        }
        .ask(&mut condition)?;
        // After the last set: what is not in here was the same for all of them.
        changed = index.changed_after(source.commit_index());
        if let Some(ids) = candidates(&condition) {
            let ids = with_changed(ids, &changed);
            let is_cheaper = ids.len().saturating_mul(limits.lookup_cost) < rows;
            let fits = query.order_by == Column::CommitIndex || ids.len() <= sort_rows_max as u64;
            if is_cheaper && fits {
                access = Access::Ids(ids);
            } else if ids.len() < rows {
                access = Access::WalkAmong(Arc::new(IdBits::of(&ids)), ids.len());
            }
            if !matches!(access, Access::Walk)
                && let Some(doubtful) = settled_but_for(&condition)
            {
                settled = true;
                doubts = IdBits::of(&(doubtful | &changed));
            }
        }
    }
    Ok(Plan {
        condition,
        spans,
        rows,
        access,
        settled,
        doubts,
        changed,
        order_by: query.order_by,
        direction: query.direction,
        limit: query.limit,
        offset: query.offset,
        sort_rows_max,
    })
}

fn with_changed(ids: Arc<RoaringBitmap>, changed: &RoaringBitmap) -> Arc<RoaringBitmap> {
    if changed.is_empty() {
        return ids;
    }
    Arc::new(&*ids | changed)
}
