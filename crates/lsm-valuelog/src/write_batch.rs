//! Writing much without reading: a batch cuts itself into commits.

use std::collections::BTreeMap;
use std::sync::Arc;

use kv_api::{Durability, Error, Result, Space, Store};

use crate::banned::banned_key;
use crate::batch_commits::{BatchCommits, Entered};
use crate::bounds::{KEY_BYTES_MAX, VALUE_BYTES_MAX, refuse_key, refuse_longer};
use crate::commit_queue::Commit;
use crate::db::Db;
use crate::entry::Extra;
use crate::id::Sequence;
use crate::item::Entry;
use crate::key::DEFAULT_SPACE;
use crate::read_set::ReadSet;
use crate::shared::Shared;
use crate::skiplist::record_bytes_max;
use crate::snapshot::LookupKey;
use crate::spaces;
use crate::stamp::fresh_stamp;
use crate::write_set::WriteSet;

/// Commits on their way at most.
const COMMITS_MAX: usize = 16;

/// The share of a memtable that one commit of a batch takes.
const MEMTABLE_SHARE: usize = 8;

/// Bytes of one commit at most: what is still in the processor's caches when it is written costs a
/// sixth less than commits of 8 MiB did.
const COMMIT_BYTES_MAX: usize = 1 << 20;

/// How much a batch gathers before it commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Changes.
    pub count_max: usize,
    /// Bytes of keys and values.
    pub bytes_max: usize,
}

impl BatchLimits {
    fn of(shared: &Shared) -> BatchLimits {
        let share = shared.options.memtable_bytes / MEMTABLE_SHARE;
        let bytes_max = share.min(COMMIT_BYTES_MAX);
        BatchLimits {
            count_max: (bytes_max / record_bytes_max(0, 0)).max(1),
            bytes_max,
        }
    }
}

/// Puts and deletions without reads, conflicts or limits of size.
///
/// A batch commits by itself whenever it has gathered as much as [`BatchLimits`] say, so it is not
/// one commit but several, in the order of its calls; of two changes to one key the later one
/// counts. The caller does not wait for these commits, of which [16](WriteBatch::commits_max) are on
/// their way at most, but is held back while the store is behind with its work. The first that
/// fails ends the batch: every call from then on answers its error, and so does
/// [`flush`](WriteBatch::flush) at the latest. What was on its way behind it then may be there all
/// the same. Dropping a batch forgets what it has not handed in yet.
///
/// Where the store has no [threads of its own](crate::Options::background), each of these commits is
/// made before the call that fills it returns.
///
/// One made by [`Db::write_batch_at`] has the version it was given and is one commit, however
/// large, which is kept in memory until it is flushed.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Durability, Reader, Space, Store};
/// use lsm_valuelog::{Db, Entry};
///
/// let db = Db::open(directory.path().join("store"))?;
/// let mut batch = db.write_batch();
/// for number in 0..10_000_u32 {
///     batch.put(Space::DEFAULT, &number.to_be_bytes(), b"a value")?;
/// }
/// batch.put_entry(Space::DEFAULT, &Entry::new(b"tagged", b"").user_meta(1))?;
/// batch.flush(Durability::Sync)?;
/// assert_eq!(db.snapshot()?.range(Space::DEFAULT, ..)?.count(), 10_001);
/// # Ok(())
/// # }
/// ```
pub struct WriteBatch {
    shared: Arc<Shared>,
    stamp: u64,
    writes: WriteSet,
    bytes: usize,
    limits: BatchLimits,
    version: Option<Sequence>,
    /// Names of spaces that were resolved, with their numbers.
    spaces: BTreeMap<Vec<u8>, u64>,
    /// The version at which the first of them was; noted as one that is read.
    read_at: Option<Arc<Entered>>,
    commits: Arc<BatchCommits>,
    commits_max: usize,
}

impl Db {
    /// A batch of changes that cuts itself into commits.
    pub fn write_batch(&self) -> WriteBatch {
        WriteBatch::new(&self.shared, None)
    }

    /// A batch of changes that are one commit with this version, which must be above all before
    /// it when the batch is flushed.
    pub fn write_batch_at(&self, version: Sequence) -> WriteBatch {
        WriteBatch::new(&self.shared, Some(version))
    }

    /// How much a batch gathers before it commits. A transaction has no limit.
    pub fn batch_limits(&self) -> BatchLimits {
        BatchLimits::of(&self.shared)
    }
}

impl WriteBatch {
    fn new(shared: &Arc<Shared>, version: Option<Sequence>) -> WriteBatch {
        WriteBatch {
            shared: Arc::clone(shared),
            stamp: fresh_stamp(),
            writes: WriteSet::default(),
            bytes: 0,
            limits: BatchLimits::of(shared),
            version,
            spaces: BTreeMap::new(),
            read_at: None,
            commits: Arc::default(),
            commits_max: COMMITS_MAX,
        }
    }

    fn refuse_failed(&self) -> Result<()> {
        self.error().cloned().map_or(Ok(()), Err)
    }

    /// Passes `done` on; its error is the batch's from now on.
    fn ending<T>(&mut self, done: Result<T>) -> Result<T> {
        if let Err(error) = &done {
            self.commits.fail(error.clone());
            self.writes = WriteSet::default();
            self.bytes = 0;
        }
        done
    }

    /// Resolves the space called `name`, which `db`, the batch's store, makes at once if it does
    /// not exist. If it is dropped before the batch is flushed, the batch meets a conflict.
    pub fn space(&mut self, db: &Db, name: &[u8]) -> Result<Space> {
        self.refuse_failed()?;
        if !Arc::ptr_eq(&db.shared, &self.shared) {
            return Err(Error::ForeignSpace);
        }
        if let Some(number) = self.spaces.get(name) {
            return Ok(Space::new(*number, self.stamp));
        }
        db.update_retry(|tx| kv_api::Transaction::create_space(tx, name).map(drop))?;
        let entered = Entered::new(&self.shared, self.shared.visible());
        let (state, newest) = self.shared.current();
        let record = state.get(&spaces::record_key(name), newest, 0)?;
        let Some(record) = record else {
            return Err(Error::Conflict);
        };
        let number = spaces::decode(&record)?;
        // What was resolved earlier was there at that version too, or the next commit tells.
        self.read_at.get_or_insert_with(|| Arc::new(entered));
        self.spaces.insert(name.to_vec(), number);
        Ok(Space::new(number, self.stamp))
    }

    fn number(&self, space: Space) -> Result<u64> {
        match space {
            space if space.is_default() => Ok(DEFAULT_SPACE),
            space if space.owner() == self.stamp => Ok(space.id()),
            _ => Err(Error::ForeignSpace),
        }
    }

    /// The key as it is stored, if the change may be made; none if there is nothing to be done.
    pub(crate) fn admit(
        &self,
        space: Space,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Option<LookupKey>> {
        self.refuse_failed()?;
        let number = self.number(space)?;
        if value.is_some() {
            refuse_key(key)?;
            refuse_longer("value", value.map_or(0, <[u8]>::len), VALUE_BYTES_MAX)?;
        } else if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Ok(None);
        }
        let stored = LookupKey::new(number, key);
        if self.shared.state.load().version.hides(stored.bytes()) {
            return Err(banned_key());
        }
        Ok(Some(stored))
    }

    /// The time of day as the store tells it.
    pub(crate) fn now(&self) -> u64 {
        self.shared.now()
    }

    /// Commits `writes` alone, with this version.
    pub(crate) fn commit_as(
        &mut self,
        version: Sequence,
        writes: WriteSet,
        durability: Durability,
    ) -> Result<()> {
        (self.version, self.writes) = (Some(version), writes);
        self.commit(durability)
    }

    fn set(&mut self, space: Space, key: &[u8], value: Option<&[u8]>, extra: Extra) -> Result<()> {
        let Some(stored) = self.admit(space, key, value)? else {
            return Ok(());
        };
        self.writes.set(stored.bytes(), value, extra);
        self.bytes += key.len() + value.map_or(0, <[u8]>::len);
        let is_full =
            self.writes.len() >= self.limits.count_max || self.bytes >= self.limits.bytes_max;
        if is_full && self.version.is_none() {
            let committed = self.hand_in();
            return self.ending(committed);
        }
        Ok(())
    }

    /// Sets the value of `key`.
    ///
    /// # Errors
    ///
    /// What is wrong with the pair, which the batch outlives; and what kept it from committing,
    /// which ends it.
    pub fn put(&mut self, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        self.set(space, key, Some(value), Extra::default())
    }

    /// Sets a value with a time to live or a byte beside it.
    pub fn put_entry(&mut self, space: Space, entry: &Entry<'_>) -> Result<()> {
        let extra = entry.extra(self.shared.now());
        self.set(space, entry.key(), Some(entry.value()), extra)
    }

    /// Removes `key`.
    pub fn delete(&mut self, space: Space, key: &[u8]) -> Result<()> {
        self.set(space, key, None, Extra::default())
    }

    /// How many commits may be on their way, 1 at least, before the call that fills the next one
    /// waits. As many bytes of commits as a memtable takes are the limit besides. Default: 16.
    pub fn commits_max(mut self, count: usize) -> WriteBatch {
        self.commits_max = count.max(1);
        self
    }

    /// What was gathered, as a commit.
    fn take_commit(&mut self, durability: Durability) -> Result<Commit> {
        let writes = std::mem::take(&mut self.writes);
        self.bytes = 0;
        // The names of spaces are all that a batch reads.
        let mut reads = ReadSet::default();
        for name in self.spaces.keys() {
            reads.add_key(&spaces::record_key(name));
        }
        let read_at = self.shared.visible();
        let state = self.shared.state.load_full();
        for (name, number) in &self.spaces {
            let record = state.get(&spaces::record_key(name), Sequence(u64::MAX), 0)?;
            let now = record.map(|record| spaces::decode(&record)).transpose()?;
            if now != Some(*number) {
                return Err(Error::Conflict);
            }
        }
        Ok(Commit {
            writes,
            reads,
            read_at,
            drops_seen: state.drops,
            version: self.version,
            durability,
        })
    }

    fn commit(&mut self, durability: Durability) -> Result<()> {
        let commit = self.take_commit(durability)?;
        self.shared.commit(commit).map(drop)
    }

    /// Commits what was gathered without waiting for it.
    fn hand_in(&mut self) -> Result<()> {
        if !self.shared.options.background {
            return self.commit(Durability::Deferred);
        }
        let commit = self.take_commit(Durability::Deferred)?;
        self.commits.begin(self.commits_max);
        let commits = Arc::clone(&self.commits);
        // The names that it reads must be compared with what changes until it is done.
        let read_at = self.read_at.clone();
        let tell = move |outcome| {
            drop(read_at);
            commits.end(outcome);
        };
        let handed_in = self.shared.commit_for_batch(commit, tell);
        if let Err(error) = &handed_in {
            self.commits.end(Err(error.clone()));
        }
        handed_in
    }

    /// Waits for what is on its way, then commits what is left and makes all of it as durable as
    /// asked.
    ///
    /// # Errors
    ///
    /// The batch's first error; what is left is not committed then. What was committed before it
    /// stays, and so may what was on its way behind it.
    pub fn flush(mut self, durability: Durability) -> Result<()> {
        self.commits.wait();
        self.refuse_failed()?;
        self.commit(durability)
    }

    /// The error that ended the batch, if one did by now.
    pub fn error(&self) -> Option<&Error> {
        self.commits.failed()
    }

    /// Forgets what it has not handed in yet, and waits for what is on its way. Dropping a batch
    /// does not wait.
    pub fn cancel(self) {
        self.commits.wait();
    }
}

impl std::fmt::Debug for WriteBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WriteBatch")
            .field("changes", &self.writes.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
