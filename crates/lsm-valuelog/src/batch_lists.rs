//! What a parallel scan shows, written by a batch.

use kv_api::{Result, Space};

use crate::item::Entry;
use crate::stream::{Batch, Versioned};
use crate::versioned_batch::VersionedBatch;
use crate::write_batch::WriteBatch;

/// The value with all that is beside it; none for a deletion.
fn entry<'r>(record: &Versioned<'r>) -> Option<Entry<'r>> {
    let entry = Entry::new(record.key, record.value?)
        .expires_at(record.expires_at)
        .user_meta(record.user_meta);
    Some(match record.discards_earlier {
        true => entry.discard_earlier_versions(),
        false => entry,
    })
}

impl WriteBatch {
    /// Puts and deletes what `records` show, of each key the newest version, with its time to live
    /// and the byte beside it.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    /// use kv_api::{Durability, Reader, Space, Store, Transaction};
    /// use lsm_valuelog::{Db, Sequence};
    ///
    /// let (from, to) = (Db::open(one)?, Db::open(two)?);
    /// to.update(|tx| tx.put(Space::DEFAULT, b"k0", b"there already"))?;
    /// from.update(|tx| tx.put(Space::DEFAULT, b"k1", b"value"))?;
    /// from.update(|tx| tx.delete(Space::DEFAULT, b"k0"))?;
    /// let mut batch = to.write_batch();
    /// let snapshot = from.snapshot()?;
    /// snapshot.stream().deletions(true).run(|records| batch.add_batch(Space::DEFAULT, records))?;
    /// batch.flush(Durability::Sync)?;
    /// assert_eq!(to.snapshot()?.range(Space::DEFAULT, ..)?.count(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_batch(&mut self, space: Space, records: &Batch) -> Result<()> {
        let mut last: Option<&[u8]> = None;
        for record in records.iter() {
            if last.replace(record.key) == Some(record.key) {
                continue;
            }
            match entry(&record) {
                Some(entry) => self.put_entry(space, &entry)?,
                None => self.delete(space, record.key)?,
            }
        }
        Ok(())
    }
}

impl VersionedBatch {
    /// Puts and deletes what `records` show, each at its own version, with its time to live and the
    /// byte beside it.
    pub fn add_batch(&mut self, space: Space, records: &Batch) -> Result<()> {
        for record in records.iter() {
            match entry(&record) {
                Some(entry) => self.put_entry(record.version, space, &entry)?,
                None => self.delete(record.version, space, record.key)?,
            }
        }
        Ok(())
    }
}
