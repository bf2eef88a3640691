//! A disk that breaks one arrow of the order of durability on the engine's behalf.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex};

use disk::{Create, Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View};

/// Which arrow is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Syncs of write-ahead logs do nothing.
    NoLogSync,
    /// Syncs of appended values do nothing.
    NoValueSync,
    /// Syncs of whole new files of values do nothing: those that collection makes.
    NoMovedSync,
    /// Syncs of tables do nothing.
    NoTableSync,
    /// Syncs of the manifest do nothing.
    NoManifestSync,
    /// Syncs of files of values that are there already do nothing, other than of what is appended.
    NoSecuringSync,
    /// Syncs of files of keys do nothing.
    NoKeySync,
    /// Syncs of names do nothing.
    NoNameSync,
    /// Syncs that follow when a name of this kind was given do nothing.
    NoSyncOfName(Named),
    /// Syncs of the directory that the store's own is in do nothing.
    NoParentSync,
    /// No lie: syncs of tables take some milliseconds.
    SlowTables,
    /// A failed sync is told as a success.
    HushedFailure,
}

/// What was given a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    Table,
    Log,
    /// A file that values are appended to, or that a load has filled.
    Values,
    /// A file that collection has filled.
    Moved,
    Manifest,
    Keys,
}

/// The last name that was given.
type Last = Arc<Mutex<Option<Named>>>;

#[derive(Debug)]
pub struct LyingDisk {
    inner: Arc<dyn Disk>,
    lie: Lie,
    last: Last,
}

impl LyingDisk {
    pub fn new(inner: Arc<dyn Disk>, lie: Lie) -> LyingDisk {
        LyingDisk {
            inner,
            lie,
            last: Last::default(),
        }
    }

    fn note(&self, path: &Path) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = match &*name {
            name if name.ends_with(".sst") => Named::Table,
            name if name.ends_with(".wal") => Named::Log,
            name if name.ends_with(".vlog") => Named::Values,
            "MANIFEST" => Named::Manifest,
            "KEYS" => Named::Keys,
            _ => return,
        };
        *self.last.lock().unwrap() = Some(named);
    }
}

/// Bytes of a file of values to which nothing was appended yet.
const HEADER_BYTES: u64 = 96;

#[derive(Debug)]
struct LyingFile {
    inner: Arc<dyn File>,
    /// Told once a whole new file of values is synced.
    last: Option<Last>,
    skips_data_sync: bool,
    skips_full_sync: bool,
    hushes: bool,
    is_slow: bool,
}

impl LyingFile {
    fn told(&self, synced: io::Result<()>) -> io::Result<()> {
        if self.hushes { Ok(()) } else { synced }
    }
}

impl File for LyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.inner.write_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.inner.write_vectored_at(slices, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.skips_data_sync {
            return Ok(());
        }
        self.told(self.inner.sync_data())
    }

    fn sync_all(&self) -> io::Result<()> {
        if let Some(last) = &self.last
            && self.inner.len()? > HEADER_BYTES
        {
            *last.lock().unwrap() = Some(Named::Moved);
        }
        if self.is_slow {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        if self.skips_full_sync {
            return Ok(());
        }
        self.told(self.inner.sync_all())
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.inner.try_lock(kind)
    }

    fn unlock(&self) -> io::Result<()> {
        self.inner.unlock()
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        self.inner.identity()
    }

    fn mode(&self) -> io::Result<u32> {
        self.inner.mode()
    }

    #[allow(unsafe_code, reason = "the trait's contract, passed on as it is")]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        // SAFETY: the caller's promise is the same.
        unsafe { self.inner.map(options) }
    }
}

impl Disk for LyingDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_any_of = |end: &str| name.ends_with(end);
        let (lie, is_old) = (self.lie, options.create == Create::Never);
        let skips_both = lie == Lie::NoLogSync && is_any_of(".wal")
            || lie == Lie::NoTableSync && is_any_of(".sst")
            || lie == Lie::NoManifestSync && name.starts_with("MANIFEST")
            || lie == Lie::NoKeySync && name.starts_with("KEYS")
            || lie == Lie::NoSecuringSync && is_any_of(".vlog") && is_old;
        if !is_old {
            self.note(path);
        }
        Ok(Arc::new(LyingFile {
            inner: self.inner.open(path, options)?,
            last: (!is_old && is_any_of(".vlog")).then(|| Arc::clone(&self.last)),
            skips_data_sync: skips_both || lie == Lie::NoValueSync && is_any_of(".vlog"),
            skips_full_sync: skips_both || lie == Lie::NoMovedSync && is_any_of(".vlog"),
            hushes: lie == Lie::HushedFailure,
            is_slow: lie == Lie::SlowTables && is_any_of(".sst"),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.note(to);
        self.inner.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.inner.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.inner.list(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        let last = self.last.lock().unwrap().take();
        let is_skipped = match self.lie {
            Lie::NoNameSync => true,
            Lie::NoSyncOfName(named) => last == Some(named),
            Lie::NoParentSync => directory == Path::new("/"),
            _ => false,
        };
        if is_skipped {
            return Ok(());
        }
        self.inner.sync_directory(directory)
    }
}
