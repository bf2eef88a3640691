//! Opening a store: claim the directory, read the manifest, open what it names, replay the logs.

use std::path::Path;
use std::sync::Arc;

use disk::{Disk, OpenOptions};
use kv_api::{Error, Place, Result};

use crate::caches::{CacheSizes, Caches};
use crate::crypt::ring::KeyRing;
use crate::db::Db;
use crate::described::Described;
use crate::error::{damage, locked};
use crate::id::FileId;
use crate::key::{DEFAULT_SPACE, SYSTEM_SPACE, StoredRange};
use crate::keys;
use crate::lease::Lease;
use crate::level::LEVELS;
use crate::listed::Listed;
use crate::log::wal::LogWriter;
use crate::logs::memtable_capacity;
use crate::manifest::edit::Part;
use crate::manifest::file::{self as manifest, Found, Manifest};
use crate::memtable::{LogPlace, Memtable};
use crate::open_logs::{Core, ValueWriter};
use crate::options::Options;
use crate::shared::{Files, Parts, Shared};
use crate::state::State;
use crate::table::reader::{Reading, Retired, Table};
use crate::values::{ValueFile, values_name};
use crate::version::Version;
use crate::volatile::VolatileDisk;

impl Db {
    /// Opens the store in the directory `path` with default [`Options`], making it if it does
    /// not exist.
    pub fn open(path: impl AsRef<Path>) -> Result<Db> {
        Options::new().open(path)
    }
}

impl Options {
    /// Opens the store in the directory `path`, making it if it does not exist.
    ///
    /// # Errors
    ///
    /// `AlreadyOpen` if this process has it open, `Locked` if another does and the time to wait
    /// has passed, `Corrupt` for files that are not what this engine wrote, `Invalid` for options
    /// that contradict each other, `NotFound` where there is no store and it is to be read only,
    /// `Io` for everything the system refuses.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        open(path.as_ref(), self)
    }

    /// Opens an empty store that is kept in memory and gone with its last reader. There are no
    /// files, no lock and no value log, and a sync has nothing to do; all the rest, compaction,
    /// checks and backups too, works as on a disk.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// use kv_api::{Reader, Space, Store, Transaction};
    /// use lsm_valuelog::Options;
    ///
    /// let db = Options::new().open_in_memory()?;
    /// db.update(|tx| tx.put(Space::DEFAULT, b"answer", b"42"))?;
    /// assert!(db.snapshot()?.get(Space::DEFAULT, b"answer")?.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Invalid` for options that contradict each other, such as a store in memory for reading
    /// only.
    pub fn open_in_memory(mut self) -> Result<Db> {
        self.disk = Arc::new(VolatileDisk::default());
        self.is_in_memory = true;
        self.value_threshold_bytes = usize::MAX;
        self.reads_without_mapping = false;
        open(Path::new(""), self)
    }
}

fn open(path: &Path, options: Options) -> Result<Db> {
    let options = options.within_memory();
    options.validate()?;
    let span = tracing::debug_span!("open", path = %path.display());
    let _entered = span.enter();
    let disk = Arc::clone(&options.disk);
    if !options.is_read_only {
        make_directory(&*disk, path)?;
    }
    let lease = Lease::of(path, &options)?;
    let master = keys::master(&options)?;
    let ring = KeyRing::load(keys::means(&options, path), master.as_ref())?;
    let mut reading = Reading {
        disk,
        directory: path.to_path_buf(),
        is_mapped: !options.reads_without_mapping,
        keys: ring.map(Arc::new),
        checks: options.checksums,
        counts: Arc::default(),
        caches: Arc::new(Caches::new(CacheSizes {
            block_bytes: options.block_cache_bytes,
            index_bytes: options.index_cache_bytes,
        })),
        retired: Retired::default(),
    };
    if options.is_read_only {
        return open_to_read(options, reading, lease);
    }
    // Names that are seen may be in the cache only, if whoever made them failed.
    let parent = path.parent().unwrap_or(Path::new(""));
    for directory in [parent, path] {
        let synced = reading.disk.sync_directory(directory);
        synced.map_err(|error| Error::io("syncing the directory", error))?;
    }
    let listed = Listed::of(&reading)?;
    if listed.has_unfinished {
        let removed = reading.disk.remove(&path.join(manifest::NEW_NAME));
        removed.map_err(|error| Error::io("removing an unfinished manifest", error))?;
    }
    keys::remove_unfinished(&options, path)?;
    let external = options.external_magic;
    let found = manifest::find(&*reading.disk, path, external, reading.keys.as_deref())?;
    if let (None, Some(master)) = (&reading.keys, &master) {
        let takes_plain = found.is_some() || !listed.is_empty();
        let ring = KeyRing::create(keys::means(&options, path), master, takes_plain)?;
        reading.keys = Some(Arc::new(ring));
    }
    let found = match found {
        Some(found) => found,
        None => create(&reading, &listed, external)?,
    };
    let (torn_bytes, appended) = (found.torn_bytes, found.appended);
    let described = Described::fold(found)?;
    let kept = keep_torn_manifest(&reading, torn_bytes)?;
    if appended > 0 || torn_bytes > 0 {
        // What its edits say may be in the cache only, and files are removed on their word.
        let (disk, keys) = (Arc::clone(&reading.disk), reading.keys.clone());
        Manifest::create(disk, path, external, keys, &described.base())
            .map_err(|failure| failure.error)?;
    }
    let wals = listed.clean(&reading, &described)?;
    let shared = assemble(options, reading, lease, described, &listed)?;
    let mut recovery = shared.recover(&wals, torn_bytes)?;
    recovery.kept_aside.extend(kept);
    shared.begin_logs()?;
    shared.find_next_space()?;
    Db::start(Arc::new(shared), recovery)
}

/// Opens what is there and changes nothing: no file is made, removed or cut.
fn open_to_read(options: Options, reading: Reading, lease: Lease) -> Result<Db> {
    let listed = Listed::of(&reading)?;
    let keys = reading.keys.as_deref();
    let external = options.external_magic;
    let found = manifest::find(&*reading.disk, &reading.directory, external, keys)?;
    let found = found.ok_or(Error::NotFound { what: "a store" })?;
    let torn_bytes = found.torn_bytes;
    let described = Described::fold(found)?;
    let wals = listed.wals.iter().copied();
    let wals: Vec<FileId> = wals.filter(|id| *id >= described.logs.wal).collect();
    let shared = assemble(options, reading, lease, described, &listed)?;
    let recovery = shared.recover(&wals, torn_bytes)?;
    Db::start(Arc::new(shared), recovery)
}

/// Keeps the last bytes of the manifest aside, before it is written anew without them.
fn keep_torn_manifest(reading: &Reading, torn_bytes: u64) -> Result<Option<String>> {
    if torn_bytes == 0 {
        return Ok(None);
    }
    let path = reading.directory.join(manifest::NAME);
    let file = reading.disk.open(&path, &OpenOptions::READ);
    let len = file.and_then(|file| file.len());
    let len = len.map_err(|error| Error::io("opening the manifest", error))?;
    let from = len.saturating_sub(torn_bytes);
    Ok(crate::aside::keep(reading, manifest::NAME, from, len))
}

fn make_directory(disk: &dyn Disk, path: &Path) -> Result<()> {
    match disk.create_directory(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("making the directory", error))
        }
        _ => Ok(()),
    }
}

/// Makes the manifest of an empty store.
fn create(reading: &Reading, listed: &Listed, external: u16) -> Result<Found> {
    if !listed.is_empty() {
        return Err(damage(manifest::NAME, 0, "the manifest is missing"));
    }
    let base = vec![Part::NextFile(FileId(1))];
    let (disk, keys) = (Arc::clone(&reading.disk), reading.keys.clone());
    Manifest::create(disk, &reading.directory, external, keys, &base)
        .map_err(|failure| failure.error)?;
    Ok(Found {
        edits: vec![base],
        torn_bytes: 0,
        appended: 0,
    })
}

/// Bans are about one place of keys; to look at another would unban some keys and ban others.
fn refuse_other_namespaces(version: &Version, options: &Options) -> Result<()> {
    match (&version.banned, options.namespace_offset) {
        (Some(banned), Some(offset)) if banned.offset != offset => Err(Error::Invalid {
            what: "another place of namespaces than the one that bans were made for",
        }),
        _ => Ok(()),
    }
}

/// The files that the manifest describes, opened.
fn open_described(
    options: &Options,
    reading: &Reading,
    described: &mut Described,
) -> Result<Version> {
    let mut version = Version {
        levels: vec![Vec::new(); LEVELS],
        flushed: described.flushed,
        counts: Arc::clone(&reading.counts),
        discarded: described.discarded,
        dropped: described.dropped,
        late: described.late,
        banned: described.banned.take().map(Arc::new),
        ..Version::default()
    };
    refuse_other_namespaces(&version, options)?;
    for (level, meta) in std::mem::take(&mut described.tables).into_values() {
        let table = Table::open(reading, meta)?;
        if options.checksums.is_on_open() {
            table.verify_all()?;
        }
        version.add(level, Arc::new(table));
    }
    if let Some(what) = version.disorder() {
        return Err(Error::corrupt(Place::Store, what));
    }
    for (id, state) in &described.values {
        // What the file has is mapped in any case, whatever the manifest says of it.
        let capacity = match state.is_sealed {
            true => 0,
            false => options.value_file_bytes,
        };
        let moved = crate::moves::read(reading, *id, state)?;
        let file = ValueFile::open(reading, (*id, state.physical), capacity, moved)?;
        version.values.insert(*id, Arc::new(file));
    }
    version.value_states = std::mem::take(&mut described.values);
    Ok(version)
}

/// The manifest, to go on with, and what there is of logs before they are replayed.
fn files_of(options: &Options, reading: &Reading, logs: LogPlace) -> Result<Files> {
    let (disk, keys) = (Arc::clone(&reading.disk), reading.keys.clone());
    let how = if options.is_read_only {
        OpenOptions::READ
    } else {
        OpenOptions::READ_WRITE
    };
    let external = options.external_magic;
    Ok(Files {
        manifest: Manifest::open(disk, &reading.directory, external, keys, &how)?,
        logs,
        logs_durable: logs,
        busy: Default::default(),
        must_rewrite: false,
        wals: Default::default(),
        free_logs: Vec::new(),
        writing: Vec::new(),
        halts: 0,
    })
}

/// The store as its manifest describes it; its logs are still to be replayed.
fn assemble(
    options: Options,
    reading: Reading,
    lease: Lease,
    mut described: Described,
    listed: &Listed,
) -> Result<Shared> {
    let version = open_described(&options, &reading, &mut described)?;
    let capacity = memtable_capacity(options.memtable_bytes);
    let memtable = Arc::new(Memtable::new(capacity, described.logs)?);
    let files = files_of(&options, &reading, described.logs)?;
    Ok(Shared::new(Parts {
        state: State {
            memtable,
            sealed: Vec::new(),
            version: Arc::new(version),
            lease: Arc::new(lease),
            drops: 0,
        },
        options,
        reading,
        core: Core::default(),
        files,
        visible: described.flushed,
        discarded: described.discarded,
        next_file: described.next_file.max(listed.next_file()),
        next_space: DEFAULT_SPACE + 1,
        threshold: described.threshold,
    }))
}

impl Shared {
    /// Takes up the logs where they are to be continued.
    fn begin_logs(&self) -> Result<()> {
        let mut core = locked(&self.core);
        core.last = self.visible();
        core.durable = core.last;
        core.wal_id = self.new_file_id();
        let version = Arc::clone(&self.state.load().version);
        let open = version.value_states.iter().next_back();
        if let Some((id, state)) = open.filter(|(_, state)| !state.is_sealed) {
            let path = self.reading.directory.join(values_name(*id));
            let file = self.reading.disk.open(&path, &OpenOptions::READ_WRITE);
            let file = file.map_err(|error| Error::io("opening the value log", error))?;
            core.values = Some(ValueWriter {
                log: LogWriter::new(file, *id, (state.len, state.len), None, 0),
                capacity: self.options.value_file_bytes.max(state.len),
                value_bytes: state.value_bytes,
            });
        }
        Ok(())
    }

    /// Learns from a record that is about to be loaded which number of a space is in use.
    pub fn note_space(&self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if let Some(value) = value
            && StoredRange::space(SYSTEM_SPACE).contains(key)
        {
            let next = crate::spaces::decode(value)?.saturating_add(1);
            let order = std::sync::atomic::Ordering::Relaxed;
            self.next_space.fetch_max(next, order);
        }
        Ok(())
    }

    /// Learns which numbers of spaces are in use.
    fn find_next_space(&self) -> Result<()> {
        let (state, at) = self.current();
        let space = StoredRange::space(SYSTEM_SPACE);
        let mut cursor = crate::cursor::Cursor::new(&state, space, (at, 0), None);
        let mut next = DEFAULT_SPACE + 1;
        let mut moved = kv_api::Cursor::first(&mut cursor)?;
        while let Some((_, value)) = moved {
            next = next.max(crate::spaces::decode(&value)?.saturating_add(1));
            moved = kv_api::Cursor::next(&mut cursor)?;
        }
        let order = std::sync::atomic::Ordering::Relaxed;
        self.next_space.store(next, order);
        Ok(())
    }
}
