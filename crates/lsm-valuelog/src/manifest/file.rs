//! The manifest's file: a base that is written whole, then edits appended one at a time.
//!
//! Invariants:
//! * the file is always found under its name with its base whole: a new one is written and synced
//!   under another name and then takes its place;
//! * an edit is synced before the next is written, so a damaged edit with a whole one behind it,
//!   or a damaged base, is damage and no torn tail.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk::{Create, Disk, File, OpenOptions, write_all_at};
use kv_api::{Error, Result};

use crate::crypt::cipher::Sealer;
use crate::crypt::envelope::{ENVELOPE_BYTES, Envelope, FileKind};
use crate::crypt::ring::{KeyRing, new_file, open_file};
use crate::error::damage;
use crate::id::FileId;
use crate::manifest::edit::{self, Edit, Part};
use crate::wire::{Put, Read, to_usize};

/// The manifest's name in the store's directory.
pub(crate) const NAME: &str = "MANIFEST";
pub(crate) const NEW_NAME: &str = "MANIFEST.new";

/// "strata, lsm".
const MAGIC: u64 = u64::from_le_bytes(*b"strtLSMv");

/// The version of the store's format that this engine writes and reads.
const VERSION: u32 = 1;

/// Magic, version, external magic, length of the base, envelope, spare, and the header's checksum.
const HEADER_BYTES: usize = 32 + ENVELOPE_BYTES;

/// Length and checksum before an edit.
const EDIT_HEADER_BYTES: usize = 12;

/// Bytes of edits behind the base beyond which the manifest is written anew, if the base is not
/// larger itself.
const EDITS_BYTES_MAX: u64 = 1 << 20;

/// The manifest of an open store.
#[derive(Debug)]
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    file: Arc<dyn File>,
    external: u16,
    base_bytes: u64,
    offset: u64,
    keys: Option<Arc<KeyRing>>,
    /// Seals edits. A manifest that another opening has begun has none: it is only appended to if
    /// the store is not encrypted.
    sealer: Option<Sealer>,
}

/// Why a change to the manifest failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub error: Error,
    /// Whether the change may be there all the same.
    pub is_in_doubt: bool,
}

fn failure(is_in_doubt: bool) -> impl Fn(std::io::Error) -> Failure {
    move |error| Failure {
        error: Error::io("writing the manifest", error),
        is_in_doubt,
    }
}

/// What a manifest's file said.
pub(crate) struct Found {
    pub edits: Vec<Edit>,
    /// Bytes behind the last whole edit.
    pub torn_bytes: u64,
    /// Edits behind the base.
    pub appended: usize,
}

/// The frame of `edit` for `offset` of the file.
fn framed(edit: &[Part], sealer: Option<&Sealer>, offset: u64) -> Vec<u8> {
    let mut body = Vec::new();
    match sealer {
        None => edit::put(&mut body, edit),
        Some(sealer) => {
            let unit = Sealer::begin(&mut body);
            edit::put(&mut body, edit);
            sealer.finish(&mut body, unit, offset + EDIT_HEADER_BYTES as u64);
        }
    }
    let mut bytes = Vec::with_capacity(EDIT_HEADER_BYTES + body.len());
    bytes.put_u64(body.len() as u64);
    let mut sum = crc32fast::Hasher::new();
    sum.update(&bytes);
    sum.update(&body);
    bytes.put_u32(sum.finalize());
    bytes.extend_from_slice(&body);
    bytes
}

/// The body of the edit that `bytes` begin with, if it is whole, and the bytes it takes.
fn unframed(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let mut read = Read::new(bytes);
    let len = usize::try_from(read.u64()?).ok()?;
    let checksum = read.u32()?;
    let body = read.take(len)?;
    let mut sum = crc32fast::Hasher::new();
    sum.update(bytes.get(..8)?);
    sum.update(body);
    (sum.finalize() == checksum).then_some((body, EDIT_HEADER_BYTES + len))
}

fn image(edit: &[Part], external: u16, sealer: Option<&Sealer>, envelope: &Envelope) -> Vec<u8> {
    let base = framed(edit, sealer, HEADER_BYTES as u64);
    let mut bytes = Vec::with_capacity(HEADER_BYTES + base.len());
    bytes.put_u64(MAGIC);
    bytes.put_u32(VERSION);
    bytes.put_u32(u32::from(external));
    bytes.put_u64(base.len() as u64);
    envelope.put(&mut bytes);
    bytes.put_u32(0);
    let checksum = crc32fast::hash(&bytes);
    bytes.put_u32(checksum);
    bytes.extend_from_slice(&base);
    bytes
}

fn read_whole(file: &dyn File) -> std::io::Result<Vec<u8>> {
    let len = to_usize(file.len()?);
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len)
        .map_err(|_| std::io::ErrorKind::OutOfMemory)?;
    bytes.resize(len, 0);
    let read = disk::read_up_to_at(file, &mut bytes, 0)?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Reads the manifest in `directory`; `None` if there is none.
pub(crate) fn find(
    disk: &dyn Disk,
    directory: &Path,
    external: u16,
    keys: Option<&KeyRing>,
) -> Result<Option<Found>> {
    let opened = disk.open(&directory.join(NAME), &OpenOptions::READ);
    let file = match opened {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other.map_err(|error| Error::io("opening the manifest", error))?,
    };
    let bytes = read_whole(&*file).map_err(|error| Error::io("reading the manifest", error))?;
    let mut found = Found {
        edits: Vec::new(),
        torn_bytes: 0,
        appended: 0,
    };
    let (base_end, envelope) = read_header(&bytes, external)?;
    let opener = open_file(keys, NAME, (FileKind::Manifest, FileId(0)), &envelope)?;
    let mut offset = HEADER_BYTES;
    while offset < bytes.len() {
        let rest = bytes.get(offset..).unwrap_or_default();
        let Some((body, taken)) = unframed(rest) else {
            break;
        };
        let malformed = || damage(NAME, offset as u64, "an edit is malformed");
        let edit = match &opener {
            None => edit::read(body),
            Some(opener) => {
                let place = (offset + EDIT_HEADER_BYTES) as u64;
                opener.open(place, body).and_then(|body| edit::read(&body))
            }
        };
        found.edits.push(edit.ok_or_else(malformed)?);
        offset += taken;
    }
    if offset < base_end || found.edits.is_empty() {
        return Err(damage(NAME, HEADER_BYTES as u64, "the base is damaged"));
    }
    found.appended = found.edits.len() - 1;
    found.torn_bytes = (bytes.len() - offset) as u64;
    let behind = bytes.get(offset + 1..).unwrap_or_default();
    let follows = |start: usize| {
        let edit = behind.get(start..).and_then(unframed);
        edit.is_some_and(|(body, _)| !body.is_empty())
    };
    if (0..behind.len()).any(follows) {
        return Err(damage(
            NAME,
            offset as u64,
            "an edit in the middle is damaged",
        ));
    }
    Ok(Some(found))
}

/// Checks the header and answers where the base ends, and how the file is sealed.
fn read_header(bytes: &[u8], external: u16) -> Result<(usize, Envelope)> {
    let mut read = Read::new(bytes);
    let mut decode = || {
        Some((
            (read.u64()?, read.u32()?, read.u32()?),
            (read.u64()?, Envelope::read(&mut read)?),
            (read.u32()?, read.u32()?),
        ))
    };
    let Some(((magic, version, found), (base, envelope), (spare, checksum))) = decode() else {
        return Err(damage(NAME, 0, "the manifest is cut short"));
    };
    if magic != MAGIC {
        return Err(damage(NAME, 0, "this is no manifest of an lsm store"));
    }
    if crc32fast::hash(bytes.get(..HEADER_BYTES - 4).unwrap_or_default()) != checksum || spare != 0
    {
        return Err(damage(NAME, 0, "the header's checksum does not hold"));
    }
    if version != VERSION {
        return Err(Error::Unsupported {
            what: "the store is of a later version",
        });
    }
    if found != u32::from(external) {
        return Err(Error::Invalid {
            what: "the store was made with another external magic",
        });
    }
    Ok((HEADER_BYTES.saturating_add(to_usize(base)), envelope))
}

impl Manifest {
    /// The manifest in `directory`, whose base and edits are whole, to be appended to; or only to
    /// be looked at, if that is what `how` says.
    pub fn open(
        disk: Arc<dyn Disk>,
        directory: &Path,
        external: u16,
        keys: Option<Arc<KeyRing>>,
        how: &OpenOptions,
    ) -> Result<Manifest> {
        let failed = |error| Error::io("opening the manifest", error);
        let file = disk.open(&directory.join(NAME), how).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        Ok(Manifest {
            disk,
            directory: directory.to_owned(),
            file,
            external,
            base_bytes: len,
            offset: len,
            keys,
            sealer: None,
        })
    }

    /// Writes a manifest whose base is `base` and has it take the place of what was there.
    pub fn create(
        disk: Arc<dyn Disk>,
        directory: &Path,
        external: u16,
        keys: Option<Arc<KeyRing>>,
        base: &[Part],
    ) -> Result<Manifest, Failure> {
        let failed = failure(false);
        let key = new_file(keys.as_deref(), FileKind::Manifest, FileId(0));
        let (sealer, envelope) = key.map_err(|error| Failure {
            error,
            is_in_doubt: false,
        })?;
        let bytes = image(base, external, sealer.as_ref(), &envelope);
        let temporary = directory.join(NEW_NAME);
        let how = OpenOptions {
            create: Create::IfMissing,
            ..OpenOptions::READ_WRITE
        };
        let file = disk.open(&temporary, &how).map_err(&failed)?;
        file.set_len(0).map_err(&failed)?;
        write_all_at(&*file, &bytes, 0).map_err(&failed)?;
        file.sync_all().map_err(&failed)?;
        let named = disk.rename(&temporary, &directory.join(NAME));
        named.map_err(failure(true))?;
        disk.sync_directory(directory).map_err(failure(true))?;
        Ok(Manifest {
            disk,
            directory: directory.to_owned(),
            file,
            external,
            base_bytes: bytes.len() as u64,
            offset: bytes.len() as u64,
            keys,
            sealer,
        })
    }

    /// Appends an edit and makes it durable. After a failure the manifest must be rewritten
    /// before it is appended to again.
    pub fn append(&mut self, edit: &[Part]) -> Result<(), Failure> {
        let bytes = framed(edit, self.sealer.as_ref(), self.offset);
        write_all_at(&*self.file, &bytes, self.offset).map_err(failure(false))?;
        self.file.sync_all().map_err(failure(true))?;
        self.offset += bytes.len() as u64;
        Ok(())
    }

    /// Whether it must be begun anew before an edit is appended: another opening has sealed it, or
    /// the store was in clear.
    pub fn is_foreign(&self) -> bool {
        self.keys.is_some() && self.sealer.is_none()
    }

    /// Whether the edits have become more than they are worth.
    pub fn is_long(&self) -> bool {
        self.offset - self.base_bytes > EDITS_BYTES_MAX.max(self.base_bytes)
    }

    /// Whether there is more than the base.
    pub fn has_edits(&self) -> bool {
        self.offset > self.base_bytes
    }

    /// Starts again with `base`.
    pub fn rewrite(&mut self, base: &[Part]) -> Result<(), Failure> {
        let (disk, keys) = (Arc::clone(&self.disk), self.keys.clone());
        *self = Manifest::create(disk, &self.directory, self.external, keys, base)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Sequence;

    #[test]
    fn an_edit_comes_back_from_its_frame_and_not_from_a_damaged_one() {
        let edit = vec![
            Part::Flushed(Sequence(300)),
            Part::NextFile(FileId(7)),
            Part::RemoveTable(2, FileId(5)),
        ];
        let mut bytes = framed(&edit, None, 0);
        let (body, taken) = unframed(&bytes).unwrap_or_default();
        assert_eq!(taken, bytes.len());
        assert_eq!(edit::read(body), Some(edit));
        for at in 0..bytes.len() {
            for bit in 0..8 {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
                assert!(unframed(&bytes).is_none(), "{at}.{bit}");
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
        }
    }
}
