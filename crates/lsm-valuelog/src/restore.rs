//! Taking in a copy in one step: a whole one, which replaces the store, or one of changes, which comes
//! on top of it.
//!
//! Invariant: the mark of how far the store follows its copies is part of the same step, so that it
//! always tells which copy is the next.

use std::io::Read as IoRead;

use kv_api::{Error, Result};

use crate::backup::{NAME, Source, each_record, loaded_key};
use crate::bulk::{BulkLoaded, BulkWriter};
use crate::bulk_install::BulkMode;
use crate::db::Db;
use crate::entry::Extra;
use crate::error::damage;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, stored};
use crate::wire::Read;

impl Db {
    /// Replaces everything by what a whole copy holds, which [`Snapshot::backup_since`](crate::Snapshot::backup_since) wrote, in
    /// one step: interrupted anywhere, the store is what it was. `report` is told the pairs read
    /// so far and the bytes, and answers whether to go on.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a copy that is not whole, `Invalid` for one of changes, `Conflict` if the
    /// store is written to meanwhile, `Io` where `from` fails or `report` answers `false`.
    pub fn restore(
        &self,
        from: &mut dyn IoRead,
        report: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<BulkLoaded> {
        let mut source = Source::new(from);
        let (since, up_to) = source.header()?;
        if since != Sequence(0) {
            return Err(Error::Invalid {
                what: "a backup of changes alone; load it into the store that holds those before it",
            });
        }
        let load = self.bulk_load(BulkMode::Replace)?;
        take(&mut source, load, up_to, report)
    }

    /// Reads a copy that [`Snapshot::backup_since`](crate::Snapshot::backup_since) wrote: a whole one
    /// into an empty store, one of changes into the store that holds the copy it follows. All of it
    /// becomes durable and visible in one step, deletions too. Interrupted anywhere, by an error, a
    /// crash or a copy that is cut short, the store is what it was, and the same copy can be loaded
    /// again; once it is loaded, it is refused.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    /// use kv_api::{Reader, Space, Store, Transaction};
    /// use lsm_valuelog::{Db, Options, Sequence};
    ///
    /// // Deletions must be told of for as long as a copy may ask for them.
    /// let from = Options::new().versions_to_keep(usize::MAX).open(one)?;
    /// let to = Db::open(two)?;
    /// let mut since = Sequence(0);
    /// for (put, removed) in [(b"a", b"x"), (b"b", b"a")] {
    ///     from.update(|tx| {
    ///         tx.put(Space::DEFAULT, put, b"value")?;
    ///         tx.delete(Space::DEFAULT, removed)
    ///     })?;
    ///     let snapshot = from.snapshot()?;
    ///     let mut copy = Vec::new();
    ///     snapshot.backup_since(since, &mut copy)?;
    ///     since = snapshot.sequence();
    ///     assert!(to.load(&mut &copy[..copy.len() - 1]).is_err(), "cut short: nothing has changed");
    ///     to.load(&mut copy.as_slice())?;
    /// }
    /// let snapshot = to.snapshot()?;
    /// assert!(snapshot.get(Space::DEFAULT, b"a")?.is_none());
    /// assert!(snapshot.get(Space::DEFAULT, b"b")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Corrupt` for a copy that is not whole, `Invalid` for one that does not follow what the store
    /// holds, `Conflict` if the store is written to meanwhile, `Io` where `from` fails.
    pub fn load(&self, from: &mut dyn IoRead) -> Result<()> {
        let mut source = Source::new(from);
        let (since, up_to) = source.header()?;
        // Begun first: what is written after the look at the mark is a conflict.
        let load = self.bulk_load(BulkMode::Add)?;
        let Some(loaded_up_to) = self.snapshot()?.loaded_up_to()? else {
            return Err(Error::Invalid {
                what: "the store is not empty",
            });
        };
        if loaded_up_to != since {
            return Err(Error::Invalid {
                what: "this backup does not follow what the store holds",
            });
        }
        take(&mut source, load, up_to, &mut |_, _| true).map(drop)
    }
}

/// Loads the records of a copy whose header was read, and the mark that it is loaded.
fn take(
    source: &mut Source<'_>,
    mut load: BulkWriter<'_>,
    up_to: Sequence,
    report: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<BulkLoaded> {
    let (mut records, mut pairs) = (0, 0);
    let names = stored(DEFAULT_SPACE, b"");
    loop {
        let body = source.frame()?;
        if body.is_empty() {
            break;
        }
        let added = each_record(&body, |key, value, extra| {
            records += 1;
            pairs += u64::from(key >= names.as_slice());
            if value.is_none() && load.holds_nothing_of(key)? {
                // The deletion would lie in the last level for ever, and hide nothing.
                return Ok(());
            }
            load.add_stored(0, key.to_vec(), value, Sequence(0), extra)
        })?;
        added.ok_or_else(|| damage(NAME, source.offset, "a record is malformed"))?;
        if !report(pairs, source.offset) {
            let stopped = std::io::Error::from(std::io::ErrorKind::Interrupted);
            return Err(Error::io("restoring, which was called off", stopped));
        }
    }
    let trailer = source.frame()?;
    if Read::new(&trailer).u64() != Some(records) {
        return Err(damage(NAME, source.offset, "records are missing"));
    }
    let mark = up_to.0.to_be_bytes();
    load.add_stored(1, loaded_key(), Some(&mark), Sequence(0), Extra::default())?;
    load.finish()
}
