//! Bulk loads: sorted streams of records written straight into tables, and one edit of the
//! manifest that makes all of them visible.
//!
//! Invariants:
//! * no file of a load is named before all of them are durable; a load that was not finished
//!   leaves files that nothing names, which are removed at once or when the store is opened;
//! * the store is not written to between the load's beginning and its end: otherwise ending it
//!   is a conflict and changes nothing. So no lock is held while the caller's code runs, and the
//!   load's records are newer than all that is there.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use kv_api::{Error, Result};

use crate::bounds::{KEY_BYTES_MAX, VALUE_BYTES_MAX, refuse_longer};
use crate::bulk_install::{BulkMode, Load};
use crate::bulk_runs::Runs;
use crate::bulk_values::BulkValues;
use crate::db::Db;
use crate::entry::{Entry, Extra, Kind};
use crate::error::locked;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, stored};
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::spaces;
use crate::stream::{Batch, Versioned};

/// The newest version that a record may be given: what is above is the engine's own.
const VERSION_MAX: Sequence = Sequence(1 << 62);

/// A space as a bulk load knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BulkSpace(u64);

impl BulkSpace {
    pub(crate) fn number(self) -> u64 {
        self.0
    }
}

/// What a bulk load brought in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BulkLoaded {
    /// Records, of which there may be several for a key.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Tables they are in.
    pub tables: u64,
    /// The newest version.
    pub newest: Sequence,
}

/// A bulk load under way. Dropping it forgets the load.
///
/// Records come in streams, each sorted by key and then newest first; several streams may be open
/// at once, their records in any order among each other, and they may even overlap, at the price of
/// one more pass. [`end_stream`](BulkWriter::end_stream) says that one is done. Nothing is logged,
/// and nothing is visible before [`finish`](BulkWriter::finish).
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Reader, Space, Store};
/// use lsm_valuelog::{BulkMode, BulkWriter, Db};
///
/// let db = Db::open(directory.path().join("store"))?;
/// let mut load = db.bulk_load(BulkMode::Add)?;
/// for number in 0..1_000_u32 {
///     load.put(0, BulkWriter::DEFAULT, &number.to_be_bytes(), b"value")?;
/// }
/// assert_eq!(load.finish()?.records, 1_000);
/// assert!(db.snapshot()?.get(Space::DEFAULT, &7_u32.to_be_bytes())?.is_some());
/// # Ok(())
/// # }
/// ```
pub struct BulkWriter<'d> {
    shared: &'d Shared,
    mode: BulkMode,
    /// The newest commit when the load began.
    begun: Sequence,
    before: Snapshot,
    runs: Runs<'d>,
    values: BulkValues<'d>,
    /// Spaces made or named by this load, and whether they are new.
    spaces: BTreeMap<Vec<u8>, (u64, bool)>,
    oldest: Sequence,
    loaded: BulkLoaded,
    /// Records were lost on their way to tables.
    is_broken: bool,
}

impl Db {
    /// Begins a bulk load. Others may go on reading; if anyone writes before the load is finished,
    /// finishing it is a conflict.
    pub fn bulk_load(&self, mode: BulkMode) -> Result<BulkWriter<'_>> {
        let before = self.snapshot()?;
        self.shared.refuse_read_only()?;
        self.shared.refuse_poisoned()?;
        let begun = locked(&self.shared.core).last;
        Ok(BulkWriter {
            shared: &self.shared,
            mode,
            begun,
            before,
            runs: Runs::new(&self.shared),
            values: BulkValues::new(&self.shared),
            spaces: BTreeMap::new(),
            oldest: VERSION_MAX,
            loaded: BulkLoaded::default(),
            is_broken: false,
        })
    }
}

impl<'d> BulkWriter<'d> {
    /// The space without a name.
    pub const DEFAULT: BulkSpace = BulkSpace(DEFAULT_SPACE);

    /// The space called `name`, which is made if it is not there.
    pub fn space(&mut self, name: &[u8]) -> Result<BulkSpace> {
        if name.is_empty() {
            return Err(Error::Invalid {
                what: "a space without a name",
            });
        }
        refuse_longer("name", name.len(), spaces::NAME_BYTES_MAX)?;
        if let Some((number, _)) = self.spaces.get(name) {
            return Ok(BulkSpace(*number));
        }
        let known = match self.mode {
            BulkMode::Replace => None,
            BulkMode::Add => {
                let (state, at) = (self.before.state(), self.before.sequence());
                let record = state.get(&spaces::record_key(name), at, 0)?;
                record.map(|value| spaces::decode(&value)).transpose()?
            }
        };
        let is_new = known.is_none();
        let number =
            known.unwrap_or_else(|| self.shared.next_space.fetch_add(1, Ordering::Relaxed));
        self.spaces.insert(name.to_vec(), (number, is_new));
        Ok(BulkSpace(number))
    }

    /// Adds a pair to `stream`, with the load's own version.
    pub fn put(&mut self, stream: u32, space: BulkSpace, key: &[u8], value: &[u8]) -> Result<()> {
        self.add(
            stream,
            space,
            &Versioned {
                key,
                value: Some(value),
                version: Sequence(0),
                user_meta: 0,
                expires_at: 0,
                discards_earlier: false,
            },
        )
    }

    /// Adds a version of a key to `stream`; version 0 stands for the load's own, which is one above
    /// the newest commit.
    ///
    /// # Errors
    ///
    /// `Invalid` if it does not come behind the stream's last one: keys ascend, versions of one
    /// key descend.
    pub fn add(&mut self, stream: u32, space: BulkSpace, record: &Versioned<'_>) -> Result<()> {
        if record.key.is_empty() {
            return Err(Error::Invalid {
                what: "the empty key",
            });
        }
        refuse_longer("key", record.key.len(), KEY_BYTES_MAX)?;
        refuse_longer(
            "value",
            record.value.map_or(0, <[u8]>::len),
            VALUE_BYTES_MAX,
        )?;
        let extra = Extra {
            expires: record.expires_at,
            meta: record.user_meta,
            discards_earlier: record.discards_earlier,
        };
        let key = stored(space.0, record.key);
        self.add_stored(stream, key, record.value, record.version, extra)
    }

    /// Ends `stream`: its tables are written out, which gives back the memory of its writer, and a
    /// record that comes for it later is refused. A load of many streams, one after the other or
    /// side by side, so needs memory for those that are open only. Whatever was not ended ends with
    /// [`finish`](BulkWriter::finish); a stream that was never begun may be ended, and one may be
    /// ended again.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::ErrorKind;
    /// use lsm_valuelog::{BulkMode, BulkWriter, Db};
    ///
    /// let db = Db::open(directory.path().join("store"))?;
    /// let mut load = db.bulk_load(BulkMode::Add)?;
    /// for (stream, key) in [(1, b"a"), (2, b"x"), (1, b"b"), (2, b"y")] {
    ///     load.put(stream, BulkWriter::DEFAULT, key, b"")?;
    /// }
    /// load.end_stream(1)?;
    /// load.put(2, BulkWriter::DEFAULT, b"z", b"")?;
    /// let late = load.put(1, BulkWriter::DEFAULT, b"c", b"");
    /// assert_eq!(late.map_err(|error| error.kind()), Err(ErrorKind::Invalid));
    /// assert_eq!(load.finish()?.records, 5);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of writing tables; the load cannot be finished then.
    pub fn end_stream(&mut self, stream: u32) -> Result<()> {
        let ended = self.runs.end(stream);
        self.is_broken |= ended.is_err();
        ended
    }

    /// Adds what a parallel scan shows to the batch's own [`stream`](Batch::stream), each record
    /// with its version, and ends that stream where the batch [says so](Batch::ends_stream). Batches
    /// of different streams may come in any order.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    /// use kv_api::{Reader, Space, Store, Transaction};
    /// use lsm_valuelog::{BulkMode, BulkWriter, Db};
    ///
    /// let (from, to) = (Db::open(one)?, Db::open(two)?);
    /// from.update(|tx| (0..9_u8).try_for_each(|n| tx.put(Space::DEFAULT, &[n], b"v")))?;
    /// let mut load = to.bulk_load(BulkMode::Add)?;
    /// let snapshot = from.snapshot()?;
    /// let every_version = snapshot.stream().versions(usize::MAX).deletions(true);
    /// every_version.done_marks(true).run(|batch| load.add_batch(BulkWriter::DEFAULT, batch))?;
    /// assert_eq!(load.finish()?.records, 9);
    /// assert_eq!(to.snapshot()?.range(Space::DEFAULT, ..)?.count(), 9);
    /// # Ok(())
    /// # }
    /// ```
    pub fn add_batch(&mut self, space: BulkSpace, batch: &Batch) -> Result<()> {
        for record in batch.iter() {
            self.add(batch.stream(), space, &record)?;
        }
        match batch.ends_stream() {
            true => self.end_stream(batch.stream()),
            false => Ok(()),
        }
    }

    /// Whether the store holds no record of a stored key, and whoever copies changes needs none.
    pub(crate) fn holds_nothing_of(&self, key: &[u8]) -> Result<bool> {
        if self.shared.options.keeps_deletions() {
            return Ok(false);
        }
        let state = self.before.state();
        Ok(!state.version.hides(key) && state.find(key, Sequence(u64::MAX))?.is_none())
    }

    /// The same with a stored key.
    pub(crate) fn add_stored(
        &mut self,
        stream: u32,
        key: Vec<u8>,
        value: Option<&[u8]>,
        version: Sequence,
        extra: Extra,
    ) -> Result<()> {
        let version = match version {
            Sequence(0) => self.begun.next(),
            given => given,
        };
        if version > VERSION_MAX {
            return Err(Error::Invalid {
                what: "a version beyond what can be counted",
            });
        }
        let shared = self.shared;
        // Now, because nothing may fail once the load is there.
        shared.note_space(&key, value)?;
        self.runs.admit(stream, &key, version)?;
        let mut code = Vec::new();
        let (kind, held) = match value {
            None => (Kind::Delete, &[][..]),
            Some(value) if value.len() >= shared.threshold.bytes() => {
                self.values.add(value, version)?.put(&mut code);
                (Kind::Pointer, code.as_slice())
            }
            Some(value) => (Kind::Put, value),
        };
        let entry = Entry {
            key: &key,
            sequence: version,
            kind,
            extra,
            value: held,
        };
        if let Err(error) = self.runs.add(stream, &entry) {
            self.is_broken = true;
            return Err(error);
        }
        self.loaded.records += 1;
        self.loaded.bytes += (key.len() + value.map_or(0, <[u8]>::len)) as u64;
        self.loaded.newest = self.loaded.newest.max(version);
        self.oldest = self.oldest.min(version);
        Ok(())
    }

    /// Makes the load durable and visible, whole, in one step.
    ///
    /// # Errors
    ///
    /// `Conflict` if anyone wrote to the store since the load began; `Invalid` if records that are
    /// to stay would be newer than the load's. The store is what it was then.
    pub fn finish(mut self) -> Result<BulkLoaded> {
        if self.is_broken {
            return Err(Error::Invalid {
                what: "a load that has failed to write some of its records",
            });
        }
        self.name_spaces()?;
        if self.loaded.records == 0 && self.mode == BulkMode::Add {
            return Ok(self.loaded);
        }
        let tables = self.runs.finish()?;
        let values = match self.values.finish() {
            Ok(values) => values,
            Err(error) => {
                // Nobody names them, and they are nobody else's to remove.
                self.shared.forget_tables(&tables);
                return Err(error);
            }
        };
        self.loaded.tables = tables.len() as u64;
        self.loaded.newest = self.loaded.newest.max(self.begun.next());
        let load = Load {
            mode: self.mode,
            begun: self.begun,
            oldest: self.oldest,
            newest: self.loaded.newest,
            tables: &tables,
            values: &values,
        };
        let installed = self.shared.install_load(&load);
        let may_be_named = self.shared.poisoned().is_some();
        if installed.is_ok() || may_be_named {
            self.values.keep();
        }
        if let Err(error) = installed {
            self.shared.forget_tables(&tables);
            return Err(error);
        }
        self.shared.work.wake();
        Ok(self.loaded)
    }

    /// Adds the records of new spaces' names, in a stream of their own.
    fn name_spaces(&mut self) -> Result<()> {
        let made: Vec<(Vec<u8>, u64)> = self
            .spaces
            .iter()
            .filter(|(_, (_, is_new))| *is_new)
            .map(|(name, (number, _))| (name.clone(), *number))
            .collect();
        let stream = self.runs.unused();
        for (name, number) in made {
            let (key, value) = (spaces::record_key(&name), spaces::encode(number));
            self.add_stored(stream, key, Some(&value), Sequence(0), Extra::default())?;
            self.loaded.records -= 1;
        }
        Ok(())
    }
}

impl std::fmt::Debug for BulkWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BulkWriter")
            .field("mode", &self.mode)
            .field("loaded", &self.loaded)
            .finish_non_exhaustive()
    }
}
