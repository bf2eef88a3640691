//! An open table.
//!
//! Invariants:
//! * the file does not change; it is removed when the last holder of a table lets it go after a
//!   version has replaced it;
//! * no byte is used before the checksum over it was found right: footer, index and filter when
//!   first needed, a block when first read.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use disk::{Disk, OpenOptions};
use kv_api::{Error, Result};

use crate::crypt::cipher::{Opener, Sealer};
use crate::crypt::envelope::{Envelope, FileKind};
use crate::crypt::ring::{KeyRing, new_file, open_file};
use crate::error::{damage, locked};
use crate::id::{FileId, Sequence};
use crate::slice::Slice;
use crate::source::Source;
use crate::table::block::Block;
use crate::table::compression::decompress;
use crate::table::filter;
use crate::table::footer::{CHECKSUM_BYTES, FOOTER_BYTES, Footer, METHOD_BYTES, Part};
use crate::table::index::Index;
use crate::table::meta::TableMeta;
use crate::wire::{Read, to_usize};

/// What is read once, when the table is first asked for something.
#[derive(Debug)]
struct Loaded {
    index: Index,
    index_part: Part,
    filter: FilterBits,
    /// The index as it is in the file, where that must be unsealed or read to be looked into.
    index_bytes: Option<Bytes>,
    opener: Option<Opener>,
    /// One bit per block: its checksum was found right.
    verified: Box<[AtomicU64]>,
}

#[derive(Debug)]
enum FilterBits {
    Mapped(Part),
    Held(Bytes),
}

/// A table of one version or several.
#[derive(Debug)]
pub(crate) struct Table {
    pub meta: TableMeta,
    pub name: String,
    reading: Reading,
    source: Source,
    loaded: OnceLock<Box<Loaded>>,
    /// No version after the newest names this table any more.
    is_obsolete: AtomicBool,
}

/// How files are opened for reading.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    pub is_mapped: bool,
    /// The keys of an encrypted store.
    pub keys: Option<Arc<KeyRing>>,
    /// Files that no version names any more, but somebody still reads.
    pub retired: Retired,
}

/// Names of files that are removed once they are let go.
pub(crate) type Retired = Arc<Mutex<BTreeSet<String>>>;

impl Reading {
    /// The key of a file that is being made, if the store is encrypted, and what its header says.
    pub fn new_file_key(&self, kind: FileKind, id: FileId) -> Result<(Option<Sealer>, Envelope)> {
        new_file(self.keys.as_deref(), kind, id)
    }

    /// Removes a file that nothing names any more. One that cannot be removed is remembered, and
    /// the next opening removes it.
    pub fn discard(&self, name: &str) {
        match self.disk.remove(&self.directory.join(name)) {
            Ok(()) => drop(locked(&self.retired).remove(name)),
            Err(error) => {
                tracing::warn!(name, %error, "a file that nothing names stays behind");
                locked(&self.retired).insert(name.to_owned());
            }
        }
    }
}

impl Table {
    pub fn open(reading: &Reading, meta: TableMeta) -> Result<Table> {
        let name = format!("{}.sst", meta.id);
        let path = reading.directory.join(&name);
        let failed = |error| Error::io("opening a table", error);
        let file = reading
            .disk
            .open(&path, &OpenOptions::READ)
            .map_err(|error| {
                if error.kind() == std::io::ErrorKind::NotFound {
                    damage(&name, 0, "the table is missing")
                } else {
                    failed(error)
                }
            })?;
        let len = file.len().map_err(failed)?;
        if len != meta.bytes || meta.bytes < FOOTER_BYTES as u64 {
            let what = format!("the table has {len} bytes instead of {}", meta.bytes);
            return Err(damage(&name, 0, what));
        }
        let source = Source::new(file, meta.bytes, reading.is_mapped).map_err(failed)?;
        Ok(Table {
            meta,
            name,
            reading: reading.clone(),
            source,
            loaded: OnceLock::new(),
            is_obsolete: AtomicBool::new(false),
        })
    }

    /// Has the file removed once nobody holds the table.
    pub fn make_obsolete(&self) {
        locked(&self.reading.retired).insert(self.name.clone());
        self.is_obsolete.store(true, Ordering::Release);
    }

    pub fn base(&self) -> Sequence {
        self.meta.min_sequence
    }

    fn damaged(&self, offset: u64, what: &str) -> Error {
        damage(&self.name, offset, what)
    }

    fn slice(&self, offset: u64, len: u64) -> Result<Slice<'_>> {
        self.source
            .slice(offset, to_usize(len))
            .map_err(|error| Error::io("reading a table", error))
    }

    fn part(&self, part: Part, what: &str) -> Result<Slice<'_>> {
        let end = part.offset.checked_add(part.len);
        if end.is_none_or(|end| end > self.meta.bytes) {
            return Err(self.damaged(part.offset, what));
        }
        let bytes = self.slice(part.offset, part.len)?;
        if Part::checksum_of(&bytes) != part.checksum {
            return Err(self.damaged(part.offset, what));
        }
        Ok(bytes)
    }

    /// A part as it was before it was sealed, if it was.
    fn opened(&self, part: Part, opener: Option<&Opener>, what: &str) -> Result<Slice<'_>> {
        let stored = self.part(part, what)?;
        let Some(opener) = opener else {
            return Ok(stored);
        };
        let opened = opener.open(part.offset, &stored).map(Bytes::from);
        let opened = opened.ok_or_else(|| self.damaged(part.offset, what))?;
        Ok(Slice::shared(opened))
    }

    fn opener(&self, footer: &Footer) -> Result<Option<Opener>> {
        let file = (FileKind::Table, self.meta.id);
        let keys = self.reading.keys.as_deref();
        open_file(keys, &self.name, file, &footer.envelope)
    }

    fn footer(&self) -> Result<Footer> {
        let offset = self.meta.bytes - FOOTER_BYTES as u64;
        let bytes = self.slice(offset, FOOTER_BYTES as u64)?;
        let footer = Footer::read(&bytes).map_err(|what| self.damaged(offset, what))?;
        if footer.id != self.meta.id {
            return Err(self.damaged(offset, "this is another table's file"));
        }
        Ok(footer)
    }

    #[inline]
    fn loaded(&self) -> Result<&Loaded> {
        match self.loaded.get() {
            Some(loaded) => Ok(loaded),
            None => self.load(),
        }
    }

    #[cold]
    fn load(&self) -> Result<&Loaded> {
        let footer = self.footer()?;
        let opener = self.opener(&footer)?;
        let what = "the index's checksum does not hold";
        let index_bytes = self.opened(footer.index, opener.as_ref(), what)?;
        let index = Index::read(&index_bytes)
            .filter(|index| index.place(index.blocks().wrapping_sub(1)).is_some())
            .ok_or_else(|| self.damaged(footer.index.offset, "the index is malformed"))?;
        let what = "the filter's checksum does not hold";
        let filter = self.opened(footer.filter, opener.as_ref(), what)?;
        let is_lent = filter.lent_bytes().is_some();
        let filter = if is_lent {
            FilterBits::Mapped(footer.filter)
        } else {
            FilterBits::Held(filter.into_bytes())
        };
        let is_lent = index_bytes.lent_bytes().is_some();
        let words = index.blocks().div_ceil(64);
        let loaded = Loaded {
            index,
            index_part: footer.index,
            index_bytes: (!is_lent).then(|| index_bytes.into_bytes()),
            filter,
            opener,
            verified: (0..words).map(|_| AtomicU64::new(0)).collect(),
        };
        Ok(self.loaded.get_or_init(|| Box::new(loaded)))
    }

    /// The meta as the file itself has it, for whoever checks the manifest against it.
    pub fn own_meta(&self) -> Result<TableMeta> {
        let footer = self.footer()?;
        let (part, opener) = (footer.meta, self.opener(&footer)?);
        let what = "the description's checksum does not hold";
        let bytes = self.opened(part, opener.as_ref(), what)?;
        let meta = TableMeta::read(&mut Read::new(&bytes));
        meta.ok_or_else(|| self.damaged(part.offset, "the description is malformed"))
    }

    /// Whether the table may hold a key with this hash.
    pub fn may_hold(&self, hash: u64) -> Result<bool> {
        let loaded = self.loaded()?;
        Ok(match &loaded.filter {
            FilterBits::Held(bits) => filter::may_hold(bits, hash),
            FilterBits::Mapped(part) => filter::may_hold(&self.slice(part.offset, part.len)?, hash),
        })
    }

    pub fn blocks(&self) -> Result<usize> {
        Ok(self.loaded()?.index.blocks())
    }

    /// The block that holds `key` if any does; the number of blocks if the key is behind all.
    pub fn find_block(&self, key: &[u8]) -> Result<usize> {
        let loaded = self.loaded()?;
        let part = loaded.index_part;
        let keys = match &loaded.index_bytes {
            Some(bytes) => Slice::lent(bytes),
            None => self.slice(part.offset, part.len)?,
        };
        let found = loaded.index.find(&keys, key);
        found.ok_or_else(|| self.damaged(part.offset, "the index is malformed"))
    }

    /// Block `number`, whose checksum was found right.
    pub fn block(&self, number: usize) -> Result<Block<'_>> {
        let loaded = self.loaded()?;
        let place = loaded.index.place(number);
        let (offset, len) =
            place.ok_or_else(|| self.damaged(0, "a block is asked for that is not there"))?;
        let stored = self.slice(offset, len as u64)?;
        if let Some(opener) = &loaded.opener {
            let opened = opener.open(offset, &stored).map(Bytes::from);
            let what = "a block is not what was sealed there";
            let opened = opened.ok_or_else(|| self.damaged(offset, what))?;
            return self.unpack(&Slice::shared(opened), offset);
        }
        let (word, bit) = (number / 64, 1 << (number % 64));
        let word = loaded.verified.get(word);
        // A table that is not mapped is read anew, so it is also checked anew.
        let is_verified = matches!(self.source, Source::Mapped(_))
            && word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0);
        if !is_verified {
            self.verify(&stored, offset)?;
            if let Some(word) = word {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
        let covered = stored.len().saturating_sub(CHECKSUM_BYTES);
        self.unpack(&stored.part(0, covered), offset)
    }

    fn verify(&self, stored: &[u8], offset: u64) -> Result<()> {
        let holds = stored
            .split_last_chunk()
            .is_some_and(|(covered, sum)| Part::checksum_of(covered) == u32::from_le_bytes(*sum));
        if holds {
            return Ok(());
        }
        Err(self.damaged(offset, "a block's checksum does not hold"))
    }

    #[inline]
    fn unpack<'a>(&self, stored: &Slice<'a>, offset: u64) -> Result<Block<'a>> {
        let malformed = || self.damaged(offset, "a block is malformed");
        let end = stored
            .len()
            .checked_sub(METHOD_BYTES)
            .ok_or_else(malformed)?;
        let code = stored.get(end).copied().ok_or_else(malformed)?;
        if code == 0 {
            return Block::new(stored.part(0, end)).ok_or_else(malformed);
        }
        let packed = stored.get(..end).unwrap_or_default();
        let (packed, len) = packed.split_last_chunk().ok_or_else(malformed)?;
        let unpacked =
            decompress(code, packed, u32::from_le_bytes(*len) as usize).map_err(|_| malformed())?;
        Block::new(Slice::shared(Bytes::from(unpacked))).ok_or_else(malformed)
    }

    pub fn malformed(&self, number: usize) -> Error {
        let offset = self
            .loaded
            .get()
            .and_then(|loaded| loaded.index.place(number))
            .map_or(0, |(offset, _)| offset);
        self.damaged(offset, "a block is malformed")
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            self.reading.discard(&self.name);
        }
    }
}
