//! Finding out which engine a file or directory belongs to.

use std::io;
use std::path::Path;

use disk::{Disk, OpenOptions, OsDisk};
use kv_api::{Error, Place, Result};

use crate::engine::Engine;

/// The magic number at the beginning of a bolt meta, as it stands on disk, behind a page header.
#[cfg(feature = "bolt")]
const BOLT_MAGIC: [u8; 4] = [0xED, 0xDA, 0x0C, 0xED];
/// Bytes of the page header in front of it.
#[cfg(feature = "bolt")]
const BOLT_PAGE_HEADER_BYTES: u64 = 16;

/// The file that names what an lsm store is made of, and what it begins with.
const LSM_MANIFEST: &str = "MANIFEST";
const LSM_MAGIC: [u8; 8] = *b"strtLSMv";
/// What the logs of an lsm store begin with.
const LSM_LOG_MAGICS: [[u8; 8]; 2] = [*b"strtWLOG", *b"strtVLOG"];
/// The beginning of an lsm store's backup.
const LSM_STREAM_MAGIC: [u8; 8] = *b"strtLSMB";
/// What the manifest of a Badger store begins with.
const BADGER_MAGIC: &[u8] = b"Bdgr";

/// The file that makes a directory a flat store.
const FLAT_STATE: &[u8] = b"meta.state";
/// The beginning of a flat store's snapshot stream.
const FLAT_STREAM_MAGIC: [u8; 8] = *b"FlatSnap";

/// Which engine the store at `path` belongs to, without being told. Takes no lock, and says
/// nothing about whether the store is sound.
///
/// # Errors
///
/// `Corrupt` for what is no store of any engine, `Unsupported` for one of an engine that this
/// build does not have, `Io` where the system refuses, `NotFound` among it.
pub fn recognise(path: impl AsRef<Path>) -> Result<Engine> {
    let path = path.as_ref();
    let file = match OsDisk.open(path, &OpenOptions::READ) {
        Ok(file) => file,
        // A directory is refused as a file.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            return recognise_directory(path);
        }
        Err(error) => return Err(Error::io("opening the file", error)),
    };
    #[cfg(feature = "bolt")]
    if looks_like_bolt(&*file)? {
        return Ok(Engine::Bolt);
    }
    if begins_with(&*file, &FLAT_STREAM_MAGIC)? {
        return Err(not_a_store(
            "it is a snapshot of a flat store, to be restored into one",
        ));
    }
    if begins_with(&*file, &LSM_STREAM_MAGIC)? {
        return Err(not_a_store(
            "it is a backup of an lsm store, to be restored into one",
        ));
    }
    Err(not_a_store("no engine recognises its contents"))
}

fn begins_with(file: &dyn disk::File, magic: &[u8; 8]) -> Result<bool> {
    let mut head = [0; 8];
    let read = disk::read_up_to_at(file, &mut head, 0);
    let read = read.map_err(|error| Error::io("reading the file", error))?;
    Ok(read == head.len() && head == *magic)
}

fn recognise_directory(path: &Path) -> Result<Engine> {
    if OsDisk.list(path).is_err() {
        return Err(not_a_store("it is not a regular file"));
    }
    if holds_flat(path)? {
        return Engine::Flat.require().map(|()| Engine::Flat);
    }
    if holds_lsm(path)? {
        return Engine::Lsm.require().map(|()| Engine::Lsm);
    }
    if head_of(&path.join(LSM_MANIFEST))?.is_some_and(|head| head.starts_with(BADGER_MAGIC)) {
        return Err(not_a_store(
            "it belongs to Badger; `badger backup` it, and restore that with --format badger",
        ));
    }
    Err(not_a_store("no engine recognises what is in the directory"))
}

/// Whether the directory at `path` holds a flat store, or what an interrupted creation leaves.
pub(crate) fn holds_flat(path: &Path) -> Result<bool> {
    let names = match OsDisk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        names => names.map_err(|error| Error::io("reading the directory", error))?,
    };
    Ok(names.iter().any(|name| {
        let name = name.as_encoded_bytes();
        name == FLAT_STATE || (name.starts_with(b"values-") && name.ends_with(b".data"))
    }))
}

/// The first bytes of a file; none if there is no such file, or it is shorter.
fn head_of(path: &Path) -> Result<Option<[u8; 8]>> {
    let file = match OsDisk.open(path, &OpenOptions::READ) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| Error::io("opening the file", error))?,
    };
    let mut head = [0; 8];
    let read = disk::read_up_to_at(&*file, &mut head, 0);
    let read = read.map_err(|error| Error::io("reading the file", error))?;
    Ok((read == head.len()).then_some(head))
}

/// Whether the directory at `path` holds an lsm store, or what is left of one.
pub(crate) fn holds_lsm(path: &Path) -> Result<bool> {
    let names = match OsDisk.list(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        names => names.map_err(|error| Error::io("reading the directory", error))?,
    };
    if head_of(&path.join(LSM_MANIFEST))? == Some(LSM_MAGIC) {
        return Ok(true);
    }
    for name in names {
        let bytes = name.as_encoded_bytes();
        let is_log = bytes.ends_with(b".wal") || bytes.ends_with(b".vlog");
        if is_log && head_of(&path.join(&name))?.is_some_and(|head| LSM_LOG_MAGICS.contains(&head))
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn not_a_store(why: &str) -> Error {
    Error::corrupt(Place::Store, format!("not a store: {why}"))
}

/// Whether a meta of either slot shows its magic number at any page size, or the file is what an
/// interrupted creation leaves behind.
#[cfg(feature = "bolt")]
fn looks_like_bolt(file: &dyn disk::File) -> Result<bool> {
    let reading = |error| Error::io("reading the file", error);
    let page_sizes = (10..=24).map(|power| 1_u64 << power);
    for page in std::iter::once(0).chain(page_sizes) {
        let mut magic = [0; 4];
        let offset = page + BOLT_PAGE_HEADER_BYTES;
        disk::read_up_to_at(file, &mut magic, offset).map_err(reading)?;
        if magic == BOLT_MAGIC {
            return Ok(true);
        }
    }
    // Zeros where a small file's metas should be: bolt's own opening tells the rest.
    let len = file.len().map_err(reading)?;
    let mut head = vec![0; 1 << 12];
    let read = disk::read_up_to_at(file, &mut head, 0).map_err(reading)?;
    let zeros = head.iter().take(read).all(|byte| *byte == 0);
    Ok(zeros && len <= 4 << 16)
}
