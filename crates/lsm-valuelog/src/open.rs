//! Opening a store: claim the directory, read the manifest, open what it names, replay the logs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use disk::{LockKind, OpenOptions};
use kv_api::{Error, Place, Result};

use crate::db::Db;
use crate::error::{damage, locked};
use crate::id::{FileId, Sequence};
use crate::key::{DEFAULT_SPACE, SYSTEM_SPACE, StoredRange};
use crate::lease::Lease;
use crate::log::wal::LogWriter;
use crate::logs::memtable_capacity;
use crate::manifest::edit::{Edit, Part};
use crate::manifest::file::{self as manifest, Found, Manifest};
use crate::memtable::{LogPlace, Memtable};
use crate::open_logs::{Core, ValueWriter};
use crate::options::Options;
use crate::shared::{Files, Parts, Shared};
use crate::state::State;
use crate::table::meta::TableMeta;
use crate::table::reader::{Reading, Retired, Table};
use crate::values::{ValueFile, values_name};
use crate::version::{LEVELS, ValueFileState, Version};

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
    /// that contradict each other, `Io` for everything the system refuses.
    pub fn open(self, path: impl AsRef<Path>) -> Result<Db> {
        open(path.as_ref(), self)
    }
}

fn open(path: &Path, options: Options) -> Result<Db> {
    options.validate()?;
    let span = tracing::debug_span!("open", path = %path.display());
    let _entered = span.enter();
    let disk = Arc::clone(&options.disk);
    match disk.create_directory(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(Error::io("making the directory", error));
        }
        _ => {}
    }
    let lease = if options.bypasses_lock {
        Lease::none()
    } else {
        Lease::take(&*disk, path, LockKind::Exclusive, options.lock_timeout)?
    };
    let reading = Reading {
        disk,
        directory: path.to_path_buf(),
        is_mapped: !options.reads_without_mapping,
        retired: Retired::default(),
    };
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
    let external = options.external_magic;
    let found = match manifest::find(&*reading.disk, path, external)? {
        Some(found) => found,
        None => create(&reading, &listed, external)?,
    };
    let (torn_bytes, appended) = (found.torn_bytes, found.appended);
    let described = Described::fold(found)?;
    let kept = keep_torn_manifest(&reading, torn_bytes)?;
    if appended > 0 || torn_bytes > 0 {
        // What its edits say may be in the cache only, and files are removed on their word.
        let disk = Arc::clone(&reading.disk);
        Manifest::create(disk, path, external, &described.base())
            .map_err(|failure| failure.error)?;
    }
    let wals = listed.clean(&reading, &described)?;
    let shared = assemble(options, reading, lease, described, &listed, external)?;
    let mut recovery = shared.recover(&wals, torn_bytes)?;
    recovery.kept_aside.extend(kept);
    shared.begin_logs()?;
    shared.find_next_space()?;
    Ok(Db::start(Arc::new(shared), recovery))
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

/// Files in the directory, by kind.
#[derive(Default)]
struct Listed {
    tables: Vec<FileId>,
    values: Vec<FileId>,
    wals: Vec<FileId>,
    /// A manifest that never took its place.
    has_unfinished: bool,
}

impl Listed {
    fn of(reading: &Reading) -> Result<Listed> {
        let mut listed = Listed::default();
        let names = reading.disk.list(&reading.directory);
        for name in names.map_err(|error| Error::io("listing the directory", error))? {
            let name = name.to_string_lossy();
            listed.has_unfinished |= name == manifest::NEW_NAME;
            let Some((number, kind)) = name.split_once('.') else {
                continue;
            };
            // Names are taken only in the form this engine gives them.
            let Some(id) = number.parse().ok().map(FileId) else {
                continue;
            };
            if id.to_string() != number {
                continue;
            }
            match kind {
                "sst" => listed.tables.push(id),
                "vlog" => listed.values.push(id),
                "wal" => listed.wals.push(id),
                _ => {}
            }
        }
        listed.wals.sort();
        Ok(listed)
    }

    fn next_file(&self) -> FileId {
        let all = self.tables.iter().chain(&self.values).chain(&self.wals);
        all.max().map_or(FileId(1), |id| id.next())
    }

    fn is_empty(&self) -> bool {
        self.tables.is_empty() && self.values.is_empty() && self.wals.is_empty()
    }

    /// Removes what no version names; answers the write-ahead logs that count.
    fn clean(&self, reading: &Reading, described: &Described) -> Result<Vec<FileId>> {
        let remove = |name: String| {
            let removed = reading.disk.remove(&reading.directory.join(&name));
            removed.map_err(|error| Error::io("removing a file that nothing names", error))
        };
        for id in &self.tables {
            if !described.tables.contains_key(id) {
                remove(format!("{id}.sst"))?;
            }
        }
        for id in &self.values {
            let mut states = described.values.values();
            if !states.any(|state| state.physical == *id) {
                remove(values_name(*id))?;
            }
        }
        let (needed, needless): (Vec<FileId>, Vec<FileId>) =
            self.wals.iter().partition(|id| **id >= described.logs.wal);
        for id in needless {
            remove(crate::logs::wal_name(id))?;
        }
        Ok(needed)
    }
}

/// Makes the manifest of an empty store.
fn create(reading: &Reading, listed: &Listed, external: u16) -> Result<Found> {
    if !listed.is_empty() {
        return Err(damage(manifest::NAME, 0, "the manifest is missing"));
    }
    let base = vec![Part::NextFile(FileId(1))];
    let disk = Arc::clone(&reading.disk);
    Manifest::create(disk, &reading.directory, external, &base).map_err(|failure| failure.error)?;
    Ok(Found {
        edits: vec![base],
        torn_bytes: 0,
        appended: 0,
    })
}

/// What the manifest's edits add up to.
#[derive(Default)]
struct Described {
    tables: BTreeMap<FileId, (usize, TableMeta)>,
    values: BTreeMap<FileId, ValueFileState>,
    flushed: Sequence,
    logs: LogPlace,
    next_file: FileId,
}

impl Described {
    fn fold(found: Found) -> Result<Described> {
        let mut described = Described::default();
        for edit in found.edits {
            described.take(edit)?;
        }
        Ok(described)
    }

    /// One edit that says all of it.
    fn base(&self) -> Edit {
        let values = self.values.iter();
        let mut base: Edit = values
            .map(|(id, state)| Part::Values(*id, *state))
            .collect();
        let tables = self.tables.values();
        base.extend(tables.map(|(level, meta)| Part::AddTable(*level, meta.clone())));
        base.push(Part::Flushed(self.flushed));
        base.push(Part::Logs(self.logs));
        base.push(Part::NextFile(self.next_file));
        base
    }

    fn take(&mut self, edit: Edit) -> Result<()> {
        // A table that moves down is removed and added under one number.
        for part in &edit {
            if let Part::RemoveTable(_, id) = part
                && self.tables.remove(id).is_none()
            {
                return Err(damage(manifest::NAME, 0, "an unknown table is removed"));
            }
        }
        for part in edit {
            match part {
                Part::AddTable(level, meta) => {
                    let id = meta.id;
                    if level >= LEVELS || self.tables.insert(id, (level, meta)).is_some() {
                        return Err(damage(manifest::NAME, 0, "a table is added twice"));
                    }
                }
                Part::RemoveTable(..) => {}
                Part::Flushed(sequence) => self.flushed = sequence,
                Part::Logs(logs) => self.logs = logs,
                Part::NextFile(id) => self.next_file = id,
                Part::Values(id, state) => drop(self.values.insert(id, state)),
                Part::RemoveValues(id) => drop(self.values.remove(&id)),
            }
        }
        Ok(())
    }
}

fn assemble(
    options: Options,
    reading: Reading,
    lease: Lease,
    described: Described,
    listed: &Listed,
    external: u16,
) -> Result<Shared> {
    let mut version = Version {
        levels: vec![Vec::new(); LEVELS],
        flushed: described.flushed,
        ..Version::default()
    };
    for (level, meta) in described.tables.into_values() {
        version.add(level, Arc::new(Table::open(&reading, meta)?));
    }
    if let Some(what) = version.disorder() {
        return Err(Error::corrupt(Place::Store, what));
    }
    for (id, state) in &described.values {
        let capacity = options.value_file_bytes.max(state.len);
        let moved = crate::moves::read(&reading, *id, state)?;
        let file = ValueFile::open(&reading, (*id, state.physical), capacity, moved)?;
        version.values.insert(*id, Arc::new(file));
    }
    version.value_states = described.values;
    let next_file = described.next_file.max(listed.next_file());
    let wal = described.logs;
    let capacity = memtable_capacity(options.memtable_bytes);
    let memtable = Arc::new(Memtable::new(capacity, wal)?);
    let disk = Arc::clone(&reading.disk);
    let files = Files {
        manifest: Manifest::open(disk, &reading.directory, external)?,
        logs: described.logs,
        logs_durable: described.logs,
        busy: Default::default(),
        must_rewrite: false,
        wals: Default::default(),
        free_logs: Vec::new(),
        writing: Vec::new(),
    };
    Ok(Shared::new(Parts {
        state: State {
            memtable,
            sealed: Vec::new(),
            version: Arc::new(version),
            lease: Arc::new(lease),
        },
        options,
        reading,
        core: Core::default(),
        files,
        visible: described.flushed,
        next_file,
        next_space: DEFAULT_SPACE + 1,
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
                log: LogWriter::new(file, *id, (state.len, state.len), 0, 0),
                capacity: self.options.value_file_bytes.max(state.len),
                value_bytes: state.value_bytes,
            });
        }
        Ok(())
    }

    /// Learns which numbers of spaces are in use.
    pub fn find_next_space(&self) -> Result<()> {
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
