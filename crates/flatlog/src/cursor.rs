//! A cursor over one space of a snapshot or a transaction.

use kv_api::{Error, Result};

use crate::ids::SpaceId;
use crate::index::{Item, Walk};
use crate::reader::Source;
use crate::slice::Slice;

/// A place in the key order of one space.
pub struct Cursor<'a> {
    source: Source<'a>,
    space: SpaceId,
    walk: Walk<'a>,
    failed: Option<Error>,
}

type Entry<'a> = Option<(&'a [u8], Item)>;
type Pair<'a> = Option<(Slice<'a>, Slice<'a>)>;

impl<'a> Cursor<'a> {
    pub(crate) fn new(source: Source<'a>, space: SpaceId) -> Cursor<'a> {
        Cursor {
            source,
            space,
            walk: source.walk(space),
            failed: None,
        }
    }

    #[inline]
    fn show(&mut self, entry: Entry<'a>) -> Result<Pair<'a>> {
        let Some((key, item)) = entry else {
            return Ok(None);
        };
        match self.source.value(&item, self.space, key) {
            Ok(value) => Ok(Some((Slice::Lent(key), value))),
            Err(error) => {
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    fn go_on(&self) -> Result<()> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => Ok(()),
        }
    }

    /// The commit index of the pair the cursor is on.
    pub fn commit_index(&self) -> Option<u64> {
        self.walk.current().map(|(_, item)| item.commit_index)
    }
}

impl<'a> kv_api::Cursor for Cursor<'a> {
    type Slice = Slice<'a>;

    fn first(&mut self) -> Result<Pair<'a>> {
        self.failed = None;
        let entry = self.walk.first();
        self.show(entry)
    }

    fn last(&mut self) -> Result<Pair<'a>> {
        self.failed = None;
        let entry = self.walk.last();
        self.show(entry)
    }

    fn seek(&mut self, key: &[u8]) -> Result<Pair<'a>> {
        self.failed = None;
        let entry = self.walk.seek(key);
        self.source.prefetch(self.walk.ahead());
        self.show(entry)
    }

    fn seek_for_prev(&mut self, key: &[u8]) -> Result<Pair<'a>> {
        self.failed = None;
        let entry = self.walk.seek_for_prev(key);
        self.source.prefetch(self.walk.behind());
        self.show(entry)
    }

    #[inline]
    fn next(&mut self) -> Result<Pair<'a>> {
        self.go_on()?;
        let entry = self.walk.next();
        self.source.prefetch(self.walk.ahead());
        self.show(entry)
    }

    #[inline]
    fn prev(&mut self) -> Result<Pair<'a>> {
        self.go_on()?;
        let entry = self.walk.prev();
        self.source.prefetch(self.walk.behind());
        self.show(entry)
    }

    fn current(&mut self) -> Result<Pair<'a>> {
        self.go_on()?;
        let entry = self.walk.current();
        self.show(entry)
    }
}
