//! Tables being written one behind the other.

use std::sync::Arc;

use disk::OpenOptions;
use kv_api::{Error, Result};

use crate::crypt::envelope::FileKind;
use crate::entry::Entry;
use crate::id::{FileId, Sequence};
use crate::shared::Shared;
use crate::table::builder::{TableBuilder, TableShape};
use crate::table::meta::TableMeta;
use crate::table::reader::Table;

/// Tables that make up one sorted run. Those that were begun and never installed are removed when
/// this is dropped.
pub(crate) struct Output<'a> {
    shared: &'a Shared,
    shape: TableShape,
    base: Sequence,
    table_bytes_max: u64,
    open: Option<TableBuilder>,
    last_key: Vec<u8>,
    begun: Vec<FileId>,
    done: Vec<TableMeta>,
}

impl<'a> Output<'a> {
    /// A run for `level` of tables up to about `table_bytes_max`, with no record older than
    /// `base`.
    pub fn new(
        shared: &'a Shared,
        level: usize,
        base: Sequence,
        table_bytes_max: u64,
    ) -> Output<'a> {
        let options = &shared.options;
        let shape = TableShape {
            block_bytes: options.block_bytes,
            filter_bits_per_key: options.filter_bits_per_key,
            compression: options.compression.get(level).copied().unwrap_or_default(),
            is_paced: options.background,
        };
        Output {
            shared,
            shape,
            base,
            table_bytes_max,
            open: None,
            last_key: Vec::new(),
            begun: Vec::new(),
            done: Vec::new(),
        }
    }

    /// The same for somebody who waits for it to be done, and holds up all others anyway.
    pub fn waited_for(mut self) -> Output<'a> {
        self.shape.is_paced = false;
        self
    }

    fn begin(&mut self) -> Result<TableBuilder> {
        let id = self.shared.new_file_id();
        let key = self.shared.reading.new_file_key(FileKind::Table, id)?;
        let path = self.shared.reading.directory.join(format!("{id}.sst"));
        let file = self.shared.reading.disk.open(&path, &OpenOptions::NEW);
        let file = file.map_err(|error| Error::io("making a table", error))?;
        self.begun.push(id);
        Ok(TableBuilder::new(file, id, self.shape, self.base, key))
    }

    pub fn add(&mut self, entry: &Entry<'_>) -> Result<()> {
        let is_full = self
            .open
            .as_ref()
            .is_some_and(|open| open.bytes() >= self.table_bytes_max);
        if is_full
            && self.last_key != entry.key
            && let Some(full) = self.open.take()
        {
            self.done.push(full.finish()?);
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin()?,
        };
        let added = open.add(entry);
        if open.bytes() >= self.table_bytes_max {
            self.last_key.clear();
            self.last_key.extend_from_slice(entry.key);
        }
        self.open = Some(open);
        added
    }

    /// Adds a deletion in place of `entry`.
    pub fn bury(&mut self, entry: &Entry<'_>) -> Result<()> {
        self.add(&entry.buried())
    }

    /// Ends the run, makes its names durable and opens its tables.
    pub fn finish(mut self) -> Result<Vec<Arc<Table>>> {
        if let Some(open) = self.open.take() {
            self.done.push(open.finish()?);
        }
        if self.done.is_empty() {
            return Ok(Vec::new());
        }
        let reading = &self.shared.reading;
        reading
            .disk
            .sync_directory(&reading.directory)
            .map_err(|error| Error::io("syncing the names of tables", error))?;
        let metas = std::mem::take(&mut self.done);
        let tables = metas
            .into_iter()
            .map(|meta| Table::open(reading, meta).map(Arc::new))
            .collect::<Result<Vec<_>>>()?;
        self.begun.clear();
        Ok(tables)
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        for id in &self.begun {
            self.shared.reading.discard(&format!("{id}.sst"));
        }
    }
}
