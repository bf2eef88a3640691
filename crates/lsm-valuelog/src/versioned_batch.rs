//! A batch of changes that have a version each.

use std::collections::BTreeMap;

use kv_api::{Durability, Result, Space};

use crate::db::Db;
use crate::entry::Extra;
use crate::id::Sequence;
use crate::item::Entry;
use crate::write_batch::WriteBatch;
use crate::write_set::WriteSet;

/// Puts and deletions without reads, each at a version of the caller's choice.
///
/// It is kept in memory until it is flushed, and is then one commit for each version, from the
/// oldest on: the versions must be above all before, unless the store takes them in
/// [any order](crate::Options::versions_in_any_order). Of two changes to one key at one version the
/// later one counts. Dropping a batch forgets it.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Durability, Reader, Space};
/// use lsm_valuelog::{Options, Sequence};
///
/// let db = Options::new().keep_history(true).open(directory.path().join("store"))?;
/// let mut batch = db.versioned_batch();
/// batch.put(Sequence(20), Space::DEFAULT, b"key", b"newer")?;
/// batch.put(Sequence(10), Space::DEFAULT, b"key", b"older")?;
/// batch.flush(Durability::Sync)?;
/// let then = db.snapshot_at(Sequence(19))?;
/// assert_eq!(then.get(Space::DEFAULT, b"key")?.as_deref(), Some(&b"older"[..]));
/// # Ok(())
/// # }
/// ```
pub struct VersionedBatch {
    /// Resolves spaces, checks changes and commits them.
    batch: WriteBatch,
    changes: BTreeMap<Sequence, WriteSet>,
}

impl Db {
    /// A batch of changes that have a version each.
    pub fn versioned_batch(&self) -> VersionedBatch {
        VersionedBatch {
            batch: self.write_batch(),
            changes: BTreeMap::new(),
        }
    }
}

impl VersionedBatch {
    /// Resolves the space called `name`; see [`WriteBatch::space`].
    pub fn space(&mut self, db: &Db, name: &[u8]) -> Result<Space> {
        self.batch.space(db, name)
    }

    fn set(
        &mut self,
        version: Sequence,
        space: Space,
        (key, value): (&[u8], Option<&[u8]>),
        extra: Extra,
    ) -> Result<()> {
        if let Some(stored) = self.batch.admit(space, key, value)? {
            let changes = self.changes.entry(version).or_default();
            changes.set(stored.bytes(), value, extra);
        }
        Ok(())
    }

    /// Sets the value of `key` at `version`.
    pub fn put(&mut self, version: Sequence, space: Space, key: &[u8], value: &[u8]) -> Result<()> {
        self.set(version, space, (key, Some(value)), Extra::default())
    }

    /// Sets a value with a time to live or a byte beside it.
    pub fn put_entry(&mut self, version: Sequence, space: Space, entry: &Entry<'_>) -> Result<()> {
        let extra = entry.extra(self.batch.now());
        let pair = (entry.key(), Some(entry.value()));
        self.set(version, space, pair, extra)
    }

    /// Removes `key` at `version`.
    pub fn delete(&mut self, version: Sequence, space: Space, key: &[u8]) -> Result<()> {
        self.set(version, space, (key, None), Extra::default())
    }

    /// Commits all of it and makes it as durable as asked.
    ///
    /// # Errors
    ///
    /// What kept the first version from committing that did not; those below it stay.
    /// `AlreadyApplied` for one that may not come behind what is there.
    pub fn flush(mut self, durability: Durability) -> Result<()> {
        let newest = self.changes.keys().next_back().copied();
        for (version, writes) in std::mem::take(&mut self.changes) {
            let asked = match newest == Some(version) {
                true => durability,
                false => Durability::Deferred,
            };
            self.batch.commit_as(version, writes, asked)?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for VersionedBatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VersionedBatch")
            .field("versions", &self.changes.len())
            .finish_non_exhaustive()
    }
}
