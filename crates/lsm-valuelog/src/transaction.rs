//! A transaction: changes on their way, checked for conflicts when they are committed.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use kv_api::{Bytes, Durability, Error, KeyRange, Reader, Result, Space};

use crate::banned::banned_key;
use crate::bounds::{KEY_BYTES_MAX, VALUE_BYTES_MAX, refuse_key, refuse_longer};
use crate::commit_queue::Commit;
use crate::cursor::Cursor;
use crate::entry::Extra;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, MEMORY_SPACE, SYSTEM_SPACE, StoredRange, stored};
use crate::operands;
use crate::read_set::ReadSet;
use crate::shared::Shared;
use crate::slice::Slice;
use crate::snapshot::{LookupKey, names};
use crate::spaces;
use crate::stamp::fresh_stamp;
use crate::state::State;
use crate::write_set::WriteSet;

/// A transaction with serializable snapshot isolation: it reads one version and its own changes,
/// and commits if nothing it read was changed since, ranges included. Rolls back when dropped.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Durability, ErrorKind, Reader, Space, Transaction};
///
/// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
/// let (mut one, mut two) = (db.begin()?, db.begin()?);
/// for tx in [&mut one, &mut two] {
///     if tx.get(Space::DEFAULT, b"seat 7")?.is_none() {
///         tx.put(Space::DEFAULT, b"seat 7", b"taken")?;
///     }
/// }
/// one.commit(Durability::Sync)?;
/// assert_eq!(two.commit(Durability::Sync).map_err(|error| error.kind()), Err(ErrorKind::Conflict));
/// # Ok(())
/// # }
/// ```
pub struct Transaction {
    shared: Arc<Shared>,
    state: Arc<State>,
    at: Sequence,
    now: u64,
    writes: WriteSet,
    reads: RefCell<ReadSet>,
    stamp: u64,
    /// Spaces that this transaction dropped.
    dropped: BTreeSet<u64>,
    /// The version that its commit is to have, if the caller has chosen one.
    version: Option<Sequence>,
}

impl Transaction {
    /// Begins at an older version, or at the newest one if `version` is later.
    ///
    /// # Errors
    ///
    /// `NotFound` for a version that is lost in part.
    pub(crate) fn begin_at(shared: &Arc<Shared>, version: Sequence) -> Result<Transaction> {
        // Noted before anything is looked at: from now on no deletion after this version is
        // forgotten, unless history was given up before, which is seen below.
        shared.enter(version);
        let mut transaction = Transaction::begin(shared);
        if version >= transaction.at {
            shared.leave(version);
            return Ok(transaction);
        }
        shared.leave(std::mem::replace(&mut transaction.at, version));
        let mark = Sequence(shared.discard_at.load(Ordering::Acquire));
        if !shared.options.keeps_history || version < mark {
            return Err(discarded());
        }
        refuse_discarded(&transaction.state, version)?;
        Ok(transaction)
    }

    pub(crate) fn begin(shared: &Arc<Shared>) -> Transaction {
        // Noted first at a version that is not newer than the one read, so that nothing newer
        // than what is read goes unnoticed meanwhile.
        let noted = shared.visible();
        shared.enter(noted);
        let (state, at) = shared.current();
        if at != noted {
            shared.enter(at);
            shared.leave(noted);
        }
        Transaction {
            state,
            at,
            now: shared.now(),
            writes: WriteSet::default(),
            reads: RefCell::default(),
            stamp: fresh_stamp(),
            dropped: BTreeSet::new(),
            version: None,
            shared: Arc::clone(shared),
        }
    }

    /// The version that this transaction reads.
    pub fn sequence(&self) -> Sequence {
        self.at
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    pub(crate) fn number(&self, space: Space) -> Result<u64> {
        if space.is_default() {
            return Ok(DEFAULT_SPACE);
        }
        if space.owner() != self.stamp {
            return Err(Error::ForeignSpace);
        }
        Ok(space.id())
    }

    pub(crate) fn writable(&self, space: Space) -> Result<u64> {
        let number = self.number(space)?;
        if self.dropped.contains(&number) {
            return Err(Error::NotFound { what: "space" });
        }
        Ok(number)
    }

    fn read(&self, key: &[u8]) -> Result<Option<Slice<'_>>> {
        if let Some(change) = self.writes.get(key) {
            let is_there = !change.extra.is_expired(self.now);
            return Ok(change.value.filter(|_| is_there).map(Slice::lent));
        }
        self.reads.borrow_mut().add_key(key);
        self.state.get(key, self.at, self.now)
    }

    pub(crate) fn cursor_over(&self, space: u64) -> Cursor<'_> {
        let own = Some((&self.writes, &self.reads));
        let moment = (self.at, self.now);
        Cursor::new(&self.state, StoredRange::space(space), moment, own)
    }

    pub(crate) fn set(
        &mut self,
        space: Space,
        key: &[u8],
        value: Option<&[u8]>,
        extra: Extra,
    ) -> Result<()> {
        let number = self.writable(space)?;
        if value.is_some() {
            refuse_key(key)?;
            refuse_longer("value", value.map_or(0, <[u8]>::len), VALUE_BYTES_MAX)?;
        } else if key.is_empty() || key.len() > KEY_BYTES_MAX {
            // It cannot be there.
            return Ok(());
        }
        let key = LookupKey::new(number, key);
        if self.state.version.hides(key.bytes()) {
            return Err(banned_key());
        }
        self.writes.set(key.bytes(), value, extra);
        Ok(())
    }

    /// What a cursor over `space` of one's own making needs.
    pub(crate) fn view(&self) -> (&State, Sequence, u64, Own<'_>) {
        (&self.state, self.at, self.now, (&self.writes, &self.reads))
    }

    /// Deletes every key of a stored range that is there.
    fn delete_stored(&mut self, space: u64, range: &StoredRange) -> Result<()> {
        let mut doomed = Vec::new();
        {
            let own = Some((&self.writes, &self.reads));
            let moment = (self.at, self.now);
            let mut cursor = Cursor::new(&self.state, range.clone(), moment, own);
            let mut moved = cursor.first_stored()?;
            while let Some(key) = moved {
                doomed.push(key);
                moved = cursor.next_stored()?;
            }
        }
        debug_assert!(space != SYSTEM_SPACE);
        for key in doomed {
            self.writes.set(&key, None, Extra::default());
        }
        Ok(())
    }

    fn record(&self, name: &[u8]) -> Result<Option<u64>> {
        let record = self.read(&spaces::record_key(name))?;
        record.map(|value| spaces::decode(&value)).transpose()
    }

    /// Notes the version that the commit is to have.
    pub(crate) fn choose_version(&mut self, version: Sequence) -> Result<()> {
        self.shared.admit_version(version, self.shared.visible())?;
        self.version = Some(version);
        Ok(())
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What there is to be committed; nothing is left.
    pub(crate) fn take_commit(&mut self, durability: Durability) -> Commit {
        let mut writes = std::mem::take(&mut self.writes);
        if self.version.is_some() && writes.is_empty() {
            // A version that is to be remembered needs a record to stand in.
            writes.set(&version_key(), Some(&[]), Extra::default());
        }
        let reads = self.reads.take();
        Commit {
            writes,
            reads: if self.shared.options.detects_conflicts {
                reads
            } else {
                ReadSet::default()
            },
            read_at: self.at,
            drops_seen: self.state.drops,
            version: self.version,
            durability,
        }
    }

    pub(crate) fn commit_with(mut self, durability: Durability) -> Result<Sequence> {
        let commit = self.take_commit(durability);
        let shared = Arc::clone(&self.shared);
        let outcome = shared.commit_untidied(commit);
        // It is over: as long as it counted as open, merging would keep the deletions that are
        // newer than what it read, and take them down to where nothing ever touches them again.
        drop(self);
        shared.tidy_after(&outcome);
        outcome
    }
}

/// What a transaction has changed, and where it notes what it reads.
pub(crate) type Own<'a> = (&'a WriteSet, &'a RefCell<ReadSet>);

/// The record of a commit that changes nothing.
fn version_key() -> Vec<u8> {
    stored(MEMORY_SPACE, b"version")
}

/// Refuses a version of which `state` may have lost something.
pub(crate) fn refuse_discarded(state: &State, version: Sequence) -> Result<()> {
    if version < state.version.discarded {
        return Err(discarded());
    }
    Ok(())
}

pub(crate) fn discarded() -> Error {
    Error::NotFound {
        what: "version: its history is no longer kept",
    }
}

impl Reader for Transaction {
    type Slice<'a> = Slice<'a>;
    type Cursor<'a> = Cursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let number = self.record(name)?;
        Ok(number.map(|number| Space::new(number, self.stamp)))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        names(self.cursor_over(SYSTEM_SPACE))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice<'_>>> {
        let key = LookupKey::new(self.number(space)?, key);
        self.read(key.bytes())
    }

    fn cursor(&self, space: Space) -> Result<Cursor<'_>> {
        Ok(self.cursor_over(self.number(space)?))
    }
}

impl kv_api::Transaction for Transaction {
    fn create_space(&mut self, name: &[u8]) -> Result<Space> {
        if name.is_empty() {
            return Err(Error::Invalid {
                what: "a space without a name",
            });
        }
        refuse_longer("name", name.len(), spaces::NAME_BYTES_MAX)?;
        let number = match self.record(name)? {
            Some(number) => number,
            None => {
                let number = self.shared.next_space.fetch_add(1, Ordering::Relaxed);
                let value = spaces::encode(number);
                let key = spaces::record_key(name);
                self.writes.set(&key, Some(&value), Extra::default());
                number
            }
        };
        Ok(Space::new(number, self.stamp))
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        let Some(number) = self.record(name)? else {
            return Ok(false);
        };
        self.delete_stored(number, &StoredRange::space(number))?;
        self.delete_stored(number, &operands::of_space(number))?;
        let key = spaces::record_key(name);
        self.writes.set(&key, None, Extra::default());
        self.dropped.insert(number);
        Ok(true)
    }

    fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        self.set(space, key, Some(value), Extra::default())
    }

    fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        self.set(space, key, None, Extra::default())
    }

    fn delete_range(&mut self, space: Space, keys: impl Into<KeyRange>) -> Result<()> {
        let number = self.writable(space)?;
        let range = StoredRange::of(number, &keys.into());
        self.delete_stored(number, &range)
    }

    fn compare_and_swap(
        &mut self,
        space: Space,
        key: &[u8],
        expected: Option<&[u8]>,
        new: Option<&[u8]>,
    ) -> Result<bool> {
        let number = self.writable(space)?;
        if new.is_some() {
            refuse_key(key)?;
        }
        let stored = LookupKey::new(number, key);
        let found = self.read(stored.bytes())?;
        let holds = found.as_deref() == expected;
        if holds {
            self.set(space, key, new, Extra::default())?;
        }
        Ok(holds)
    }

    fn commit(self, durability: Durability) -> Result<()> {
        self.commit_with(durability).map(drop)
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        self.shared.leave(self.at);
    }
}

impl std::fmt::Debug for Transaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transaction")
            .field("sequence", &self.at)
            .field("changes", &self.writes.len())
            .finish_non_exhaustive()
    }
}
