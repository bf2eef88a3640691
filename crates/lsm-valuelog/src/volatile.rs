//! The disk of a store that is kept in memory: its write-ahead logs hold nothing, because nobody
//! will ever read them.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use disk::{Disk, File, FileIdentity, LockKind, MapOptions, MemoryDisk, OpenOptions, View};

/// Files in memory, but for the bytes of write-ahead logs.
#[derive(Debug, Default)]
pub(crate) struct VolatileDisk(MemoryDisk);

impl Disk for VolatileDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let file = self.0.open(path, options)?;
        if path.extension().is_some_and(|kind| kind == "wal") {
            return Ok(Arc::new(Unwritten(file)));
        }
        Ok(file)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename_new(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.0.list(directory)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.0.sync_directory(directory)
    }
}

/// A file that takes what is written and keeps none of it.
#[derive(Debug)]
struct Unwritten(Arc<dyn File>);

impl File for Unwritten {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], _offset: u64) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], _offset: u64) -> io::Result<usize> {
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, _len: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.0.try_lock(kind)
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        self.0.identity()
    }

    fn mode(&self) -> io::Result<u32> {
        self.0.mode()
    }

    #[allow(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.0.map(options) }
    }
}
