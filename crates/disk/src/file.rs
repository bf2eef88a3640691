//! A disk and its files, as traits: what an engine may ask of the world below it.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use crate::{MapOptions, View};

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Whether opening may make the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Create {
    /// The file must exist.
    Never,
    /// An empty file is made where there is none.
    IfMissing,
    /// The file must not exist; a symbolic link in its place is refused.
    New,
}

/// How to open a file.
#[derive(Clone, Copy, Debug)]
pub struct OpenOptions {
    /// What for.
    pub access: Access,
    /// Whether it may be made.
    pub create: Create,
    /// Permission bits of a file that is made, before the process's umask.
    pub mode: u32,
    /// Read around the page cache where the system can (`O_DIRECT`). Offsets, lengths and
    /// buffers are then the caller's to align.
    pub direct: bool,
}

impl OpenOptions {
    /// Reading an existing file.
    pub const READ: OpenOptions = OpenOptions {
        access: Access::Read,
        create: Create::Never,
        mode: 0o600,
        direct: false,
    };

    /// Reading and writing an existing file.
    pub const READ_WRITE: OpenOptions = OpenOptions {
        access: Access::ReadWrite,
        create: Create::Never,
        mode: 0o600,
        direct: false,
    };

    /// Making a new file that only its owner may read.
    pub const NEW: OpenOptions = OpenOptions {
        access: Access::ReadWrite,
        create: Create::New,
        mode: 0o600,
        direct: false,
    };
}

/// Which of the two whole-file locks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Many holders, none of them exclusive.
    Shared,
    /// One holder.
    Exclusive,
}

/// What makes a file the same file under any name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileIdentity {
    /// The device.
    pub device: u64,
    /// The file on it.
    pub inode: u64,
}

/// A place that holds files.
///
/// Names are not durable before [`sync_directory`](Disk::sync_directory) of the directory that
/// holds them; bytes and lengths not before the file's own sync.
pub trait Disk: Send + Sync + fmt::Debug + 'static {
    /// Opens a regular file; anything else (a directory, a pipe, a device) is refused.
    fn open(&self, path: &Path, options: &OpenOptions) -> io::Result<Arc<dyn File>>;
    /// Renames, replacing what stood at `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Renames, failing with `AlreadyExists` if anything stands at `to`.
    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file's name.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes a directory.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, ascending.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;
    /// Makes the names in `directory` durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}

/// An open file. Dropping it closes it and releases its lock.
pub trait File: Send + Sync + fmt::Debug + 'static {
    /// Reads at `offset`; may read less than asked, and reads nothing only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;
    /// Writes at `offset`; may write less than asked.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;
    /// Writes the slices one behind the other at `offset`; may write less than asked.
    fn write_vectored_at(&self, slices: &[IoSlice<'_>], offset: u64) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset` and makes them durable, with as much of the length as
    /// reading them back needs. Promises nothing about what was written before.
    fn write_durable_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut done = 0;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            done += written(self.write_at(rest, offset + done as u64))?;
        }
        self.sync_data()
    }
    /// Asks the system to begin to write out `len` bytes at `offset`, so that a sync to come waits for
    /// less. Promises nothing: whoever ignores it loses time alone, and what goes wrong is told by that
    /// sync.
    fn start_writing(&self, _offset: u64, _len: u64) {}
    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Whether the length is 0.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Cuts or grows with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes written bytes durable, and as much of the length as reading them back needs.
    fn sync_data(&self) -> io::Result<()>;
    /// Makes written bytes and all of the file's metadata durable.
    fn sync_all(&self) -> io::Result<()>;
    /// Takes the advisory whole-file lock if no one stands in the way; answers whether it did.
    fn try_lock(&self, kind: LockKind) -> io::Result<bool>;
    /// Gives the lock back.
    fn unlock(&self) -> io::Result<()>;
    /// What makes this file itself.
    fn identity(&self) -> io::Result<FileIdentity>;
    /// The permission bits, so that a copy can be given the same.
    fn mode(&self) -> io::Result<u32>;

    /// Maps the first `options.len` bytes for reading. The map may reach past the end of the file.
    ///
    /// # Safety
    ///
    /// For as long as the view lives, the caller must not ask it for bytes past the end of the
    /// file, no process may cut the file below a range that was asked for, and no process may
    /// write to a range while a slice of it is borrowed.
    #[allow(
        unsafe_code,
        reason = "the contract with the outside world begins here"
    )]
    unsafe fn map(&self, options: &MapOptions) -> io::Result<Arc<dyn View>>;
}

/// Reads until `buffer` is full or the file ends; answers the number of bytes read.
pub fn read_up_to_at(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, offset + done as u64) {
            Ok(0) => break,
            Ok(read) => done += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Fills `buffer`, or fails with `UnexpectedEof`.
pub fn read_exact_at(file: &dyn File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    if read_up_to_at(file, buffer, offset)? == buffer.len() {
        return Ok(());
    }
    Err(io::ErrorKind::UnexpectedEof.into())
}

/// Bytes of one write. Linux caches a file in pieces as long as the writes that first filled
/// them, and ext4 walks all blocks of a piece for every later write into it: pages rewritten one
/// by one in a file that was written by 8 MiB cost half as much again as in one written by 64 KiB.
const PIECE_BYTES: usize = 64 << 10;

/// Writes all of `bytes`.
pub fn write_all_at(file: &dyn File, bytes: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        let piece = rest.get(..PIECE_BYTES).unwrap_or(rest);
        done += written(file.write_at(piece, offset + done as u64))?;
    }
    Ok(())
}

/// Slices per call: what POSIX systems take at once (`IOV_MAX` is 1024 on all that matter).
const SLICES_PER_WRITE_MAX: usize = 1024;

/// Writes all of `slices`, one behind the other.
pub fn write_all_vectored_at(
    file: &dyn File,
    slices: &mut [IoSlice<'_>],
    offset: u64,
) -> io::Result<()> {
    write_vectored_by(PIECE_BYTES, file, slices, offset)
}

/// Writes all of `slices`, one behind the other, in pieces as long as they come: for what is never
/// rewritten in small parts, and read faster from long pieces.
pub fn write_all_whole_at(
    file: &dyn File,
    slices: &mut [IoSlice<'_>],
    offset: u64,
) -> io::Result<()> {
    write_vectored_by(usize::MAX, file, slices, offset)
}

fn write_vectored_by(
    bytes_max: usize,
    file: &dyn File,
    mut slices: &mut [IoSlice<'_>],
    mut offset: u64,
) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while let Some(first) = slices.first() {
        let mut bytes: usize = 0;
        let within = slices
            .iter()
            .take(SLICES_PER_WRITE_MAX)
            .take_while(|slice| {
                bytes = bytes.saturating_add(slice.len());
                bytes <= bytes_max
            });
        let done = match within.count() {
            // The first is longer than a piece: as much of it as that takes.
            0 => file.write_at(first.get(..bytes_max).unwrap_or(first), offset),
            count => file.write_vectored_at(slices.get(..count).unwrap_or_default(), offset),
        };
        let done = written(done)?;
        offset += done as u64;
        IoSlice::advance_slices(&mut slices, done);
    }
    Ok(())
}

/// A write that wrote nothing would be retried for ever, so it is an error; an interrupted one is
/// simply tried again.
fn written(result: io::Result<usize>) -> io::Result<usize> {
    match result {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(0),
        other => other,
    }
}
