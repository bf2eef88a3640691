//! By which way a query is answered.

use std::sync::Arc;

use kv_api::Result;
use roaring::RoaringBitmap;

use crate::query::ast::{Column, Query};
use crate::query::condition::Condition;
use crate::query::key_spans::key_spans;
use crate::query::limits::{Clock, Limits};
use crate::query::normal::normal_form;
use crate::query::rows::{Direction, KeySpan, Row, RowSource};
use crate::query::sets::{Asking, candidates};

/// A way to answer a query.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) condition: Condition,
    /// Where the rows are looked for, ascending.
    pub(super) spans: Vec<KeySpan>,
    /// About how many rows lie there.
    pub(super) rows: u64,
    pub(super) access: Access,
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
    /// By their ids.
    Ids(Arc<RoaringBitmap>),
}

impl Plan {
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
    let row_bytes = size_of::<Row<'_, S::Handle>>();
    let sort_rows_max = (limits.sort_bytes_max / row_bytes).max(16);
    if let Some(index) = source.value_index()
        && rows >= limits.index_rows_min
    {
        Asking { index, rows, clock }.ask(&mut condition)?;
        // After the last set: what is not in here was the same for all of them.
        changed = index.changed_after(source.commit_index());
        if let Some(ids) = candidates(&condition) {
            let ids = with_changed(ids, &changed);
            let is_cheaper = ids.len().saturating_mul(limits.lookup_cost) < rows;
            let fits = query.order_by == Column::CommitIndex || ids.len() <= sort_rows_max as u64;
            if is_cheaper && fits {
                access = Access::Ids(ids);
            }
        }
    }
    Ok(Plan {
        condition,
        spans,
        rows,
        access,
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
