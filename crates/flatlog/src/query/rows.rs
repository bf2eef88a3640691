//! What a query needs of a snapshot: the rows of one space, and the value index if there is one.

use std::sync::Arc;

use kv_api::Result;

use crate::search::{IdBits, KeyId, SearchIndex};

/// Which way to walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest on.
    Ascending,
    /// From the largest on.
    Descending,
}

/// A row without its value: what a source knows of it, read when it is asked for.
pub trait Row<'a>: Copy {
    /// Its key.
    fn key(self) -> &'a [u8];

    /// The commit index of its last write.
    fn commit_index(self) -> u64;

    /// Its key's number, by which the value index knows it.
    fn id(self) -> KeyId;
}

/// The keys from `start` on, up to but without `end`; without an `end`, all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The first key that may be in it.
    pub start: Vec<u8>,
    /// The first key behind it.
    pub end: Option<Vec<u8>>,
}

impl KeySpan {
    /// The only key in it, if there can be but one.
    pub fn only_key(&self) -> Option<&[u8]> {
        let end = self.end.as_deref()?;
        let (&0, rest) = end.split_last()? else {
            return None;
        };
        (rest == self.start).then_some(rest)
    }
}

/// The rows of one space as one snapshot sees them.
///
/// Walks allocate nothing per row. If [`value_index`](RowSource::value_index) gives an index, it
/// describes this snapshot's commit or a later one, in the sense of [`crate::search`].
pub trait RowSource {
    /// A row.
    type Row<'a>: Row<'a>
    where
        Self: 'a;
    /// A value, borrowed or owned.
    type Value<'a>: AsRef<[u8]>
    where
        Self: 'a;
    /// A walk in key order.
    type Walk<'a>: Iterator<Item = Result<Self::Row<'a>>>
    where
        Self: 'a;

    /// The commit index of the newest commit in this snapshot, over all spaces.
    fn commit_index(&self) -> u64;

    /// The row with this key. O(log n).
    fn row(&self, key: &[u8]) -> Result<Option<Self::Row<'_>>>;

    /// The row with this id; none if there is no such row in this space of this snapshot.
    fn row_by_id(&self, id: KeyId) -> Result<Option<Self::Row<'_>>>;

    /// The rows of a span, without those whose id is not `among`.
    fn walk(
        &self,
        span: &KeySpan,
        direction: Direction,
        among: Option<&Arc<IdBits>>,
    ) -> Self::Walk<'_>;

    /// The value of a row of this source.
    fn value(&self, row: Self::Row<'_>) -> Result<Self::Value<'_>>;

    /// About how many rows a span has. O(log n).
    fn rows_estimate(&self, span: &KeySpan) -> u64;

    /// The value index, if there is one.
    fn value_index(&self) -> Option<&SearchIndex>;
}
