//! A bucket to read from.

use btree::{
    BucketHeader, BucketStatistics, Buckets, EntryKind, TreeRef, bucket_statistics, entry_kind,
};
use kv_api::{Error, KeyRange, Range, Result};
use pager::PageView;

use crate::cursor::{Cursor, shown};
use crate::error::from_tree;
use crate::pair_cursor::PairCursor;

/// A bucket of a snapshot. A small copyable handle; what it lends lives as long as the snapshot.
///
/// ```
/// # fn main() -> txn::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let db = txn::Db::open(directory.path().join("my.db"))?;
/// # db.update(|tx| tx.create_bucket("events")?.put("1994-05-01T00:00:00Z", "launch"))?;
/// let snapshot = db.snapshot()?;
/// let events = snapshot.bucket("events")?;
/// let nineties = events.range("1990-01-01T00:00:00Z"..="2000-01-01T00:00:00Z");
/// assert_eq!(nineties.count(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    header: BucketHeader,
    tree: TreeRef<'a, PageView>,
    /// The value of the entry that names this bucket; none for the top bucket.
    entry: Option<&'a [u8]>,
}

impl<'a> Bucket<'a> {
    pub(crate) fn top(header: BucketHeader, tree: TreeRef<'a, PageView>) -> Bucket<'a> {
        let entry = None;
        Bucket {
            header,
            tree,
            entry,
        }
    }

    /// The bucket that an entry of `tree` names.
    #[inline]
    fn of_entry(tree: &TreeRef<'a, PageView>, entry: btree::Entry<'a>) -> Result<Bucket<'a>> {
        let (header, inner) = tree.open_bucket(entry).map_err(from_tree)?;
        Ok(Bucket {
            header,
            tree: inner,
            entry: Some(entry.value),
        })
    }

    /// The value of `key`; none if it is absent or names a bucket.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&'a [u8]>> {
        let entry = self.tree.get(key.as_ref()).map_err(from_tree)?;
        Ok(entry.and_then(|entry| shown(entry).1))
    }

    /// The bucket called `name` inside this one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or if the name is a key's.
    #[inline]
    pub fn bucket(&self, name: impl AsRef<[u8]>) -> Result<Bucket<'a>> {
        self.bucket_if_exists(name)?
            .ok_or(Error::NotFound { what: "bucket" })
    }

    /// The bucket called `name` inside this one, if there is one.
    #[inline]
    pub fn bucket_if_exists(&self, name: impl AsRef<[u8]>) -> Result<Option<Bucket<'a>>> {
        match self.tree.get(name.as_ref()).map_err(from_tree)? {
            Some(entry) if entry_kind(entry.flags) == EntryKind::Bucket => {
                Bucket::of_entry(&self.tree, entry).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The sequence number.
    pub fn sequence(&self) -> u64 {
        self.header.sequence
    }

    /// The root page; 0 for a bucket that lives inside its parent's leaf.
    pub fn root_page(&self) -> u64 {
        self.header.root.0
    }

    /// The shape of this bucket and of every bucket in it. Reads all of their pages.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let db = txn::Db::open(directory.path().join("my.db"))?;
    /// # db.update(|tx| tx.create_bucket("small")?.put("key", "value"))?;
    /// let shape = db.snapshot()?.bucket("small")?.statistics()?;
    /// assert_eq!((shape.keys, shape.buckets, shape.inline_buckets), (1, 1, 1));
    /// # Ok(())
    /// # }
    /// ```
    pub fn statistics(&self) -> Result<BucketStatistics> {
        let top = self.header.encode();
        bucket_statistics(self.tree.source(), self.entry.unwrap_or(&top)).map_err(from_tree)
    }

    /// A cursor over pairs and buckets, placed nowhere.
    pub fn cursor(&self) -> Cursor<'a> {
        Cursor::new(self.tree.cursor())
    }

    /// The pairs whose keys are in `keys`, from either end.
    pub fn range(&self, keys: impl Into<KeyRange>) -> Range<PairCursor<'a>> {
        let cursor = || PairCursor::new(self.cursor());
        Range::new(cursor(), cursor(), keys.into())
    }

    /// The pairs whose keys begin with `prefix`, from either end.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range<PairCursor<'a>> {
        self.range(KeyRange::prefix(prefix.as_ref()))
    }

    /// Calls `visit` with every entry in key order, until it answers an error. A bucket's value
    /// is `None`.
    pub fn for_each(
        &self,
        visit: impl FnMut(&'a [u8], Option<&'a [u8]>) -> Result<()>,
    ) -> Result<()> {
        for_each(self.cursor(), visit)
    }

    /// Calls `visit` with the name of every bucket inside, in key order.
    pub fn for_each_bucket(&self, mut visit: impl FnMut(&'a [u8]) -> Result<()>) -> Result<()> {
        self.for_each(|key, value| if value.is_none() { visit(key) } else { Ok(()) })
    }
}

impl<'a> Cursor<'a> {
    /// The bucket the cursor is on, if it is on one.
    pub fn bucket(&mut self) -> Result<Option<Bucket<'a>>> {
        self.go_on()?;
        let Some(entry) = self.inner.current().map_err(from_tree)? else {
            return Ok(None);
        };
        if entry_kind(entry.flags) == EntryKind::Pair {
            return Ok(None);
        }
        Bucket::of_entry(self.inner.tree(), entry).map(Some)
    }
}

/// Calls `visit` with every entry that `cursor` comes to.
pub(crate) fn for_each<'a>(
    mut cursor: Cursor<'a>,
    mut visit: impl FnMut(&'a [u8], Option<&'a [u8]>) -> Result<()>,
) -> Result<()> {
    let mut entry = cursor.first()?;
    while let Some((key, value)) = entry {
        visit(key, value)?;
        entry = cursor.next()?;
    }
    Ok(())
}

/// The top bucket's id, where a bucket id is asked for.
pub(crate) const TOP: btree::BucketId = Buckets::TOP;
