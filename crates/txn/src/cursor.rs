//! A place in a bucket's key order, over pairs and buckets alike.

use kv_api::{Error, Result};
use pager::PageView;

use btree::{EntryKind, entry_kind};

use crate::error::from_tree;

/// A key with its value, or a name with `None` for a bucket.
pub type Entry<'a> = (&'a [u8], Option<&'a [u8]>);

/// A place in a bucket's key order.
///
/// A fresh cursor is nowhere; an end does not move it; a seek past the last entry leaves it
/// behind that entry. An error is sticky: later moves answer it again, until a `first`, `last` or
/// seek starts afresh.
#[derive(Debug)]
pub struct Cursor<'a> {
    pub(crate) inner: btree::Cursor<'a, PageView>,
    failed: Option<Error>,
}

/// What a move answers.
type Moved<'a> = Result<Option<Entry<'a>>>;

impl<'a> Cursor<'a> {
    pub(crate) fn new(inner: btree::Cursor<'a, PageView>) -> Cursor<'a> {
        Cursor {
            inner,
            failed: None,
        }
    }

    fn keep(&mut self, moved: btree::Result<Option<btree::Entry<'a>>>) -> Moved<'a> {
        match moved {
            Ok(entry) => Ok(entry.map(shown)),
            Err(error) => {
                let error = from_tree(error);
                self.failed = Some(error.clone());
                Err(error)
            }
        }
    }

    pub(crate) fn go_on(&self) -> Result<()> {
        match &self.failed {
            None => Ok(()),
            Some(error) => Err(error.clone()),
        }
    }

    /// Moves to the first entry.
    pub fn first(&mut self) -> Moved<'a> {
        self.failed = None;
        let moved = self.inner.first();
        self.keep(moved)
    }

    /// Moves to the last entry.
    pub fn last(&mut self) -> Moved<'a> {
        self.failed = None;
        let moved = self.inner.last();
        self.keep(moved)
    }

    /// Moves to the first entry at or after `key`.
    pub fn seek(&mut self, key: impl AsRef<[u8]>) -> Moved<'a> {
        self.failed = None;
        let moved = self.inner.seek(key.as_ref());
        self.keep(moved)
    }

    /// Moves to the last entry at or before `key`.
    pub fn seek_for_prev(&mut self, key: impl AsRef<[u8]>) -> Moved<'a> {
        self.failed = None;
        let moved = self.inner.seek_for_prev(key.as_ref());
        self.keep(moved)
    }

    /// Moves to the following entry; at the last one stays there and answers `None`.
    pub fn next(&mut self) -> Moved<'a> {
        self.go_on()?;
        let moved = self.inner.next();
        self.keep(moved)
    }

    /// Moves to the preceding entry; at the first one stays there and answers `None`.
    pub fn prev(&mut self) -> Moved<'a> {
        self.go_on()?;
        let moved = self.inner.prev();
        self.keep(moved)
    }

    /// The entry the cursor is on.
    pub fn current(&mut self) -> Moved<'a> {
        self.go_on()?;
        let moved = self.inner.current();
        self.keep(moved)
    }
}

/// An entry as its reader sees it.
pub(crate) fn shown(entry: btree::Entry<'_>) -> Entry<'_> {
    match entry_kind(entry.flags) {
        EntryKind::Pair => (entry.key, Some(entry.value)),
        EntryKind::Bucket => (entry.key, None),
    }
}
