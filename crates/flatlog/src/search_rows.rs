//! Queries over the snapshots of a store.

use std::sync::Arc;

use kv_api::{Result, Space};

use crate::ids::{KeyId, SpaceId};
use crate::index::{Among, Entry, Walk};
use crate::query::{
    Direction, Explanation, FoundRows, KeySpan, Limits, Row, RowSource, explain, parse, run,
};
use crate::reader::Source;
use crate::root::Root;
use crate::search::{IdBits, SearchIndex};
use crate::slice::Slice;
use crate::snapshot::Snapshot;

/// The rows of one space of a snapshot, to be asked.
#[derive(Clone, Copy)]
pub struct SpaceRows<'s> {
    root: &'s Root,
    space: SpaceId,
}

/// A row of a snapshot.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotRow<'s>(Entry<'s>);

impl<'s> Row<'s> for SnapshotRow<'s> {
    #[inline]
    fn key(self) -> &'s [u8] {
        self.0.key()
    }

    #[inline]
    fn commit_index(self) -> u64 {
        self.0.commit_index()
    }

    #[inline]
    fn id(self) -> KeyId {
        self.0.key_id()
    }
}

impl Snapshot {
    /// Answers a query over the default space, row by row; [`crate::query`] says how it is
    /// written. Other spaces are asked through [`space_rows`](Snapshot::space_rows).
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// let db = flatlog::Options::new().value_index(true).open(directory.path().join("store"))?;
    /// let mut tx = db.begin()?;
    /// tx.put("log:1", "an uncritical remark")?;
    /// tx.put("log:2", "a critical error")?;
    /// tx.commit()?;
    /// let snapshot = db.snapshot()?;
    /// for row in snapshot.query("key like 'log:*' and value like 'error'")? {
    ///     let row = row?;
    ///     assert_eq!((row.key(), row.commit_index()), (&b"log:2"[..], 1));
    ///     assert_eq!(row.value()?, "a critical error");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Other` with a [`QueryError`](crate::query::QueryError) for a text that is no query, and
    /// from the rows where the query's time is over or a value cannot be read.
    pub fn query(&self, text: &str) -> Result<FoundRows<'_, Snapshot>> {
        self.query_within(text, &Limits::default())
    }

    /// The same within other limits.
    pub fn query_within(&self, text: &str, limits: &Limits) -> Result<FoundRows<'_, Snapshot>> {
        run(&parse(text, limits)?, self, limits)
    }

    /// Runs a query over the default space and tells the way and what it touched, instead of the
    /// rows.
    pub fn explain(&self, text: &str) -> Result<Explanation> {
        let limits = Limits::default();
        explain(&parse(text, &limits)?, self, &limits)
    }

    /// The rows of a space: what [`run`] and [`explain`] take.
    pub fn space_rows(&self, space: Space) -> Result<SpaceRows<'_>> {
        let space = self.id_of(space)?;
        Ok(SpaceRows {
            root: self.root(),
            space,
        })
    }

    fn default_rows(&self) -> SpaceRows<'_> {
        SpaceRows {
            root: self.root(),
            space: SpaceId::DEFAULT,
        }
    }
}

impl<'s> SpaceRows<'s> {
    fn walk_from(self) -> Walk<'s> {
        Walk::new(self.root.space(self.space))
    }

    fn find(self, key: &[u8]) -> Option<SnapshotRow<'s>> {
        let found = self.root.space(self.space)?.entry(key)?;
        Some(SnapshotRow(found))
    }

    fn find_id(self, id: KeyId) -> Option<SnapshotRow<'s>> {
        let values = self.root.values.as_ref()?;
        let found = values.index.keys.with(id, |space, key| {
            let is_here = space == self.space;
            is_here.then(|| self.find(key)).flatten()
        });
        // The key may have been deleted and put again under another id.
        found.flatten().filter(|row| row.id() == id)
    }

    fn walk_span(
        self,
        span: &KeySpan,
        direction: Direction,
        among: Option<&Arc<IdBits>>,
    ) -> SpanWalk<'s> {
        let Some(ids) = among else {
            return SpanWalk(Way::All(AllWalk {
                walk: self.walk_from(),
                span: span.clone(),
                direction,
                begun: false,
            }));
        };
        SpanWalk(Way::Among(self.root.space(self.space).map(|space| {
            let keys = (span.start.as_slice(), span.end.as_deref());
            let backward = direction == Direction::Descending;
            Among::new(space, Arc::clone(ids), keys, backward)
        })))
    }

    fn value_of(self, row: SnapshotRow<'_>) -> Result<Slice<'s>> {
        Source::of(self.root).value(&row.0.item(), self.space, row.key())
    }

    fn estimate(self, span: &KeySpan) -> u64 {
        let Some(space) = self.root.space(self.space) else {
            return 0;
        };
        let start = space.rank(&span.start);
        let end = span.end.as_ref().map_or(space.len(), |end| space.rank(end));
        end.saturating_sub(start)
    }

    fn tokens(self) -> Option<&'s SearchIndex> {
        self.root.values.as_ref().map(|values| &values.index.tokens)
    }
}

/// A walk over a span of keys.
pub struct SpanWalk<'a>(Way<'a>);

enum Way<'a> {
    All(AllWalk<'a>),
    /// Over those with some ids; none where there is no such space.
    Among(Option<Among<'a>>),
}

/// A walk over every key of a span.
struct AllWalk<'a> {
    walk: Walk<'a>,
    span: KeySpan,
    direction: Direction,
    begun: bool,
}

impl<'a> AllWalk<'a> {
    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        self.step()?;
        let entry = self.walk.entry()?;
        let is_in = match self.direction {
            Direction::Ascending => self.span.end.as_deref().is_none_or(|end| entry.key() < end),
            Direction::Descending => entry.key() >= self.span.start.as_slice(),
        };
        is_in.then_some(entry)
    }

    #[inline]
    fn step(&mut self) -> Option<()> {
        let begun = std::mem::replace(&mut self.begun, true);
        let found = match (self.direction, begun) {
            (Direction::Ascending, false) => self.walk.seek(&self.span.start),
            (Direction::Ascending, true) => self.walk.next(),
            (Direction::Descending, true) => self.walk.prev(),
            (Direction::Descending, false) => match &self.span.end {
                None => self.walk.last(),
                Some(end) => match self.walk.seek_for_prev(end) {
                    // The end is not in the span.
                    Some((key, _)) if key == end => self.walk.prev(),
                    found => found,
                },
            },
        };
        found.map(|_| ())
    }
}

impl<'a> Iterator for SpanWalk<'a> {
    type Item = Result<SnapshotRow<'a>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let found = match &mut self.0 {
            Way::Among(walk) => walk.as_mut()?.next()?,
            Way::All(walk) => walk.next()?,
        };
        Some(Ok(SnapshotRow(found)))
    }
}

macro_rules! row_source {
    ($source:ty, $rows:ident => $as_rows:expr) => {
        impl RowSource for $source {
            type Row<'a>
                = SnapshotRow<'a>
            where
                Self: 'a;
            type Value<'a>
                = Slice<'a>
            where
                Self: 'a;
            type Walk<'a>
                = SpanWalk<'a>
            where
                Self: 'a;

            fn commit_index(&self) -> u64 {
                let $rows = self;
                $as_rows.root.last_commit_index
            }

            fn row(&self, key: &[u8]) -> Result<Option<SnapshotRow<'_>>> {
                let $rows = self;
                Ok($as_rows.find(key))
            }

            fn row_by_id(&self, id: KeyId) -> Result<Option<SnapshotRow<'_>>> {
                let $rows = self;
                Ok($as_rows.find_id(id))
            }

            fn walk(
                &self,
                span: &KeySpan,
                direction: Direction,
                among: Option<&Arc<IdBits>>,
            ) -> SpanWalk<'_> {
                let $rows = self;
                $as_rows.walk_span(span, direction, among)
            }

            fn value(&self, row: SnapshotRow<'_>) -> Result<Slice<'_>> {
                let $rows = self;
                $as_rows.value_of(row)
            }

            fn rows_estimate(&self, span: &KeySpan) -> u64 {
                let $rows = self;
                $as_rows.estimate(span)
            }

            fn value_index(&self) -> Option<&SearchIndex> {
                let $rows = self;
                $as_rows.tokens()
            }
        }
    };
}

row_source!(Snapshot, snapshot => snapshot.default_rows());
row_source!(SpaceRows<'_>, rows => rows);
