//! A disk whose log syncs take a while, so that commits gather behind them, and that lets something
//! happen when a file is opened.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use disk::{Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View};

/// The disk under it, slowed.
#[derive(Clone, Debug)]
pub struct SlowDisk {
    under: Arc<dyn Disk>,
    /// Calls of `sync_data`.
    syncs: Arc<AtomicU64>,
    hook: Arc<Mutex<Hook>>,
}

/// What happens before the next file is opened whose name begins so.
#[derive(Default)]
struct Hook(Option<(&'static str, Work)>);

type Work = Box<dyn FnOnce() + Send>;

impl std::fmt::Debug for Hook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hook")
    }
}

impl SlowDisk {
    pub fn new(under: Arc<dyn Disk>) -> SlowDisk {
        SlowDisk {
            under,
            syncs: Arc::default(),
            hook: Arc::default(),
        }
    }

    /// Calls `work` once, before a file is opened whose name begins with `name`.
    pub fn before_opening(&self, name: &'static str, work: impl FnOnce() + Send + 'static) {
        self.hook.lock().unwrap().0 = Some((name, Box::new(work)));
    }

    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }
}

impl Disk for SlowDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let opened = path.file_name().unwrap_or_default().to_string_lossy();
        let is_it = |(name, _): &mut (&str, _)| opened.starts_with(*name);
        let due = self.hook.lock().unwrap().0.take_if(is_it);
        if let Some((_, work)) = due {
            work();
        }
        Ok(Arc::new(SlowFile {
            under: self.under.open(path, options)?,
            syncs: Arc::clone(&self.syncs),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.under.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.under.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.under.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.under.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.under.list(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.under.sync_directory(directory)
    }
}

#[derive(Debug)]
struct SlowFile {
    under: Arc<dyn File>,
    syncs: Arc<AtomicU64>,
}

impl File for SlowFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.under.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.under.write_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        self.under.write_vectored_at(slices, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.under.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.under.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        thread::sleep(Duration::from_millis(3));
        self.under.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.under.sync_all()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.under.try_lock(kind)
    }

    fn unlock(&self) -> io::Result<()> {
        self.under.unlock()
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        self.under.identity()
    }

    fn mode(&self) -> io::Result<u32> {
        self.under.mode()
    }

    #[allow(unsafe_code, reason = "the trait's contract; nothing is mapped here")]
    unsafe fn map(&self, _options: &MapOptions) -> io::Result<Arc<dyn View>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
