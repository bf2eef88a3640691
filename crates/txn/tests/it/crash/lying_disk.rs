//! A disk that breaks one rule of the commit protocol on the engine's behalf.

use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use disk::{Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View, write_all_at};

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// The sync between pages and meta does nothing.
    NoPageSync,
    /// The sync behind the meta does nothing.
    NoMetaSync,
    /// `sync_all` does nothing.
    NoFullSync,
    /// `sync_directory` does nothing.
    NoDirectorySync,
    /// Pages reach the disk behind the meta that names them.
    MetaBeforePages,
    /// Every meta is written to page 1, where the durable one stands.
    OneMeta,
    /// A failed sync is tried again, and the second answer believed.
    SyncTriedAgain,
    /// A failed sync is told as a success.
    SyncFailureHushed,
    /// A write that fell short is told as whole.
    ShortTakenForWhole,
    /// Every fifth write of pages never happens.
    LostWrites,
    /// Every fifth write of pages lands one page further.
    MisdirectedWrites,
}

#[derive(Debug)]
pub struct LyingDisk {
    pub inner: Arc<dyn Disk>,
    pub lie: Lie,
    pub page_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    wrote_meta: bool,
    page_writes: usize,
    late: Vec<(u64, Vec<u8>)>,
}

#[derive(Debug)]
struct LyingFile {
    inner: Arc<dyn File>,
    lie: Lie,
    page_bytes: usize,
    state: Mutex<State>,
}

impl LyingFile {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_meta(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        if self.lie == Lie::OneMeta {
            let mut moved = bytes.to_vec();
            // A page begins with its own number.
            moved[0] = 1;
            return self.inner.write_at(&moved, self.page_bytes as u64);
        }
        self.inner.write_at(bytes, offset)
    }

    fn write_pages(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.state();
        state.page_writes += 1;
        let fifth = state.page_writes.is_multiple_of(5);
        match self.lie {
            Lie::MetaBeforePages => state.late.push((offset, bytes.to_vec())),
            Lie::LostWrites if fifth => {}
            Lie::MisdirectedWrites if fifth => {
                write_all_at(&*self.inner, bytes, offset + self.page_bytes as u64)?;
            }
            Lie::ShortTakenForWhole => drop(self.inner.write_at(bytes, offset)?),
            _ => return self.inner.write_at(bytes, offset),
        }
        Ok(bytes.len())
    }

    fn sync(&self, sync: impl Fn() -> io::Result<()>) -> io::Result<()> {
        match self.lie {
            Lie::SyncTriedAgain => sync().or_else(|_| sync()),
            Lie::SyncFailureHushed => sync().or(Ok(())),
            _ => sync(),
        }
    }
}

impl File for LyingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let is_meta = offset <= self.page_bytes as u64 && bytes.len() <= self.page_bytes;
        self.state().wrote_meta = is_meta;
        if is_meta {
            self.write_meta(bytes, offset)
        } else if offset == 0 {
            self.inner.write_at(bytes, offset)
        } else {
            self.write_pages(bytes, offset)
        }
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let whole: Vec<u8> = slices
            .iter()
            .flat_map(|slice| slice.iter())
            .copied()
            .collect();
        self.write_at(&whole, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let wrote_meta = self.state().wrote_meta;
        match self.lie {
            Lie::NoPageSync | Lie::MetaBeforePages if !wrote_meta => return Ok(()),
            Lie::NoMetaSync if wrote_meta => return Ok(()),
            _ => {}
        }
        self.sync(|| self.inner.sync_data())?;
        let late = std::mem::take(&mut self.state().late);
        for (offset, bytes) in late {
            write_all_at(&*self.inner, &bytes, offset)?;
            self.inner.sync_data()?;
        }
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        if self.lie == Lie::NoFullSync {
            return Ok(());
        }
        self.sync(|| self.inner.sync_all())
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
        Ok(Arc::new(LyingFile {
            inner: self.inner.open(path, options)?,
            lie: self.lie,
            page_bytes: self.page_bytes,
            state: Mutex::default(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
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
        if self.lie == Lie::NoDirectorySync {
            return Ok(());
        }
        self.inner.sync_directory(directory)
    }
}
