//! A place in a run of tables whose keys do not overlap.

use std::sync::Arc;

use kv_api::Result;

use crate::entry::Entry;
use crate::id::Sequence;
use crate::slice::Slice;
use crate::table::block::{Block, Record};
use crate::table::reader::Table;

/// A place in a run: a level, or one table of level 0.
pub(crate) struct RunCursor<'a> {
    tables: &'a [Arc<Table>],
    table: usize,
    number: usize,
    block: Option<Block<'a>>,
    index: usize,
    record: Option<Record>,
    base: Sequence,
    /// The key, where the block has taken a prefix out of it.
    joined: Vec<u8>,
    has_prefix: bool,
    is_passing: bool,
}

impl<'a> RunCursor<'a> {
    pub fn new(tables: &'a [Arc<Table>]) -> RunCursor<'a> {
        RunCursor {
            tables,
            table: 0,
            number: 0,
            block: None,
            index: 0,
            record: None,
            base: Sequence(0),
            joined: Vec::new(),
            has_prefix: false,
            is_passing: false,
        }
    }

    /// The same for whoever goes through the whole run once: it leaves the cache as it is.
    pub fn in_passing(tables: &'a [Arc<Table>]) -> RunCursor<'a> {
        RunCursor {
            is_passing: true,
            ..RunCursor::new(tables)
        }
    }

    fn open(&self) -> Option<&'a Table> {
        self.tables.get(self.table).map(|table| &**table)
    }

    fn clear(&mut self) {
        self.block = None;
        self.record = None;
    }

    /// Goes to block `number` of the current table.
    fn enter(&mut self, number: usize) -> Result<()> {
        let Some(table) = self.open() else {
            self.clear();
            return Ok(());
        };
        let block = if self.is_passing {
            table.block_in_passing(number)?
        } else {
            table.block(number)?
        };
        self.base = table.base();
        self.number = number;
        self.has_prefix = !block.prefix().is_empty();
        self.joined.clear();
        self.joined.extend_from_slice(block.prefix());
        self.block = Some(block);
        Ok(())
    }

    /// Comes to the record at `index` of the current block.
    #[inline]
    fn come_to(&mut self, index: usize) -> Result<()> {
        let Some(block) = &self.block else {
            self.record = None;
            return Ok(());
        };
        let Some(record) = block.record(index, self.base) else {
            let table = self.open();
            self.record = None;
            return table.map_or(Ok(()), |table| Err(table.malformed(self.number)));
        };
        if self.has_prefix {
            self.joined.truncate(block.prefix().len());
            self.joined.extend_from_slice(block.part(record.suffix));
        }
        self.index = index;
        self.record = Some(record);
        Ok(())
    }

    fn count(&self) -> usize {
        self.block.as_ref().map_or(0, Block::count)
    }

    /// Comes to the first record of the next block that there is.
    fn next_block(&mut self) -> Result<()> {
        let Some(table) = self.open() else {
            self.clear();
            return Ok(());
        };
        if self.number + 1 < table.blocks()? {
            self.enter(self.number + 1)?;
        } else {
            self.table += 1;
            self.enter(0)?;
        }
        self.come_to(0)
    }

    fn prev_block(&mut self) -> Result<()> {
        if self.number > 0 {
            self.enter(self.number - 1)?;
        } else if self.table > 0 {
            self.table -= 1;
            let blocks = self.open().map_or(Ok(0), Table::blocks)?;
            self.enter(blocks.saturating_sub(1))?;
        } else {
            self.clear();
            return Ok(());
        }
        self.come_to(self.count().saturating_sub(1))
    }

    pub fn first(&mut self) -> Result<()> {
        self.table = 0;
        self.enter(0)?;
        self.come_to(0)
    }

    pub fn last(&mut self) -> Result<()> {
        self.table = self.tables.len().saturating_sub(1);
        let blocks = self.open().map_or(Ok(0), Table::blocks)?;
        self.enter(blocks.saturating_sub(1))?;
        self.come_to(self.count().saturating_sub(1))
    }

    /// Comes to the first record at or after `key` at `at`.
    pub fn seek(&mut self, key: &[u8], at: Sequence) -> Result<()> {
        self.table = self
            .tables
            .partition_point(|table| table.meta.biggest.as_slice() < key);
        let Some(table) = self.open() else {
            self.clear();
            return Ok(());
        };
        let number = table.find_block(key)?;
        if number >= table.blocks()? {
            return Err(table.malformed(number));
        }
        self.enter(number)?;
        let Some(block) = &self.block else {
            return Ok(());
        };
        let found = block.seek(key, at, self.base);
        match found {
            None => Err(table.malformed(number)),
            Some(index) if index < block.count() => self.come_to(index),
            Some(_) => self.next_block(),
        }
    }

    /// Comes to the last record before that place.
    pub fn seek_before(&mut self, key: &[u8], at: Sequence) -> Result<()> {
        self.seek(key, at)?;
        if self.record.is_some() {
            self.prev()
        } else if self.tables.is_empty() {
            Ok(())
        } else {
            self.last()
        }
    }

    #[inline]
    pub fn next(&mut self) -> Result<()> {
        if self.record.is_none() {
            return Ok(());
        }
        if self.index + 1 < self.count() {
            return self.come_to(self.index + 1);
        }
        self.next_block()
    }

    pub fn prev(&mut self) -> Result<()> {
        if self.record.is_none() {
            return Ok(());
        }
        match self.index.checked_sub(1) {
            Some(index) => self.come_to(index),
            None => self.prev_block(),
        }
    }

    #[inline]
    pub fn entry(&self) -> Option<Entry<'_>> {
        let (block, record) = (self.block.as_ref()?, self.record.as_ref()?);
        let key = if self.has_prefix {
            &self.joined
        } else {
            block.part(record.suffix)
        };
        Some(Entry {
            key,
            sequence: record.sequence,
            kind: record.kind,
            extra: record.extra,
            value: block.part(record.value),
        })
    }

    /// The key and the value's bytes, lent by the table where they stand.
    #[inline]
    pub fn lend(&self) -> Option<(Slice<'a>, Slice<'a>)> {
        let (block, record) = (self.block.as_ref()?, self.record.as_ref()?);
        let key = if self.has_prefix {
            Slice::copied(&self.joined)
        } else {
            block.lend(record.suffix)
        };
        Some((key, block.lend(record.value)))
    }
}
