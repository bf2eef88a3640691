//! An open table.
//!
//! Invariants:
//! * the file does not change; it is removed when the last holder of a table lets it go after a
//!   version has replaced it;
//! * no byte is used before the checksum over it was found right: footer, index and filter when
//!   first needed, a block when first read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use disk::OpenOptions;
use kv_api::{Error, Result};

use crate::crypt::cipher::Opener;
use crate::crypt::envelope::FileKind;
use crate::crypt::ring::open_file;
use crate::error::{damage, locked};
use crate::id::Sequence;
use crate::read_counters::Counted;
use crate::slice::Slice;
use crate::source::Source;
use crate::table::block::Block;
use crate::table::compression::decompress;
use crate::table::filter;
use crate::table::footer::{CHECKSUM_BYTES, FOOTER_BYTES, Footer, METHOD_BYTES, Part};
use crate::table::index::Index;
use crate::table::loaded::{FilterBits, Loaded, LoadedRef};
use crate::table::meta::TableMeta;
pub(crate) use crate::table::reading::{Reading, Retired};
use crate::wire::{Read, to_usize};

/// A table of one version or several.
#[derive(Debug)]
pub(crate) struct Table {
    pub meta: TableMeta,
    pub name: String,
    reading: Reading,
    source: Source,
    /// Empty where the cache keeps it.
    loaded: OnceLock<Arc<Loaded>>,
    /// One bit per block: its checksum was found right.
    verified: OnceLock<Box<[AtomicU64]>>,
    /// No version after the newest names this table any more.
    is_obsolete: AtomicBool,
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
            verified: OnceLock::new(),
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
    fn loaded(&self) -> Result<LoadedRef<'_>> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(LoadedRef::Lent(loaded));
        }
        self.loaded_by_cache()
    }

    #[cold]
    fn loaded_by_cache(&self) -> Result<LoadedRef<'_>> {
        let caches = &self.reading.caches;
        if !caches.keeps_indexes() {
            let loaded = Arc::new(self.load()?);
            return Ok(LoadedRef::Lent(self.loaded.get_or_init(|| loaded)));
        }
        if let Some(loaded) = caches.index(self.meta.id) {
            return Ok(LoadedRef::Shared(loaded));
        }
        let loaded = Arc::new(self.load()?);
        caches.keep_index(self.meta.id, &loaded);
        Ok(LoadedRef::Shared(loaded))
    }

    fn load(&self) -> Result<Loaded> {
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
        self.verified
            .get_or_init(|| (0..words).map(|_| AtomicU64::new(0)).collect());
        Ok(Loaded {
            index,
            index_part: footer.index,
            index_bytes: (!is_lent).then(|| index_bytes.into_bytes()),
            filter,
            opener,
        })
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

    /// Block `number`, whose checksum was found right where that is asked for.
    #[inline]
    pub fn block(&self, number: usize) -> Result<Block<'_>> {
        self.block_by(number, true)
    }

    /// The same for whoever reads every block once: what the cache holds stays there.
    pub fn block_in_passing(&self, number: usize) -> Result<Block<'_>> {
        self.block_by(number, false)
    }

    #[inline]
    fn block_by(&self, number: usize, is_kept: bool) -> Result<Block<'_>> {
        let loaded = self.loaded()?;
        let place = loaded.index.place(number);
        let (offset, len) =
            place.ok_or_else(|| self.damaged(0, "a block is asked for that is not there"))?;
        if is_kept {
            self.reading.counts.add(Counted::BlockReads, 1);
            self.reading.counts.add(Counted::BlockBytes, len as u64);
        }
        if loaded.opener.is_none() && matches!(self.source, Source::Mapped(_)) {
            let stored = self.slice(offset, len as u64)?;
            self.verify_once(&stored, number, offset)?;
            let covered = stored.len().saturating_sub(CHECKSUM_BYTES);
            let end = covered.saturating_sub(METHOD_BYTES);
            if stored.get(end) == Some(&0) {
                let block = Block::new(stored.part(0, end));
                return block.ok_or_else(|| self.damaged(offset, "a block is malformed"));
            }
        }
        self.made_block(&loaded, number, (offset, len), is_kept)
    }

    /// A block that does not stand in the file as it is read: out of the cache, or made now.
    fn made_block(
        &self,
        loaded: &Loaded,
        number: usize,
        (offset, len): (u64, usize),
        is_kept: bool,
    ) -> Result<Block<'_>> {
        let malformed = || self.damaged(offset, "a block is malformed");
        let (caches, key) = (&self.reading.caches, (self.meta.id, number as u64));
        if let Some(block) = caches.block(&key) {
            return Block::new(Slice::shared(block)).ok_or_else(malformed);
        }
        let stored = self.slice(offset, len as u64)?;
        let content = match &loaded.opener {
            Some(opener) => {
                let opened = opener.open(offset, &stored).map(Bytes::from);
                let what = "a block is not what was sealed there";
                Slice::shared(opened.ok_or_else(|| self.damaged(offset, what))?)
            }
            None => {
                if self.reading.checks.is_on_read() && matches!(self.source, Source::Read(_)) {
                    self.verify(&stored, offset)?;
                }
                stored.part(0, stored.len().saturating_sub(CHECKSUM_BYTES))
            }
        };
        let block = self.unpack(content, offset)?;
        if is_kept {
            caches.keep_block(key, &block);
        }
        Block::new(Slice::shared(block)).ok_or_else(malformed)
    }

    /// Finds the checksum of a block of a mapped table right, once.
    #[inline]
    fn verify_once(&self, stored: &[u8], number: usize, offset: u64) -> Result<()> {
        let (word, bit) = (number / 64, 1 << (number % 64));
        let word = self.verified.get().and_then(|words| words.get(word));
        if word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
            || !self.reading.checks.is_on_read()
        {
            return Ok(());
        }
        self.verify(stored, offset)?;
        if let Some(word) = word {
            word.fetch_or(bit, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Finds the checksums of all blocks right.
    pub fn verify_all(&self) -> Result<()> {
        let loaded = self.loaded()?;
        for number in 0..loaded.index.blocks() {
            let place = loaded.index.place(number);
            let (offset, len) = place.ok_or_else(|| self.malformed(number))?;
            let stored = self.slice(offset, len as u64)?;
            match &loaded.opener {
                None => self.verify(&stored, offset)?,
                Some(opener) => {
                    let what = "a block is not what was sealed there";
                    let opened = opener.open(offset, &stored);
                    opened.ok_or_else(|| self.damaged(offset, what))?;
                }
            }
        }
        Ok(())
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

    /// The bytes of a block out of what is stored: the block, packed or not, and the method.
    fn unpack(&self, content: Slice<'_>, offset: u64) -> Result<Bytes> {
        let malformed = || self.damaged(offset, "a block is malformed");
        let end = content.len().checked_sub(METHOD_BYTES);
        let end = end.ok_or_else(malformed)?;
        let code = content.get(end).copied().ok_or_else(malformed)?;
        if code == 0 {
            return Ok(content.part(0, end).into_bytes());
        }
        let packed = content.get(..end).unwrap_or_default();
        let (packed, len) = packed.split_last_chunk().ok_or_else(malformed)?;
        let unpacked =
            decompress(code, packed, u32::from_le_bytes(*len) as usize).map_err(|_| malformed())?;
        Ok(Bytes::from(unpacked))
    }

    pub fn malformed(&self, number: usize) -> Error {
        let loaded = self.loaded().ok();
        let place = loaded.and_then(|loaded| loaded.index.place(number));
        let offset = place.map_or(0, |(offset, _)| offset);
        self.damaged(offset, "a block is malformed")
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if self.is_obsolete.load(Ordering::Acquire) {
            let (caches, id) = (&self.reading.caches, self.meta.id);
            let blocks = self.verified.get().map_or(0, |words| words.len() * 64);
            (0..blocks).for_each(|number| caches.forget_block(&(id, number as u64)));
            caches.forget_index(id);
            self.reading.discard(&self.name);
        }
    }
}
