//! A disk in memory that knows what a crash would leave of it.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use ::disk::{Create, Disk, File, OpenOptions};

use crate::core::{Core, Recorder, Shared, lock};
use crate::event::{Event, Mark};
use crate::fault::{Call, Fault};
use crate::file::CrashFile;
use crate::volume::{Effect, Entry, Volume};

/// A disk in memory. Clones are handles of the same disk.
///
/// Paths begin at one root, written as absolute or not; `..` is refused.
#[derive(Clone)]
pub struct CrashDisk {
    core: Shared,
}

/// How much of what was never synced a crash leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Only what was synced: a power cut at its worst.
    Synced,
    /// Everything: the process was killed, the machine lives.
    Everything,
}

impl CrashDisk {
    /// An empty disk that records what is done to it.
    pub fn new() -> CrashDisk {
        CrashDisk::holding(Volume::default(), true)
    }

    pub(crate) fn holding(volume: Volume, record: bool) -> CrashDisk {
        let core = Core::new(volume, record);
        CrashDisk {
            core: Arc::new(Mutex::new(core)),
        }
    }

    /// This disk as engines take it.
    pub fn as_dyn(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// Adds a fault; it counts calls from now on.
    pub fn arm(&self, fault: Fault) {
        lock(&self.core).faults.arm(fault);
    }

    /// Takes all faults away.
    pub fn disarm(&self) {
        lock(&self.core).faults.disarm();
    }

    /// How many calls failed so far with what is no want of space.
    pub(crate) fn broken(&self) -> u64 {
        lock(&self.core).faults.broken()
    }

    /// How many calls were struck so far.
    pub fn struck(&self) -> u64 {
        lock(&self.core).faults.struck()
    }

    /// What was done to bytes while a view lent them, and what views were asked for that no file
    /// holds. Empty for an engine that keeps the promise of `disk::File::map`.
    pub fn violations(&self) -> Vec<String> {
        lock(&self.core).violations.clone()
    }

    /// The disk that a crash at this moment leaves, itself recording from the beginning. Open
    /// handles of this one stay what they are.
    pub fn after_crash(&self, survivors: Survivors) -> CrashDisk {
        let core = lock(&self.core);
        let volume = match (&core.recorder, survivors) {
            (Some(recorder), Survivors::Synced) => recorder.medium.survivor(&[]),
            _ => core.live.clone(),
        };
        drop(core);
        CrashDisk::holding(volume, true)
    }

    pub(crate) fn mark(&self, mark: Mark) {
        lock(&self.core).record(Event::Mark(mark));
    }

    pub(crate) fn live_digest(&self) -> u128 {
        lock(&self.core).live.digest()
    }

    /// The recording so far; recording ends.
    pub(crate) fn take_recorder(&self) -> Recorder {
        lock(&self.core).recorder.take().unwrap_or_default()
    }
}

impl Default for CrashDisk {
    fn default() -> CrashDisk {
        CrashDisk::new()
    }
}

impl fmt::Debug for CrashDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let device = lock(&self.core).device;
        f.debug_struct("CrashDisk")
            .field("device", &device)
            .finish()
    }
}

impl Core {
    fn make(&mut self, directory: u64, name: OsString, entry: Entry) {
        self.change(Effect::Name {
            directory,
            name,
            entry: Some(entry),
        });
    }

    fn move_name(&mut self, from: &Path, to: &Path, replace: bool) -> io::Result<()> {
        self.pass(Call::Rename)?;
        let (from_directory, from_name) = self.live.place(from)?;
        let (to_directory, to_name) = self.live.place(to)?;
        let moved = self.live.entry(from_directory, &from_name);
        let entry = moved.ok_or(io::ErrorKind::NotFound)?;
        let there = self.live.entry(to_directory, &to_name);
        if there.is_some() && !replace {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if there == Some(entry) {
            return Ok(());
        }
        self.make(to_directory, to_name, entry);
        // A rename that replaces is one step: the old name never goes without the new one. The
        // other is a link and an unlink, which a file system may reorder.
        let removal = Effect::Name {
            directory: from_directory,
            name: from_name,
            entry: None,
        };
        self.change_tied(removal, replace);
        Ok(())
    }
}

impl Disk for CrashDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let mut core = lock(&self.core);
        core.pass(Call::Open)?;
        let (directory, name) = core.live.place(path)?;
        let (inode, mode) = match (core.live.entry(directory, &name), options.create) {
            (Some(Entry::Directory(_)), _) => return Err(io::ErrorKind::IsADirectory.into()),
            (Some(_), Create::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(Entry::File { inode, mode }), _) => (inode, mode),
            (None, Create::Never) => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => {
                let inode = core.next_number();
                let mode = options.mode;
                core.make(directory, name, Entry::File { inode, mode });
                (inode, mode)
            }
        };
        let handle = core.next_number();
        drop(core);
        let core = Arc::clone(&self.core);
        let file = CrashFile::new(core, inode, handle, mode, options.access);
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.core).move_name(from, to, true)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        lock(&self.core).move_name(from, to, false)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut core = lock(&self.core);
        core.pass(Call::Remove)?;
        let (directory, name) = core.live.place(path)?;
        match core.live.entry(directory, &name) {
            Some(Entry::File { .. }) => {}
            Some(Entry::Directory(_)) => return Err(io::ErrorKind::IsADirectory.into()),
            None => return Err(io::ErrorKind::NotFound.into()),
        }
        core.change(Effect::Name {
            directory,
            name,
            entry: None,
        });
        Ok(())
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut core = lock(&self.core);
        core.pass(Call::CreateDirectory)?;
        let (directory, name) = core.live.place(path)?;
        if core.live.entry(directory, &name).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let made = core.next_number();
        core.make(directory, name, Entry::Directory(made));
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut core = lock(&self.core);
        core.pass(Call::List)?;
        let directory = core.live.directory(directory)?;
        Ok(core.live.list(directory))
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let mut core = lock(&self.core);
        let directory = core.live.directory(directory)?;
        core.sync(Call::SyncDirectory, directory)
    }
}
