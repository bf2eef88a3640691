//! The operating system behind the door.

use std::ffi::OsString;
use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use nix::libc;

use crate::file::write_all_at;
use crate::mapping::Mapping;
use crate::{Access, Create, Disk, File, FileIdentity, LockKind, MapOptions, OpenOptions, View};

/// The file system of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsDisk;

#[derive(Debug)]
struct OsFile(fs::File);

impl Disk for OsDisk {
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>> {
        let mut open = fs::OpenOptions::new();
        open.read(true)
            .write(options.access == Access::ReadWrite)
            .mode(options.mode);
        match options.create {
            Create::Never => {}
            Create::IfMissing => drop(open.create(true)),
            Create::New => drop(open.create_new(true)),
        }
        // Without O_NONBLOCK, opening a pipe for reading waits for a writer that never comes.
        let mut flags = libc::O_NONBLOCK;
        if options.direct {
            flags |= direct_flag();
        }
        let file = open.custom_flags(flags).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            ));
        }
        Ok(Arc::new(OsFile(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        // link(2) refuses an existing name on every Unix; renameat2 does so only on Linux and
        // not on every file system there.
        fs::hard_link(from, to)?;
        fs::remove_file(from)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().mode(0o700).create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        // The parent of a bare file name is the empty path, which no system call takes.
        let directory = if directory.as_os_str().is_empty() {
            Path::new(".")
        } else {
            directory
        };
        fs::File::open(directory)?.sync_all()
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn direct_flag() -> i32 {
    libc::O_DIRECT
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn direct_flag() -> i32 {
    0
}

impl File for OsFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let offset =
            i64::try_from(offset).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        Ok(nix::sys::uio::pwritev(&self.0, slices, offset)?)
    }

    #[cfg(target_os = "linux")]
    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        use rustix::io::{ReadWriteFlags, pwritev2};
        // One call, and where the device can, one request instead of a write and a flush.
        let slices = [IoSlice::new(bytes)];
        match pwritev2(&self.0, &slices, offset, ReadWriteFlags::DSYNC) {
            Ok(written) if written == bytes.len() => Ok(()),
            // Cut short, interrupted or unknown to this file system: write and sync tell the rest.
            Ok(_)
            | Err(
                rustix::io::Errno::INTR | rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS,
            ) => {
                write_all_at(self, bytes, offset)?;
                self.sync_data()
            }
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(target_os = "linux")]
    #[allow(unsafe_code, reason = "no safe crate offers the call")]
    fn start_writing(&self, offset: u64, len: u64) {
        use std::os::fd::AsRawFd;
        let (Ok(offset), Ok(len)) = (i64::try_from(offset), i64::try_from(len)) else {
            return;
        };
        // Without its waiting flags the call takes no note of errors of earlier writing, so the sync
        // that follows still tells them; its own answer can be left out for the same reason.
        // SAFETY: the call takes numbers only and touches no memory of this process; the descriptor
        // is open for as long as `self` is borrowed.
        let _hint = unsafe {
            libc::sync_file_range(self.0.as_raw_fd(), offset, len, libc::SYNC_FILE_RANGE_WRITE)
        };
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn sync_all(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        let taken = match kind {
            LockKind::Shared => self.0.try_lock_shared(),
            LockKind::Exclusive => self.0.try_lock(),
        };
        match taken {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn unlock(&self) -> io::Result<()> {
        self.0.unlock()
    }

    fn identity(&self) -> io::Result<FileIdentity> {
        let metadata = self.0.metadata()?;
        Ok(FileIdentity {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    fn mode(&self) -> io::Result<u32> {
        Ok(self.0.metadata()?.mode() & 0o7777)
    }

    #[allow(unsafe_code, reason = "passes the caller's promise on")]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>> {
        // SAFETY: the caller makes the promise `Mapping::new` asks for, word for word.
        let mapping = unsafe { Mapping::new(&self.0, options) }?;
        Ok(Arc::new(mapping))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read_exact_at;

    fn new_file(directory: &Path) -> io::Result<Arc<dyn File>> {
        OsDisk.open(&directory.join("file"), &OpenOptions::NEW)
    }

    #[test]
    fn a_durable_write_of_any_length_is_read_back() -> io::Result<()> {
        let directory = tempfile::tempdir()?;
        let file = new_file(directory.path())?;
        for len in [0, 80, 200_005] {
            let bytes: Vec<u8> = (0..=250).cycle().take(len).collect();
            file.write_durable_at(&bytes, 4096)?;
            let mut read = vec![0; len];
            read_exact_at(&*file, &mut read, 4096)?;
            assert!(read == bytes, "{len} bytes");
        }
        Ok(())
    }
}
