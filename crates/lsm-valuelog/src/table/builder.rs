//! Writing a table.
//!
//! Invariant: all versions of a key are in one block, and keys ascend, versions descend.

use std::collections::BTreeMap;
use std::sync::Arc;

use disk::{File, write_all_at};
use kv_api::{Error, Result};

use crate::crypt::cipher::Sealer;
use crate::crypt::envelope::Envelope;
use crate::entry::{Entry, Kind};
use crate::error::damage;
use crate::id::{FileId, Sequence};
use crate::pointer::Pointer;
use crate::table::block_builder::BlockBuilder;
use crate::table::compression::Compression;
use crate::table::filter::{self, key_hash};
use crate::table::footer::{Footer, Part};
use crate::table::index::IndexBuilder;
use crate::table::meta::{Reference, TableMeta};
use crate::wire::{Put, low_u32};

/// Bytes gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Bytes of a part that is synced by itself. Measured beside durable commits of 100 keys that go on for
/// five seconds: with 1 and with 8 MiB, one commit in a hundred waits for a millisecond and more, since
/// so many meet a sync; with 16, 0.45 ms; with 32, one in a thousand waits for 10 ms instead of 6.
const PACED_BYTES: u64 = 16 << 20;

/// How tables are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TableShape {
    pub block_bytes: usize,
    pub filter_bits_per_key: usize,
    pub compression: Compression,
    /// Whether large parts are synced as soon as they are written: a sync of a whole table would
    /// hold up the syncs of commits that are made meanwhile for too long.
    pub is_paced: bool,
}

/// A table being written.
pub(crate) struct TableBuilder {
    file: Arc<dyn File>,
    shape: TableShape,
    sealer: Option<Sealer>,
    envelope: Envelope,
    /// What versions in blocks are counted from.
    base: Sequence,
    block: BlockBuilder,
    scratch: Vec<u8>,
    out: Vec<u8>,
    written: u64,
    /// How far the file was synced.
    synced: u64,
    index: IndexBuilder,
    hashes: Vec<u64>,
    last_hash: u64,
    references: BTreeMap<FileId, (u64, u64)>,
    meta: TableMeta,
}

impl TableBuilder {
    /// A table in `file`, which is empty, sealed under `key` if there is one. No record may be
    /// older than `base`.
    pub fn new(
        file: Arc<dyn File>,
        id: FileId,
        shape: TableShape,
        base: Sequence,
        (sealer, envelope): (Option<Sealer>, Envelope),
    ) -> TableBuilder {
        TableBuilder {
            file,
            shape,
            sealer,
            envelope,
            base,
            block: BlockBuilder::default(),
            scratch: Vec::new(),
            out: Vec::new(),
            written: 0,
            synced: 0,
            index: IndexBuilder::default(),
            hashes: Vec::new(),
            last_hash: 0,
            references: BTreeMap::new(),
            meta: TableMeta {
                id,
                bytes: 0,
                smallest: Vec::new(),
                biggest: Vec::new(),
                min_sequence: base,
                max_sequence: Sequence(0),
                entries: 0,
                keys: 0,
                tombstones: 0,
                raw_bytes: 0,
                expires_min: 0,
                expires_max: 0,
                lasting: 0,
                references: Vec::new(),
            },
        }
    }

    /// About as many bytes as the file has by now.
    pub fn bytes(&self) -> u64 {
        self.written + (self.out.len() + self.block.bytes() + self.index.bytes()) as u64
    }

    pub fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        let last_key = match self.block.is_empty() {
            true => self.meta.biggest.as_slice(),
            false => self.block.last_key(),
        };
        let is_new_key = self.meta.entries == 0 || last_key != entry.key;
        if is_new_key {
            if self.meta.entries > 0 && last_key > entry.key {
                // What was read was not in the order that tables are in.
                let name = format!("{}.sst", self.meta.id);
                return Err(damage(&name, 0, "records to be written are out of order"));
            }
            let grown = self.block.bytes() + entry.key.len() + entry.value.len();
            if !self.block.is_empty() && grown > self.shape.block_bytes {
                self.finish_block()?;
            }
            self.last_hash = key_hash(entry.key);
            self.hashes.push(self.last_hash);
            self.meta.keys += 1;
        }
        self.block.add(entry, self.last_hash, self.base);
        self.count(entry);
        Ok(())
    }

    fn count(&mut self, entry: &Entry<'_>) {
        let meta = &mut self.meta;
        if meta.entries == 0 {
            meta.smallest = entry.key.to_vec();
        }
        meta.entries += 1;
        meta.raw_bytes += (entry.key.len() + entry.value.len()) as u64;
        meta.max_sequence = meta.max_sequence.max(entry.sequence);
        meta.tombstones += u64::from(entry.kind == Kind::Delete);
        match entry.extra.expires {
            0 => meta.lasting += 1,
            at if meta.expires_min == 0 => (meta.expires_min, meta.expires_max) = (at, at),
            at => {
                meta.expires_min = meta.expires_min.min(at);
                meta.expires_max = meta.expires_max.max(at);
            }
        }
        if entry.kind == Kind::Pointer
            && let Some(pointer) = Pointer::read(entry.value)
        {
            let (values, bytes) = self.references.entry(pointer.file).or_default();
            *values += 1;
            *bytes += pointer.len;
        }
    }

    fn finish_block(&mut self) -> Result<()> {
        if self.block.is_empty() {
            return Ok(());
        }
        self.meta.biggest.clear();
        self.meta.biggest.extend_from_slice(self.block.last_key());
        let start = self.out.len();
        if self.sealer.is_some() {
            Sealer::begin(&mut self.out);
        }
        if self.shape.compression == Compression::None {
            self.block.finish(&mut self.out);
            self.out.push(0);
        } else {
            self.scratch.clear();
            self.block.finish(&mut self.scratch);
            match self.shape.compression.compress(&self.scratch) {
                Some(packed) => {
                    self.out.extend_from_slice(&packed);
                    self.out.put_u32(low_u32(self.scratch.len() as u64));
                    self.out.push(self.shape.compression.code());
                }
                None => {
                    self.out.extend_from_slice(&self.scratch);
                    self.out.push(0);
                }
            }
        }
        if let Some(sealer) = &self.sealer {
            let place = self.written + start as u64;
            sealer.finish(&mut self.out, start, place);
        } else {
            let checksum = Part::checksum_of(self.out.get(start..).unwrap_or_default());
            self.out.put_u32(checksum);
        }
        self.index.add(self.out.len() - start, &self.meta.biggest);
        if self.out.len() >= WRITE_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        write_all_at(&*self.file, &self.out, self.written)
            .map_err(|error| Error::io("writing a table", error))?;
        self.written += self.out.len() as u64;
        self.out.clear();
        if self.shape.is_paced && self.written - self.synced >= PACED_BYTES {
            self.synced = self.written;
            self.file
                .sync_data()
                .map_err(|error| Error::io("syncing a part of a table", error))?;
        }
        Ok(())
    }

    fn part(&mut self, bytes: &[u8]) -> Part {
        let start = self.out.len();
        let offset = self.written + start as u64;
        match &self.sealer {
            Some(sealer) => sealer.seal(&mut self.out, offset, bytes),
            None => self.out.extend_from_slice(bytes),
        }
        let stored = self.out.get(start..).unwrap_or_default();
        Part {
            offset,
            len: stored.len() as u64,
            checksum: Part::checksum_of(stored),
        }
    }

    /// Writes the rest and makes the file's bytes durable; its name is the caller's to sync.
    pub fn finish(mut self) -> Result<TableMeta> {
        self.finish_block()?;
        let index = std::mem::take(&mut self.index).finish();
        let filter = filter::build(&self.hashes, self.shape.filter_bits_per_key);
        self.meta.references = self
            .references
            .iter()
            .map(|(file, (values, bytes))| Reference {
                file: *file,
                values: *values,
                bytes: *bytes,
            })
            .collect();
        let index = self.part(&index);
        let filter = self.part(&filter);
        let mut described = Vec::new();
        self.meta.put(&mut described);
        let meta = self.part(&described);
        let footer = Footer {
            id: self.meta.id,
            index,
            filter,
            meta,
            envelope: self.envelope,
        };
        footer.put(&mut self.out);
        self.write_out()?;
        self.file
            .sync_all()
            .map_err(|error| Error::io("syncing a table", error))?;
        self.meta.bytes = self.written;
        Ok(self.meta)
    }
}
