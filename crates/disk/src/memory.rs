//! A disk that is memory: its files are gone with their last holder.
//!
//! Invariant: a view lends the bytes a file had when it was mapped; a later write to the file
//! changes a copy, so what is lent never does.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Create, Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View};

/// Files in memory, by path. Directories need not be made, and syncs have nothing to do.
///
/// Reading and writing copy; a view does not, so a file that is written once and then mapped is
/// held once. Locks always succeed: nobody else can reach these files.
///
/// ```
/// use disk::{Disk, MemoryDisk, OpenOptions, write_all_at};
///
/// # fn main() -> std::io::Result<()> {
/// let disk = MemoryDisk::default();
/// let file = disk.open("notes".as_ref(), &OpenOptions::NEW)?;
/// write_all_at(&*file, b"a few words", 0)?;
/// assert_eq!(disk.list("".as_ref())?, ["notes"]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryDisk(Arc<Mutex<BTreeMap<PathBuf, MemoryFile>>>);

/// A step that panicked has left maps and bytes whole: each changes them once.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn to_usize(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

impl MemoryDisk {
    fn move_to(&self, from: &Path, to: &Path, may_replace: bool) -> io::Result<()> {
        let mut files = locked(&self.0);
        if !may_replace && files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let file = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.into(), file);
        Ok(())
    }
}

impl Disk for MemoryDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let mut files = locked(&self.0);
        let file = match (files.get(path), options.create) {
            (Some(_), Create::New) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Some(file), _) => file.clone(),
            (None, Create::Never) => return Err(io::ErrorKind::NotFound.into()),
            (None, _) => {
                let file = MemoryFile::new();
                files.insert(path.into(), file.clone());
                file
            }
        };
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.move_to(from, to, true)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.move_to(from, to, false)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let removed = locked(&self.0).remove(path);
        removed
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create_directory(&self, _path: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let files = locked(&self.0);
        let inside = files.keys().filter(|path| path.parent() == Some(directory));
        Ok(inside
            .filter_map(|path| path.file_name().map(OsString::from))
            .collect())
    }

    fn sync_directory(&self, _directory: &Path) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for MemoryDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDisk").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct MemoryFile {
    bytes: Arc<Mutex<Arc<Vec<u8>>>>,
    inode: u64,
}

impl MemoryFile {
    fn new() -> MemoryFile {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        MemoryFile {
            bytes: Arc::default(),
            inode: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    fn bytes(&self) -> Arc<Vec<u8>> {
        Arc::clone(&locked(&self.bytes))
    }

    fn change<T>(&self, work: impl FnOnce(&mut Vec<u8>) -> io::Result<T>) -> io::Result<T> {
        work(Arc::make_mut(&mut locked(&self.bytes)))
    }
}

/// Grows with zeros to at least `len`.
fn reach(bytes: &mut Vec<u8>, len: usize) -> io::Result<()> {
    if let Some(more) = len.checked_sub(bytes.len()) {
        let room = bytes.try_reserve(more);
        room.map_err(|_| io::ErrorKind::StorageFull)?;
        bytes.resize(len, 0);
    }
    Ok(())
}

impl File for MemoryFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let bytes = self.bytes();
        let from = bytes.get(to_usize(offset)?..).unwrap_or_default();
        let count = from.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), from.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }

    fn write_at(&self, from: &[u8], offset: u64) -> io::Result<usize> {
        let start = to_usize(offset)?;
        let end = start.checked_add(from.len());
        let end = end.ok_or(io::ErrorKind::FileTooLarge)?;
        self.change(|bytes| {
            reach(bytes, end)?;
            if let Some(to) = bytes.get_mut(start..end) {
                to.copy_from_slice(from);
            }
            Ok(from.len())
        })
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
        let len = to_usize(len)?;
        self.change(|bytes| {
            bytes.truncate(len);
            reach(bytes, len)
        })
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whoever syncs all of a file has written it: the room kept for growing is given back.
    fn sync_all(&self) -> io::Result<()> {
        let mut held = locked(&self.bytes);
        if let Some(bytes) = Arc::get_mut(&mut held) {
            bytes.shrink_to_fit();
        }
        Ok(())
    }

    fn try_lock(&self, _kind: LockKind) -> io::Result<bool> {
        Ok(true)
    }

    fn unlock(&self) -> io::Result<()> {
        Ok(())
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        // No machine has this device, so claims of these files never meet those of others.
        Ok(FileIdentity {
            device: u64::MAX - 1,
            inode: self.inode,
        })
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(0o600)
    }

    #[allow(
        unsafe_code,
        reason = "the trait's contract; this implementation does not rely on it"
    )]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        Ok(Arc::new(MemoryView {
            bytes: self.bytes(),
            len: options.len,
        }))
    }
}

impl fmt::Debug for MemoryFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryFile")
            .field("inode", &self.inode)
            .finish_non_exhaustive()
    }
}

/// A file's bytes as they were.
struct MemoryView {
    bytes: Arc<Vec<u8>>,
    len: u64,
}

impl View for MemoryView {
    fn len(&self) -> u64 {
        self.len
    }

    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let past = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let end = offset.checked_add(len as u64);
        let end = end.filter(|end| *end <= self.len).ok_or_else(past)?;
        let inside = self.bytes.get(to_usize(offset)?..to_usize(end)?);
        inside.ok_or_else(past)
    }

    fn follows_writes(&self) -> bool {
        false
    }
}

impl fmt::Debug for MemoryView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryView")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{read_exact_at, write_all_at};

    fn file(disk: &MemoryDisk, name: &str) -> Arc<dyn File> {
        disk.open(name.as_ref(), &OpenOptions::NEW)
            .unwrap_or_else(|error| unreachable!("{name}: {error}"))
    }

    #[test]
    #[allow(unsafe_code, reason = "the trait's contract")]
    fn what_a_view_lends_outlives_writes_and_removal() {
        let disk = MemoryDisk::default();
        let held = file(&disk, "a");
        assert!(write_all_at(&*held, b"first", 0).is_ok());
        // SAFETY: this implementation asks for nothing.
        let view = unsafe {
            held.map(&MapOptions {
                len: 100,
                ..MapOptions::default()
            })
        };
        assert!(write_all_at(&*held, b"other", 0).is_ok());
        assert!(disk.remove("a".as_ref()).is_ok());
        let view = view.ok();
        let lent = view.as_ref().and_then(|view| view.bytes(0, 5).ok());
        assert_eq!(lent, Some(&b"first"[..]));
        let past = view.as_ref().and_then(|view| view.bytes(3, 5).ok());
        assert_eq!(past, None, "past the file's end, though not the view's");
        let mut now = [0; 5];
        assert!(read_exact_at(&*held, &mut now, 0).is_ok());
        assert_eq!(&now, b"other");
    }

    #[test]
    fn names_are_listed_by_directory_and_renamed_as_on_a_disk() {
        let disk = MemoryDisk::default();
        for name in ["d/a", "d/b", "e"] {
            file(&disk, name);
        }
        let listed = disk.list("d".as_ref()).unwrap_or_default();
        assert_eq!(listed, ["a", "b"]);
        let taken = disk.rename_new("d/a".as_ref(), "d/b".as_ref());
        assert_eq!(
            taken.map_err(|error| error.kind()),
            Err(io::ErrorKind::AlreadyExists)
        );
        assert!(disk.rename("d/a".as_ref(), "d/b".as_ref()).is_ok());
        let gone = disk.open("d/a".as_ref(), &OpenOptions::READ);
        assert_eq!(
            gone.map(drop).map_err(|error| error.kind()),
            Err(io::ErrorKind::NotFound)
        );
    }

    #[test]
    fn a_file_is_cut_and_grows_with_zeros() {
        let disk = MemoryDisk::default();
        let held = file(&disk, "a");
        assert!(write_all_at(&*held, b"abc", 2).is_ok());
        assert!(held.set_len(4).and_then(|()| held.set_len(6)).is_ok());
        let mut bytes = [9; 6];
        assert!(read_exact_at(&*held, &mut bytes, 0).is_ok());
        assert_eq!(&bytes, b"\0\0ab\0\0");
        assert!(held.set_len(u64::MAX).is_err(), "refused, not a panic");
    }
}
