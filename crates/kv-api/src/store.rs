//! A store, its snapshots and its transactions.

use std::ops::Deref;

use crate::{Bytes, Cursor, Durability, Error, KeyRange, Range, Result, Space};

/// An ordered key-value store with snapshots.
///
/// A handle is shared by reference or in an `Arc`; every method takes `&self`.
///
/// # Isolation
///
/// A snapshot is the store at one point in time: it shows every commit that returned before it was
/// made, each whole or not at all, and nothing later. Transactions are serializable: the outcome of
/// those that committed is that of running them one after another. An engine that runs several at
/// once answers [`Error::Conflict`] at the commit of one that would break this; one that takes a
/// single writer never does.
///
/// # Limits
///
/// Every engine takes keys and space names of 1 to 32,768 bytes, and values of 0 bytes to at least
/// 1 MiB. What is above an engine's limits is [`Error::TooLarge`], never cut.
pub trait Store: Send + Sync + 'static {
    /// A view of one version.
    type Snapshot: Snapshot;
    /// A set of changes that becomes visible whole or not at all.
    type Transaction: Transaction;

    /// The newest committed version, frozen.
    fn snapshot(&self) -> Result<Self::Snapshot>;

    /// Starts a transaction; waits for its turn where an engine takes one writer at a time.
    fn begin(&self) -> Result<Self::Transaction>;

    /// Starts a transaction if that needs no waiting.
    fn try_begin(&self) -> Result<Option<Self::Transaction>>;

    /// Makes every commit that returned before this call durable.
    fn sync(&self) -> Result<()>;

    /// Makes everything durable, releases the store and reports what failed. Waits for open
    /// transactions and snapshots to end only where the engine's own documentation says so.
    /// Later calls on other handles answer [`Error::Closed`]; a second close does nothing.
    fn close(&self) -> Result<()>;

    /// Runs `read` on a fresh snapshot.
    fn view<T>(&self, read: impl FnOnce(&Self::Snapshot) -> Result<T>) -> Result<T> {
        read(&self.snapshot()?)
    }

    /// Runs `write` once and commits it with [`Durability::Sync`], or rolls it back if it
    /// answered an error. A closure's own error travels as [`Error::other`].
    fn update<T>(&self, write: impl FnOnce(&mut Self::Transaction) -> Result<T>) -> Result<T> {
        let mut transaction = self.begin()?;
        let value = write(&mut transaction)?;
        transaction.commit(Durability::Sync)?;
        Ok(value)
    }

    /// Like [`update`](Store::update), for a closure with an error type of its own.
    fn try_update<T, E: From<Error>>(
        &self,
        write: impl FnOnce(&mut Self::Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut transaction = self.begin()?;
        let value = write(&mut transaction)?;
        transaction.commit(Durability::Sync)?;
        Ok(value)
    }

    /// Like [`update`](Store::update), but runs `write` again as often as it meets
    /// [`Error::Conflict`].
    fn update_retry<T>(
        &self,
        mut write: impl FnMut(&mut Self::Transaction) -> Result<T>,
    ) -> Result<T> {
        loop {
            match self.update(&mut write) {
                Err(Error::Conflict) => {}
                done => return done,
            }
        }
    }
}

/// The power to read.
pub trait Reader {
    /// Bytes lent without copying.
    type Slice<'a>: Deref<Target = [u8]> + Clone
    where
        Self: 'a;
    /// A place in a space's key order.
    type Cursor<'a>: Cursor<Slice = Self::Slice<'a>>
    where
        Self: 'a;

    /// Resolves the space called `name`, if there is one. No space has the empty name: asking for
    /// it answers `None`. The default space has no name and is [`Space::DEFAULT`].
    ///
    /// A space is good for the reader that resolved it; another one answers
    /// [`Error::ForeignSpace`].
    fn space(&self, name: &[u8]) -> Result<Option<Space>>;

    /// The names of all spaces but the default one, ascending.
    fn space_names(&self) -> Result<Vec<Bytes>>;

    /// The value of `key`, lent by this reader. The empty key and one too long to be put are
    /// simply not there; so is any key for which nothing was put.
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Self::Slice<'_>>>;

    /// A cursor over `space`, placed nowhere.
    fn cursor(&self, space: Space) -> Result<Self::Cursor<'_>>;

    /// The pairs of `space` whose keys are in `keys`, from either end.
    fn range(&self, space: Space, keys: impl Into<KeyRange>) -> Result<Range<Self::Cursor<'_>>> {
        Ok(Range::new(
            self.cursor(space)?,
            self.cursor(space)?,
            keys.into(),
        ))
    }

    /// The pairs of `space` whose keys begin with `prefix`, from either end.
    fn prefix(&self, space: Space, prefix: &[u8]) -> Result<Range<Self::Cursor<'_>>> {
        self.range(space, KeyRange::prefix(prefix))
    }
}

/// One version of a store, owned: it may outlive the closure that made it and move to any thread.
pub trait Snapshot: Reader + Send + Sync + 'static {
    /// The value of `key`, owned. It pins this version for as long as it lives: the space of what
    /// was overwritten since does not come back before it is dropped.
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>>;
}

/// Changes on their way: reads its own writes, commits whole, rolls back when dropped.
pub trait Transaction: Reader + Send + 'static {
    /// Resolves the space called `name`, making it if it does not exist. The name must not be
    /// empty.
    fn create_space(&mut self, name: &[u8]) -> Result<Space>;

    /// Removes the space called `name` and all it holds; answers whether there was one. Spaces
    /// resolved from it before are stale: using one is an error or finds nothing.
    fn drop_space(&mut self, name: &[u8]) -> Result<bool>;

    /// Sets the value of `key`, which must not be empty.
    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()>;

    /// Removes `key`; its absence is no error.
    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()>;

    /// Removes every pair whose key is in `keys`.
    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()>;

    /// Sets the value of `key` if it has none; answers whether it did.
    fn insert_if_absent(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<bool> {
        self.compare_and_swap(space, key, None, Some(value))
    }

    /// Replaces the value of `key` by `new` (`None` removes it) if its value is `expected`
    /// (`None` stands for absence); answers whether it did.
    fn compare_and_swap(
        &mut self,
        space: Space,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool> {
        let holds = match (self.get(space, key)?, expected) {
            (Some(value), Some(expected)) => *value == *expected,
            (None, None) => true,
            _ => false,
        };
        match new {
            _ if !holds => {}
            Some(value) => self.put(space, key, value)?,
            None => self.delete(space, key)?,
        }
        Ok(holds)
    }

    /// Makes the changes visible, whole, with the promise of `durability`.
    ///
    /// An error's [`outcome`](Error::outcome) says whether the commit is known not to have
    /// happened.
    fn commit(self, durability: Durability) -> Result<()>;

    /// Forgets the changes. Dropping does the same.
    fn rollback(self)
    where
        Self: Sized,
    {
    }
}
