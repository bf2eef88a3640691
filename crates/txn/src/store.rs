//! The engine behind `kv-api`.
//!
//! A space is a top-level bucket; the default space is the top bucket's own pairs, so that a
//! digest of the same contents is the same in every engine. Buckets inside a space are passed
//! over by cursors and never touched by `delete_range`.

use std::sync::Arc;

use btree::{BucketId, Buckets, EntryKind, TreeRef, entry_kind};
use kv_api::capability::{
    Backup, BucketVisitor, Check, CheckSummary, Finding, NestedReader, NestedWriter,
};
use kv_api::{Bytes, Durability, Error, KeyRange, Reader, Result, Space, Store};
use pager::{PageId, PageSource, PageView};

use crate::cursor::{Cursor, shown};
use crate::db::Db;
use crate::error::{from_pager, from_tree};
use crate::pair_cursor::PairCursor;
use crate::snapshot::Snapshot;
use crate::space_table::Place;
use crate::transaction::Transaction;
use crate::version::Version;

fn names_of(cursor: Cursor<'_>) -> Result<Vec<Bytes>> {
    let mut names = Vec::new();
    crate::bucket::for_each(cursor, |name, value| {
        if value.is_none() {
            names.push(Bytes::copy_from_slice(name));
        }
        Ok(())
    })?;
    Ok(names)
}

impl Store for Db {
    type Snapshot = Snapshot;
    type Transaction = Transaction;

    fn snapshot(&self) -> Result<Snapshot> {
        Db::snapshot(self)
    }

    fn begin(&self) -> Result<Transaction> {
        Db::begin(self)
    }

    fn try_begin(&self) -> Result<Option<Transaction>> {
        Db::try_begin(self)
    }

    fn sync(&self) -> Result<()> {
        Db::sync(self)
    }

    fn close(&self) -> Result<()> {
        Db::close(self)
    }
}

impl Snapshot {
    fn space_tree(&self, space: Space) -> Result<TreeRef<'_, PageView>> {
        if space.is_default() {
            return Ok(TreeRef::at_page(self.pages(), self.version().meta.root));
        }
        if space.owner() != self.stamp() {
            return Err(Error::ForeignSpace);
        }
        Place::from_id(space.id()).tree(self.pages())
    }
}

impl Reader for Snapshot {
    type Slice<'a> = &'a [u8];
    type Cursor<'a> = PairCursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let top = TreeRef::at_page(self.pages(), self.version().meta.root);
        let Some((elements, index)) = top.locate(name).map_err(from_tree)? else {
            return Ok(None);
        };
        if entry_kind(elements.flags(index).map_err(from_pager)?) == EntryKind::Pair {
            return Ok(None);
        }
        Ok(Some(Space::new(
            Place::of(elements, index)?.id()?,
            self.stamp(),
        )))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        names_of(Snapshot::cursor(self))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<&[u8]>> {
        let entry = self.space_tree(space)?.get(key).map_err(from_tree)?;
        Ok(entry.and_then(|entry| shown(entry).1))
    }

    fn cursor(&self, space: Space) -> Result<PairCursor<'_>> {
        let counters = &self.version().counters;
        counters.add(&counters.cursors, 1);
        Ok(PairCursor::new(Cursor::new(
            self.space_tree(space)?.cursor(),
        )))
    }
}

impl kv_api::Snapshot for Snapshot {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        let located = self.space_tree(space)?.locate(key).map_err(from_tree)?;
        let Some((elements, index)) = located else {
            return Ok(None);
        };
        if entry_kind(elements.flags(index).map_err(from_pager)?) == EntryKind::Bucket {
            return Ok(None);
        }
        let (start, len) = elements.value_range(index).map_err(from_pager)?;
        if elements.id().0 == 0 {
            // Inside a bucket that lives in a value: at most a quarter of a page.
            let value = elements.value(index).map_err(from_pager)?;
            return Ok(Some(Bytes::copy_from_slice(value)));
        }
        let pages = elements.run_pages(self.pages().page_bytes());
        let version = Arc::clone(self.version());
        Ok(Some(Bytes::from_owner(Pinned {
            version,
            run: elements.id(),
            pages,
            start,
            len,
        })))
    }
}

/// A value that keeps its version alive instead of being copied.
struct Pinned {
    version: Arc<Version>,
    run: PageId,
    pages: u64,
    start: usize,
    len: usize,
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        // The same question was answered when this was made, from pages that do not change.
        let run = self
            .version
            .pages
            .raw(self.run, self.pages)
            .unwrap_or_default();
        run.get(self.start..self.start + self.len)
            .unwrap_or_default()
    }
}

impl Transaction {
    fn place(&self, space: Space) -> Result<Place> {
        if space.is_default() {
            return Ok(Place::Opened(Buckets::TOP));
        }
        if space.owner() != self.stamp {
            return Err(Error::ForeignSpace);
        }
        Ok(self.spaces.borrow().place(space.id()))
    }

    fn space_tree(&self, space: Space) -> Result<TreeRef<'_, PageView>> {
        match self.place(space)? {
            Place::Opened(id) => self.buckets.tree(&self.base.pages, id).map_err(from_tree),
            place => place.tree(&self.base.pages),
        }
    }

    /// The bucket of `space`, opened for writing.
    fn open_space(&mut self, space: Space) -> Result<BucketId> {
        match self.place(space)? {
            Place::Opened(id) => Ok(id),
            Place::Gone => Err(Error::NotFound { what: "space" }),
            Place::Root(_) | Place::Inline(..) => {
                let name = self
                    .spaces
                    .get_mut()
                    .name_of(space.id())
                    .map(<[u8]>::to_vec);
                let name = name.ok_or(Error::NotFound { what: "space" })?;
                let id = self.bucket(&name)?.id();
                self.spaces.get_mut().set(&name, Place::Opened(id));
                Ok(id)
            }
        }
    }

    fn resolve(&self, name: &[u8]) -> Result<Option<Place>> {
        if let Some(id) = self.buckets.opened(Buckets::TOP, name) {
            return Ok(Some(Place::Opened(id)));
        }
        let pages = &self.base.pages;
        let entry = self
            .buckets
            .get(pages, Buckets::TOP, name)
            .map_err(from_tree)?;
        if entry.is_none_or(|entry| entry_kind(entry.flags) == EntryKind::Pair) {
            return Ok(None);
        }
        // A bucket that was not opened has not changed, so the base version still has it.
        let base = TreeRef::at_page(pages, self.base.meta.root);
        let located = base.locate(name).map_err(from_tree)?;
        located
            .map(|(elements, index)| Place::of(elements, index))
            .transpose()
    }

    fn at_path(&mut self, path: &[&[u8]]) -> Result<BucketId> {
        let mut id = Buckets::TOP;
        for name in path {
            id = self.at(id).bucket(name)?.id();
        }
        Ok(id)
    }
}

impl Reader for Transaction {
    type Slice<'a> = &'a [u8];
    type Cursor<'a> = PairCursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let Some(place) = self.resolve(name)? else {
            return Ok(None);
        };
        let id = self.spaces.borrow_mut().set(name, place);
        Ok(Some(Space::new(id, self.stamp)))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        let tree = self
            .buckets
            .tree(&self.base.pages, Buckets::TOP)
            .map_err(from_tree)?;
        names_of(Cursor::new(tree.cursor()))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<&[u8]>> {
        let entry = self.space_tree(space)?.get(key).map_err(from_tree)?;
        Ok(entry.and_then(|entry| shown(entry).1))
    }

    fn cursor(&self, space: Space) -> Result<PairCursor<'_>> {
        Ok(PairCursor::new(Cursor::new(
            self.space_tree(space)?.cursor(),
        )))
    }
}

impl kv_api::Transaction for Transaction {
    fn create_space(&mut self, name: &[u8]) -> Result<Space> {
        let id = self.create_bucket_if_missing(name)?.id();
        let space = self.spaces.get_mut().set(name, Place::Opened(id));
        Ok(Space::new(space, self.stamp))
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        self.spaces.get_mut().drop_name(name);
        match self.delete_bucket(name) {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. } | Error::Incompatible { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        let id = self.open_space(space)?;
        self.buckets
            .put(&self.base.pages, id, key, value)
            .map_err(from_tree)
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        let id = self.open_space(space)?;
        match self.at(id).delete(key) {
            // A bucket is not one of the space's pairs, so there is nothing to remove.
            Err(Error::Incompatible { .. }) => Ok(()),
            deleted => deleted,
        }
    }

    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()> {
        let id = self.open_space(space)?;
        self.at(id).delete_range(keys)
    }

    fn commit(self, durability: Durability) -> Result<()> {
        self.commit_with(durability)
    }
}

impl Check for Db {
    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        crate::check::check(&Db::snapshot(self)?, report)
    }
}

impl Backup for Db {
    fn backup(&self, to: &mut dyn std::io::Write) -> Result<u64> {
        Db::snapshot(self)?.write_to(to)
    }
}

impl NestedReader for Snapshot {
    fn visit(&self, visitor: &mut dyn BucketVisitor) -> Result<()> {
        crate::visit::visit(self, visitor)
    }
}

impl NestedWriter for Transaction {
    fn create_bucket(&mut self, path: &[&[u8]]) -> Result<()> {
        let mut id = Buckets::TOP;
        for name in path {
            id = self.at(id).create_bucket_if_missing(name)?.id();
        }
        Ok(())
    }

    fn delete_bucket(&mut self, path: &[&[u8]]) -> Result<bool> {
        let Some((name, parents)) = path.split_last() else {
            return Err(Error::Invalid {
                what: "the top bucket cannot be deleted",
            });
        };
        if let ([], name) = (parents, name) {
            return kv_api::Transaction::drop_space(self, name);
        }
        let deleted = self
            .at_path(parents)
            .and_then(|id| self.at(id).delete_bucket(name));
        match deleted {
            Ok(()) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn put_in(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()> {
        let id = self.at_path(path)?;
        self.at(id).put(key, value)
    }

    fn set_sequence(&mut self, path: &[&[u8]], sequence: u64) -> Result<()> {
        let id = self.at_path(path)?;
        self.at(id).set_sequence(sequence)
    }
}
