//! A bucket to read from and write to, through its transaction.

use btree::{BucketId, Buckets, TreeRef};
use kv_api::{Error, KeyRange, Place, Range, Result};
use pager::PageView;

use crate::bucket::for_each;
use crate::cursor::{Cursor, shown};
use crate::error::from_tree;
use crate::pair_cursor::PairCursor;
use crate::transaction::Transaction;

/// A bucket of a write transaction.
///
/// It borrows the transaction, so only one can be used at a time; [`BucketMut::id`] and
/// [`Transaction::at`] switch between several without searching for them again.
#[derive(Debug)]
pub struct BucketMut<'t> {
    pub(crate) transaction: &'t mut Transaction,
    id: BucketId,
}

impl<'t> BucketMut<'t> {
    pub(crate) fn new(transaction: &'t mut Transaction, id: BucketId) -> BucketMut<'t> {
        BucketMut { transaction, id }
    }

    /// This bucket's id, for as long as the transaction lives.
    pub fn id(&self) -> BucketId {
        self.id
    }

    fn tree(&self) -> Result<TreeRef<'_, PageView>> {
        let transaction = &*self.transaction;
        transaction
            .buckets
            .tree(&transaction.base.pages, self.id)
            .map_err(from_tree)
    }

    /// The value of `key`; none if it is absent or names a bucket.
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<&[u8]>> {
        let entry = self.tree()?.get(key.as_ref()).map_err(from_tree)?;
        Ok(entry.and_then(|entry| shown(entry).1))
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// `Invalid` for the empty key, `TooLarge` for a key above 32,768 bytes or a value above
    /// 2^31 - 2, `Incompatible` if the key names a bucket.
    pub fn put(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<()> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        buckets
            .put(&base.pages, self.id, key.as_ref(), value.as_ref())
            .map_err(from_tree)
    }

    /// Removes `key`; its absence is no error.
    ///
    /// # Errors
    ///
    /// `Incompatible` if the key names a bucket.
    pub fn delete(&mut self, key: impl AsRef<[u8]>) -> Result<()> {
        self.remove(key).map(drop)
    }

    /// Removes `key` and answers whether it was there.
    ///
    /// # Errors
    ///
    /// `Incompatible` if the key names a bucket.
    pub fn remove(&mut self, key: impl AsRef<[u8]>) -> Result<bool> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        let removed = buckets.remove(&base.pages, self.id, key.as_ref());
        removed.map_err(from_tree)
    }

    fn open(&mut self, name: &[u8]) -> Result<Option<BucketId>> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        let opened = buckets
            .open(&base.pages, self.id, name)
            .map_err(from_tree)?;
        if let Some(id) = opened {
            self.note_opened(name, id);
        }
        Ok(opened)
    }

    fn create(&mut self, name: &[u8]) -> Result<BucketId> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        let id = buckets
            .create(&base.pages, self.id, name)
            .map_err(from_tree)?;
        self.note_opened(name, id);
        Ok(id)
    }

    /// A top-level bucket may be known as a space, too.
    fn note_opened(&mut self, name: &[u8], id: BucketId) {
        if self.id == Buckets::TOP {
            self.transaction.spaces.get_mut().note_opened(name, id);
        }
    }

    /// The bucket called `name` inside this one.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or if the name is a key's.
    pub fn bucket(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        BucketMut::new(self.transaction, self.id).into_bucket(name.as_ref())
    }

    /// The bucket called `name` inside this one, if there is one.
    pub fn bucket_if_exists(&mut self, name: impl AsRef<[u8]>) -> Result<Option<BucketMut<'_>>> {
        let id = self.open(name.as_ref())?;
        Ok(id.map(|id| BucketMut::new(self.transaction, id)))
    }

    /// Makes the bucket called `name` inside this one.
    ///
    /// # Errors
    ///
    /// `Exists` if there is one, `Incompatible` if a key has that name, `Invalid` for the empty
    /// name, `TooLarge` for one above 32,768 bytes.
    pub fn create_bucket(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        BucketMut::new(self.transaction, self.id).into_new_bucket(name.as_ref())
    }

    /// The bucket called `name` inside this one, made if it does not exist.
    pub fn create_bucket_if_missing(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        BucketMut::new(self.transaction, self.id).into_bucket_or_new(name.as_ref())
    }

    pub(crate) fn into_bucket(mut self, name: &[u8]) -> Result<BucketMut<'t>> {
        self.id = self.open(name)?.ok_or(Error::NotFound { what: "bucket" })?;
        Ok(self)
    }

    pub(crate) fn into_new_bucket(mut self, name: &[u8]) -> Result<BucketMut<'t>> {
        self.id = self.create(name)?;
        Ok(self)
    }

    pub(crate) fn into_bucket_or_new(mut self, name: &[u8]) -> Result<BucketMut<'t>> {
        self.id = match self.open(name)? {
            Some(id) => id,
            None => self.create(name)?,
        };
        Ok(self)
    }

    /// Removes the bucket called `name` inside this one, with all it holds.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, `Incompatible` if the name is a key's.
    pub fn delete_bucket(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        buckets
            .delete(&base.pages, self.id, name.as_ref())
            .map_err(from_tree)?;
        if self.id == Buckets::TOP {
            self.transaction.spaces.get_mut().drop_name(name.as_ref());
        }
        Ok(())
    }

    /// The sequence number.
    pub fn sequence(&self) -> Result<u64> {
        self.transaction
            .buckets
            .sequence(self.id)
            .map_err(from_tree)
    }

    /// Sets the sequence number.
    pub fn set_sequence(&mut self, sequence: u64) -> Result<()> {
        self.transaction
            .buckets
            .set_sequence(self.id, sequence)
            .map_err(from_tree)
    }

    /// Raises the sequence number by one and answers it; the first is 1.
    pub fn next_sequence(&mut self) -> Result<u64> {
        let next = self.sequence()?.wrapping_add(1);
        self.set_sequence(next)?;
        Ok(next)
    }

    /// How full splits leave a page, from 0.1 to 1, by bbolt's own rule. Without this, pages
    /// behind appended keys are left full and others balanced. Not stored.
    pub fn set_fill_share(&mut self, share: f64) -> Result<()> {
        let Transaction { buckets, base, .. } = &mut *self.transaction;
        buckets
            .set_fill_share(&base.pages, self.id, share)
            .map_err(from_tree)
    }

    /// A cursor over pairs and buckets, placed nowhere.
    pub fn cursor(&self) -> Result<Cursor<'_>> {
        Ok(Cursor::new(self.tree()?.cursor()))
    }

    /// The pairs whose keys are in `keys`, from either end.
    pub fn range(&self, keys: impl Into<KeyRange>) -> Result<Range<PairCursor<'_>>> {
        let (front, back) = (self.cursor()?, self.cursor()?);
        Ok(Range::new(
            PairCursor::new(front),
            PairCursor::new(back),
            keys.into(),
        ))
    }

    /// The pairs whose keys begin with `prefix`, from either end.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Result<Range<PairCursor<'_>>> {
        self.range(KeyRange::prefix(prefix.as_ref()))
    }

    /// Removes every pair whose key is in `keys`; buckets stay.
    pub fn delete_range(&mut self, keys: impl Into<KeyRange>) -> Result<()> {
        let keys = keys.into();
        // Gathered in batches, because a cursor cannot stay open across a change.
        loop {
            let found = self.range(keys.clone())?.take(DELETE_BATCH);
            let found = found
                .map(|pair| pair.map(|(key, _)| key.to_vec()))
                .collect::<Result<Vec<_>>>()?;
            if found.is_empty() {
                return Ok(());
            }
            for key in found {
                if !self.remove(&key)? {
                    // Asked for once more it would come back once more, for ever.
                    let what = "a key that a scan shows and a search does not find";
                    return Err(Error::corrupt(Place::Store, what));
                }
            }
        }
    }

    /// Calls `visit` with every entry in key order, until it answers an error. A bucket's value
    /// is `None`.
    pub fn for_each(&self, visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<()>) -> Result<()> {
        for_each(self.cursor()?, visit)
    }

    /// Calls `visit` with the name of every bucket inside, in key order.
    pub fn for_each_bucket(&self, mut visit: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.for_each(|key, value| if value.is_none() { visit(key) } else { Ok(()) })
    }
}

impl Transaction {
    /// The bucket at `path`, from the top inwards; the top bucket for the empty path.
    ///
    /// # Errors
    ///
    /// `NotFound` if one on the way is missing, or if its name is a key's.
    pub fn bucket_at<N: AsRef<[u8]>>(
        &mut self,
        path: impl IntoIterator<Item = N>,
    ) -> Result<BucketMut<'_>> {
        let mut names = path.into_iter();
        names.try_fold(self.root(), |bucket, name| {
            bucket.into_bucket(name.as_ref())
        })
    }

    /// The top bucket, which holds the others.
    pub fn root(&mut self) -> BucketMut<'_> {
        BucketMut::new(self, Buckets::TOP)
    }

    /// The bucket with this id, as [`BucketMut::id`] gave it: a way to hold several at once.
    pub fn at(&mut self, id: BucketId) -> BucketMut<'_> {
        BucketMut::new(self, id)
    }

    /// The bucket called `name`.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or if the name is a key's.
    pub fn bucket(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        self.root().into_bucket(name.as_ref())
    }

    /// Makes the bucket called `name`.
    ///
    /// # Errors
    ///
    /// `Exists` if there is one, `Incompatible` if a key has that name, `Invalid` for the empty
    /// name.
    pub fn create_bucket(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        self.root().into_new_bucket(name.as_ref())
    }

    /// The bucket called `name`, made if it does not exist.
    pub fn create_bucket_if_missing(&mut self, name: impl AsRef<[u8]>) -> Result<BucketMut<'_>> {
        self.root().into_bucket_or_new(name.as_ref())
    }

    /// Removes the bucket called `name` with all it holds.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, `Incompatible` if the name is a key's.
    pub fn delete_bucket(&mut self, name: impl AsRef<[u8]>) -> Result<()> {
        self.root().delete_bucket(name)
    }
}

const DELETE_BATCH: usize = 4096;
