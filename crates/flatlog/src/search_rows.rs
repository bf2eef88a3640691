//! Queries over the snapshots of a store.

use kv_api::{Result, Space};

use crate::ids::{KeyId, SpaceId};
use crate::index::{Item, Walk};
use crate::place::Place;
use crate::query::{
    Direction, Explanation, FoundRows, KeySpan, Limits, Row, RowSource, explain, parse, run,
};
use crate::reader::Source;
use crate::root::Root;
use crate::search::SearchIndex;
use crate::slice::Slice;
use crate::snapshot::Snapshot;

/// The rows of one space of a snapshot, to be asked.
#[derive(Clone, Copy)]
pub struct SpaceRows<'s> {
    root: &'s Root,
    space: SpaceId,
}

/// Where a row's value lies in the log.
#[derive(Clone, Copy, Debug)]
pub struct ValuePlace(Place);

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
    /// tx.commit(kv_api::Durability::Sync)?;
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

    fn find(self, key: &[u8]) -> Option<(&'s [u8], Item)> {
        let found = self.walk_from().seek(key)?;
        (found.0 == key).then_some(found)
    }

    fn find_id(self, id: KeyId) -> Option<Row<'s, ValuePlace>> {
        let values = self.root.values.as_ref()?;
        let found = values.index.keys.with(id, |space, key| {
            let is_here = space == self.space;
            is_here.then(|| self.find(key)).flatten()
        });
        // The key may have been deleted and put again under another id.
        found
            .flatten()
            .filter(|(_, item)| item.key_id == id)
            .map(row)
    }

    fn walk_span(self, span: &KeySpan, direction: Direction) -> SpanWalk<'s> {
        SpanWalk {
            walk: self.walk_from(),
            span: span.clone(),
            direction,
            begun: false,
        }
    }

    fn value_of(self, row: &Row<'_, ValuePlace>) -> Result<Slice<'s>> {
        let item = Item {
            place: row.handle.0,
            commit_index: row.commit_index,
            key_id: row.id,
        };
        Source::of(self.root).value(&item, row.key.len())
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

fn row<'a>((key, item): (&'a [u8], Item)) -> Row<'a, ValuePlace> {
    Row {
        key,
        commit_index: item.commit_index,
        id: item.key_id,
        handle: ValuePlace(item.place),
    }
}

/// A walk over a span of keys.
pub struct SpanWalk<'a> {
    walk: Walk<'a>,
    span: KeySpan,
    direction: Direction,
    begun: bool,
}

impl<'a> SpanWalk<'a> {
    fn step(&mut self) -> Option<(&'a [u8], Item)> {
        let begun = std::mem::replace(&mut self.begun, true);
        match (self.direction, begun) {
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
        }
    }
}

impl<'a> Iterator for SpanWalk<'a> {
    type Item = Result<Row<'a, ValuePlace>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (key, item) = self.step()?;
        let is_in = match self.direction {
            Direction::Ascending => self.span.end.as_deref().is_none_or(|end| key < end),
            Direction::Descending => key >= self.span.start.as_slice(),
        };
        is_in.then(|| Ok(row((key, item))))
    }
}

macro_rules! row_source {
    ($source:ty, $rows:ident => $as_rows:expr) => {
        impl RowSource for $source {
            type Handle = ValuePlace;
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

            fn row(&self, key: &[u8]) -> Result<Option<Row<'_, ValuePlace>>> {
                let $rows = self;
                Ok($as_rows.find(key).map(row))
            }

            fn row_by_id(&self, id: KeyId) -> Result<Option<Row<'_, ValuePlace>>> {
                let $rows = self;
                Ok($as_rows.find_id(id))
            }

            fn walk(&self, span: &KeySpan, direction: Direction) -> SpanWalk<'_> {
                let $rows = self;
                $as_rows.walk_span(span, direction)
            }

            fn value(&self, row: &Row<'_, ValuePlace>) -> Result<Slice<'_>> {
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
