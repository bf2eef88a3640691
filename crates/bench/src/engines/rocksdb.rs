//! RocksDB: the system's shared library.

use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DB, DBRawIterator, Options, ReadOptions, SnapshotWithThreadMode,
    WriteBatch, WriteOptions,
};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};

/// Bits of a Bloom filter for each key: the usual choice.
const FILTER_BITS: f64 = 10.0;

/// How the bench runs it: a block cache, Bloom filters, no compression, since the values could
/// not be compressed. Unsynced commits are in the log, which the system has.
pub const KIND: Kind = Kind {
    name: "rocksdb",
    version: || "7.8 (the system's), bindings 0.19".to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Rocks {
    db: DB,
    sync: bool,
}

fn db(directory: &Path, cache_bytes: usize) -> Result<DB> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(cache_bytes)?);
    blocks.set_bloom_filter(FILTER_BITS, false);
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(rocksdb::DBCompressionType::None);
    Ok(DB::open(&options, directory)?)
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    Ok(Box::new(Rocks {
        db: db(directory, opening.cache_bytes)?,
        sync: opening.keeping == Keeping::Durable,
    }))
}

fn compact(directory: &Path) -> Result<()> {
    let db = db(directory, CACHE_BYTES)?;
    db.flush()?;
    db.compact_range::<&[u8], &[u8]>(None, None);
    Ok(())
}

impl Engine for Rocks {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&View(self.db.snapshot()))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut change = Change(WriteBatch::default());
        work(&mut change)?;
        let mut options = WriteOptions::default();
        options.set_sync(self.sync);
        Ok(self.db.write_opt(change.0, &options)?)
    }
}

struct View<'e>(SnapshotWithThreadMode<'e, DB>);

fn visit_all(
    mut cursor: DBRawIterator<'_>,
    step: impl Fn(&mut DBRawIterator<'_>),
    visit: &mut Visit,
) -> Result<()> {
    while let Some((key, value)) = cursor.item() {
        if !visit(key, value) {
            break;
        }
        step(&mut cursor);
    }
    Ok(cursor.status()?)
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.0.get_pinned(key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut cursor = self.0.raw_iterator_opt(ReadOptions::default());
        cursor.seek(from);
        visit_all(cursor, |cursor| cursor.next(), visit)
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        let mut cursor = self.0.raw_iterator_opt(ReadOptions::default());
        cursor.seek_to_last();
        visit_all(cursor, |cursor| cursor.prev(), visit)
    }
}

struct Change(WriteBatch);

impl Writer for Change {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.put(key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.0.delete(key);
        Ok(())
    }
}
