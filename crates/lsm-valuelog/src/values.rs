//! Files of the value log, for reading.
//!
//! Invariant: a file's values are asked for by the places they were first written to; a file that
//! collection has made knows where each of its values has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use disk::{File, OpenOptions};
use kv_api::{Error, Result};

use crate::checksum::ChecksumMode;
use crate::crypt::cipher::{Opener, UNIT_EXTRA_BYTES};
use crate::crypt::envelope::{Envelope, FileKind};
use crate::crypt::ring::{KeyRing, open_file};
use crate::error::{damage, locked};
use crate::id::FileId;
use crate::pointer::{Pointer, value_checksum};
use crate::slice::Slice;
use crate::source::Source;
use crate::table::reader::Reading;
use crate::wire::{Put, Read, low_u32, to_usize};

/// "strata, value log".
const MAGIC: u64 = u64::from_le_bytes(*b"strtVLOG");
const WAL_MAGIC: u64 = u64::from_le_bytes(*b"strtWLOG");

/// The version of log files that this engine writes and reads.
const VERSION: u32 = 1;

/// Bytes of a log file's header.
pub(crate) const HEADER_BYTES: usize = 96;

/// Values share a bit of "found right" only if they begin this close together.
const VERIFIED_BYTES: u64 = 512;

/// The header of a log file.
pub(crate) fn header(kind: FileKind, id: FileId, envelope: &Envelope) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.put_u64(match kind {
        FileKind::WriteAhead => WAL_MAGIC,
        _ => MAGIC,
    });
    bytes.put_u32(VERSION);
    bytes.put_u64(id.0);
    envelope.put(&mut bytes);
    bytes.put_u32(0);
    let checksum = low_u32(xxhash_rust::xxh3::xxh3_64(&bytes));
    bytes.put_u32(checksum);
    bytes
}

/// The envelope in a log file's header, or what is wrong with the header.
fn read_header(bytes: &[u8], kind: FileKind, id: FileId) -> Result<Envelope, &'static str> {
    let mut read = Read::new(bytes);
    let mut decode = || {
        let (_magic, version, _id) = (read.u64()?, read.u32()?, read.u64()?);
        Some((version, Envelope::read(&mut read)?))
    };
    match decode() {
        Some((_, envelope)) if bytes == header(kind, id, &envelope) => Ok(envelope),
        Some((VERSION, _)) | None => Err("the header is not this file's"),
        Some(_) => Err("the header is damaged or of a later version"),
    }
}

/// A file of the value log.
#[derive(Debug)]
pub(crate) struct ValueFile {
    /// The number its values are pointed at by.
    pub id: FileId,
    /// The number of the file that holds them now.
    pub physical: FileId,
    pub name: String,
    reading: Reading,
    source: Source,
    /// Bytes that the file is known to have: a map may reach further than its file.
    len: AtomicU64,
    /// The file, while it may still grow.
    growing: Option<Arc<dyn File>>,
    /// Where values have gone: places they were first written to, ascending, and places now.
    moved: Box<[(u64, u64)]>,
    /// Opens the values of a file that is encrypted.
    opener: Option<Opener>,
    /// One bit per few hundred bytes: the value that begins there was found right.
    verified: Box<[AtomicU64]>,
    is_obsolete: AtomicBool,
}

/// The name of a value-log file.
pub(crate) fn values_name(id: FileId) -> String {
    format!("{id}.vlog")
}

impl ValueFile {
    /// Opens the file called by `physical`, mapping `capacity` bytes, of which some may still be
    /// to be written, or all that the file has, if that is more.
    pub fn open(
        reading: &Reading,
        (id, physical): (FileId, FileId),
        capacity: u64,
        moved: Box<[(u64, u64)]>,
    ) -> Result<ValueFile> {
        let name = values_name(physical);
        let path = reading.directory.join(&name);
        let file = reading
            .disk
            .open(&path, &OpenOptions::READ)
            .map_err(|error| {
                if error.kind() == std::io::ErrorKind::NotFound {
                    damage(&name, 0, "the value-log file is missing")
                } else {
                    Error::io("opening a value-log file", error)
                }
            })?;
        let keys = reading.keys.as_deref();
        let opener = open_header(&*file, &name, FileKind::Values, physical, keys)?;
        let len = file.len();
        let len = len.map_err(|error| Error::io("opening a value-log file", error))?;
        let capacity = capacity.max(len);
        let growing = (capacity > len).then(|| Arc::clone(&file));
        let source = Source::new(file, capacity, reading.is_mapped)
            .map_err(|error| Error::io("mapping a value-log file", error))?;
        let words = to_usize(capacity.div_ceil(VERIFIED_BYTES * 64));
        let words = if reading.is_mapped { words } else { 0 };
        Ok(ValueFile {
            id,
            physical,
            name,
            reading: reading.clone(),
            source,
            len: AtomicU64::new(len),
            growing,
            moved,
            opener,
            verified: (0..words).map(|_| AtomicU64::new(0)).collect(),
            is_obsolete: AtomicBool::new(false),
        })
    }

    /// Has the file removed once nobody holds it.
    pub fn make_obsolete(&self) {
        locked(&self.reading.retired).insert(self.name.clone());
        self.is_obsolete.store(true, Ordering::Release);
    }

    pub fn is_moved(&self) -> bool {
        self.id != self.physical
    }

    /// Where in this file the value first written to `offset` is.
    fn place(&self, offset: u64) -> Option<u64> {
        if !self.is_moved() {
            return Some(offset);
        }
        let at = self.moved.binary_search_by_key(&offset, |(old, _)| *old);
        at.ok()
            .and_then(|at| self.moved.get(at))
            .map(|(_, new)| *new)
    }

    /// Whether the file has `len` bytes at `place`.
    #[inline]
    fn has(&self, place: u64, len: usize) -> Result<bool> {
        let Some(end) = place.checked_add(len as u64) else {
            return Ok(false);
        };
        if end <= self.len.load(Ordering::Relaxed) {
            return Ok(true);
        }
        let grown = self.growing.as_ref().map_or(Ok(0), |file| file.len());
        let grown = grown.map_err(|error| Error::io("reading a value-log file's length", error))?;
        self.len.fetch_max(grown, Ordering::Relaxed);
        Ok(end <= grown)
    }

    /// The value that `pointer` points at.
    pub fn get(&self, pointer: &Pointer) -> Result<Slice<'_>> {
        self.read(pointer, false)
    }

    /// Looks whether the value is what was written, even if it was found so before, and whatever
    /// was chosen about checksums.
    pub fn verify(&self, pointer: &Pointer) -> Result<()> {
        self.read(pointer, true).map(drop)
    }

    fn read(&self, pointer: &Pointer, verifies: bool) -> Result<Slice<'_>> {
        let wrong = |what: &str| damage(&self.name, pointer.offset, what);
        let place = self
            .place(pointer.offset)
            .ok_or_else(|| wrong("a value was collected though it is pointed at"))?;
        let len = usize::try_from(pointer.len).map_err(|_| wrong("a value is too long"))?;
        let extra = if self.opener.is_some() {
            UNIT_EXTRA_BYTES
        } else {
            0
        };
        if !self.has(place, len.saturating_add(extra))? {
            return Err(wrong("a value lies behind the file's end"));
        }
        let value = match self.source.slice(place, len.saturating_add(extra)) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(wrong("a value lies behind the file's end"));
            }
            other => other.map_err(|error| Error::io("reading a value", error))?,
        };
        if let Some(opener) = &self.opener {
            let opened = opener.open(place, &value).map(Bytes::from);
            let opened = opened.filter(|value| value_checksum(value) == pointer.checksum);
            let opened = opened.ok_or_else(|| wrong("a value is not what was sealed there"))?;
            return Ok(Slice::shared(opened));
        }
        let slot = to_usize(place / VERIFIED_BYTES);
        let (word, bit) = (self.verified.get(slot / 64), 1 << (slot % 64));
        let known = pointer.len >= VERIFIED_BYTES
            && word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0);
        if verifies || !known && self.reading.checks != ChecksumMode::Never {
            if value_checksum(&value) != pointer.checksum {
                return Err(wrong("a value's checksum does not hold"));
            }
            if let Some(word) = word {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        Ok(value)
    }
}

impl Drop for ValueFile {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            self.reading.discard(&self.name);
        }
    }
}

/// What opens the units of a log file, by its header; none for a file in clear. Refuses a file
/// whose header is not what it must be.
pub(crate) fn open_header(
    file: &dyn File,
    name: &str,
    kind: FileKind,
    id: FileId,
    keys: Option<&KeyRing>,
) -> Result<Option<Opener>> {
    let mut bytes = [0; HEADER_BYTES];
    let read = disk::read_up_to_at(file, &mut bytes, 0)
        .map_err(|error| Error::io("reading a log's header", error))?;
    let bytes = bytes.get(..read).unwrap_or_default();
    let envelope = read_header(bytes, kind, id).map_err(|what| damage(name, 0, what))?;
    open_file(keys, name, (kind, id), &envelope)
}
