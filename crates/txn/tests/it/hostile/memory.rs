//! Files in memory without a recorder: as fast as a fuzzer wants, and strict about mappings.
//!
//! A view of a file is the bytes it had when it was mapped. Asking it for bytes past the file's
//! end panics, because a real mapping would end the process there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use disk::{Create, Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View};

type Bytes = Arc<Mutex<Arc<Vec<u8>>>>;

/// Files by path. Directories are taken for granted.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<BTreeMap<PathBuf, MemoryFile>>>);

impl MemoryDisk {
    /// A disk with one file.
    pub fn with(path: &str, bytes: Vec<u8>) -> MemoryDisk {
        let disk = MemoryDisk::default();
        disk.files().insert(path.into(), MemoryFile::new(bytes));
        disk
    }

    /// The disk as engines take it.
    pub fn as_dyn(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    /// What a file holds now.
    pub fn contents(&self, path: &str) -> Vec<u8> {
        let files = self.files();
        files[Path::new(path)].bytes().to_vec()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, MemoryFile>> {
        self.0.lock().unwrap()
    }

    fn move_to(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files();
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let mut files = self.files();
        let file = match (files.get(path), options.create) {
            (Some(_), Create::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file.clone(),
            (None, Create::Never) => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => MemoryFile::new(Vec::new()),
        };
        files.insert(path.into(), file.clone());
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.move_to(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        if self.files().contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.move_to(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path);
        Ok(())
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, _directory: &Path) -> io::Result<Vec<OsString>> {
        Ok(self.files().keys().map(Into::into).collect())
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Clone, Debug)]
struct MemoryFile {
    bytes: Bytes,
    inode: u64,
}

impl MemoryFile {
    fn new(bytes: Vec<u8>) -> MemoryFile {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        MemoryFile {
            bytes: Arc::new(Mutex::new(Arc::new(bytes))),
            inode: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn bytes(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes.lock().unwrap())
    }
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let from = bytes.get(offset as usize..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        buffer[..count].copy_from_slice(&from[..count]);
        Ok(count)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut held = self.bytes.lock().unwrap();
        let to = Arc::make_mut(&mut held);
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        to.resize(to.len().max(end), 0);
        to[start..end].copy_from_slice(bytes);
        Ok(bytes.len())
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        slices.iter().try_fold(0, |done, slice| {
            Ok(done + self.write_at(slice, offset + done as u64)?)
        })
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes().len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Arc::make_mut(&mut self.bytes.lock().unwrap()).resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn sync_all(&self) -> io::Result<()> {
        Ok(())
    }

    fn try_lock(&self, _kind: LockKind) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        // No machine has this device, so the process-wide claims never meet.
        Ok(FileIdentity {
            device: u64::MAX - 7,
            inode: self.inode,
        })
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(0o600)
    }

    #[allow(
        unsafe_code,
        reason = "the trait's contract; nothing here relies on it"
    )]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(MemoryView {
            bytes: self.bytes(),
            len: options.len,
        }))
    }
}

#[derive(Debug)]
struct MemoryView {
    bytes: Arc<Vec<u8>>,
    len: u64,
}

impl View for MemoryView {
    fn len(&self) -> u64 {
        self.len
    }

    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let end = offset.checked_add(len as u64);
        if end.is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let inside = self.bytes.get(offset as usize..offset as usize + len);
        Ok(inside.expect("a mapping was asked for bytes past the end of its file"))
    }

    fn follows_writes(&self) -> bool {
        false
    }
}
