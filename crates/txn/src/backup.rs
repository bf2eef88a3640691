//! Copying a snapshot while the database is in use.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use disk::{Claim, Disk, File, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Error, Result};
use pager::{Slot, TxId};

use crate::error::from_pager;
use crate::names::{new_temporary, sync_parent};
use crate::snapshot::Snapshot;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 1 << 20;
/// What direct reads ask of offsets, lengths and buffers; no disk in use asks for more.
const DIRECT_ALIGNMENT: usize = 4096;

/// How to copy a snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub struct BackupOptions {
    /// Read around the page cache (`O_DIRECT`), so that copying a database larger than memory
    /// does not push out everything else. Where the system refuses, reads as usual.
    pub bypass_cache: bool,
}

impl Snapshot {
    /// Writes this version as a database of its own and answers its length, which is
    /// [`Snapshot::size_bytes`]. Writers go on meanwhile.
    pub fn write_to(&self, to: &mut (impl Write + ?Sized)) -> Result<u64> {
        self.write_to_with(to, BackupOptions::default())
    }

    /// Like [`Snapshot::write_to`], with options.
    pub fn write_to_with(
        &self,
        to: &mut (impl Write + ?Sized),
        options: BackupOptions,
    ) -> Result<u64> {
        let writing = |error| Error::io("writing the copy", error);
        let meta = self.version().meta;
        let older = pager::Meta {
            txid: TxId(meta.txid.0.saturating_sub(1)),
            ..meta
        };
        to.write_all(&meta.page_image(Slot::Zero.page()))
            .map_err(writing)?;
        to.write_all(&older.page_image(Slot::One.page()))
            .map_err(writing)?;
        let first = 2 * u64::from(meta.page_bytes);
        let source = self.source_file(options);
        let mut buffer = vec![0; CHUNK_BYTES + 2 * DIRECT_ALIGNMENT];
        let mut offset = first;
        while offset < self.size_bytes() {
            let chunk = source.read(&mut buffer, offset, self.size_bytes())?;
            to.write_all(chunk).map_err(writing)?;
            offset += chunk.len() as u64;
        }
        to.flush().map_err(writing)?;
        Ok(self.size_bytes())
    }

    /// Copies this version to a file, which appears whole and durable or not at all. Replaces
    /// what is at `path`. The copy gets the permission bits of the database.
    ///
    /// # Errors
    ///
    /// `AlreadyOpen` if what is at `path` is a database that this process has open, this one
    /// included: it would go on in a file without a name.
    pub fn copy_file(&self, path: impl AsRef<Path>) -> Result<u64> {
        self.copy_file_with(path, BackupOptions::default())
    }

    /// Like [`Snapshot::copy_file`], with options.
    pub fn copy_file_with(&self, path: impl AsRef<Path>, options: BackupOptions) -> Result<u64> {
        let (path, lease) = (path.as_ref(), &self.version().lease);
        let failed = |error| Error::io("making the copy", error);
        let mode = lease.file.mode().map_err(failed)?;
        let _replaced = claim_target(&*lease.disk, path)?;
        let (temporary, file) = new_temporary(&*lease.disk, path, mode)?;
        let mut sink = FileWriter {
            file: Arc::clone(&file),
            offset: 0,
        };
        let copied = self.write_to_with(&mut sink, options).and_then(|bytes| {
            file.sync_all().map_err(failed)?;
            lease.disk.rename(&temporary, path).map_err(failed)?;
            sync_parent(&*lease.disk, path).map_err(from_pager)?;
            Ok(bytes)
        });
        if copied.is_err() {
            // Best effort: the name is one that nothing ever opens.
            let _ = lease.disk.remove(&temporary);
        }
        copied
    }

    /// The file to read from: reopened for direct reads if that is asked for, possible, and still
    /// the same file under that name.
    fn source_file(&self, options: BackupOptions) -> Source {
        let lease = &self.version().lease;
        let as_opened = Source {
            file: Arc::clone(&lease.file),
            direct: false,
        };
        if !options.bypass_cache {
            return as_opened;
        }
        let how = OpenOptions {
            direct: true,
            ..OpenOptions::READ
        };
        let reopened = lease.disk.open(&lease.path, &how).and_then(|file| {
            let same = file.identity()? == lease.file.identity()?;
            Ok(Some(file).filter(|_| same))
        });
        match reopened {
            Ok(Some(file)) => Source { file, direct: true },
            _ => as_opened,
        }
    }
}

/// Claims the file at `path`, if there is one, until it has been replaced. The file is kept open
/// behind the claim: a replaced file that nobody holds gives its identity to the next one made.
fn claim_target(disk: &dyn Disk, path: &Path) -> Result<Option<(Claim, Arc<dyn File>)>> {
    let target = disk.open(path, &OpenOptions::READ);
    // What cannot be opened for reading is no database of this process.
    let Ok(file) = target else { return Ok(None) };
    let Ok(identity) = file.identity() else {
        return Ok(None);
    };
    let claim = Claim::take(identity).ok_or_else(|| Error::AlreadyOpen {
        path: path.to_path_buf(),
    })?;
    Ok(Some((claim, file)))
}

struct Source {
    file: Arc<dyn File>,
    direct: bool,
}

impl Source {
    /// Reads what follows `offset`, up to `end` and to about a chunk.
    fn read<'b>(&self, buffer: &'b mut [u8], offset: u64, end: u64) -> Result<&'b [u8]> {
        let reading = |error| Error::io("reading the database", error);
        let left = usize::try_from(end - offset).unwrap_or(usize::MAX);
        if !self.direct {
            let len = left.min(CHUNK_BYTES);
            let chunk = buffer.get_mut(..len).unwrap_or_default();
            read_exact_at(&*self.file, chunk, offset).map_err(reading)?;
            return Ok(chunk);
        }
        let skip = usize::try_from(offset % DIRECT_ALIGNMENT as u64).unwrap_or(0);
        let len = left.min(CHUNK_BYTES - skip);
        let whole = (skip + len).next_multiple_of(DIRECT_ALIGNMENT);
        let start = buffer.as_ptr().align_offset(DIRECT_ALIGNMENT);
        let aligned = buffer.get_mut(start..start + whole).unwrap_or_default();
        let read =
            disk::read_up_to_at(&*self.file, aligned, offset - skip as u64).map_err(reading)?;
        if read < skip + len {
            return Err(reading(io::ErrorKind::UnexpectedEof.into()));
        }
        Ok(aligned.get(skip..skip + len).unwrap_or_default())
    }
}

/// A file as a stream.
struct FileWriter {
    file: Arc<dyn File>,
    offset: u64,
}

impl Write for FileWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all_at(&*self.file, bytes, self.offset)?;
        self.offset += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
