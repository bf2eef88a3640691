//! redb: one table of byte slices.

use std::path::Path;

use redb::{Database, Durability, ReadOnlyTable, ReadableDatabase, Table, TableDefinition};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};

const PAIRS: TableDefinition<&[u8], &[u8]> = TableDefinition::new("bench");

/// How the bench runs it. Unsynced is `Durability::None`, which writes no header: those commits
/// are lost by a kill, a weaker promise than LMDB's and bolt's.
pub const KIND: Kind = Kind {
    name: "redb",
    version: || "4.4".to_owned(),
    unsynced: Class::LostByKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Redb {
    database: Database,
    durability: Durability,
}

fn database(directory: &Path, cache_bytes: usize) -> Result<Database> {
    let mut builder = Database::builder();
    builder.set_cache_size(cache_bytes);
    Ok(builder.create(directory.join("bench.redb"))?)
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let database = database(directory, opening.cache_bytes)?;
    if database.begin_read()?.open_table(PAIRS).is_err() {
        let transaction = database.begin_write()?;
        transaction.open_table(PAIRS)?;
        transaction.commit()?;
    }
    let durability = match opening.keeping {
        Keeping::Durable => Durability::Immediate,
        Keeping::Unsynced => Durability::None,
    };
    Ok(Box::new(Redb {
        database,
        durability,
    }))
}

fn compact(directory: &Path) -> Result<()> {
    let mut database = database(directory, CACHE_BYTES)?;
    // Each call moves what it can; it answers false once there is nothing left to move.
    while database.compact()? {}
    Ok(())
}

impl Engine for Redb {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&self.database.begin_read()?.open_table(PAIRS)?)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(self.durability)?;
        work(&mut transaction.open_table(PAIRS)?)?;
        Ok(transaction.commit()?)
    }
}

impl Reader for ReadOnlyTable<&'static [u8], &'static [u8]> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = ReadOnlyTable::get(self, key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(value.value());
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        for entry in self.range(from..)? {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        for entry in self.range::<&[u8]>(..)?.rev() {
            let (key, value) = entry?;
            if !visit(key.value(), value.value()) {
                break;
            }
        }
        Ok(())
    }
}

impl Writer for Table<'_, &'static [u8], &'static [u8]> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.insert(key, value)?;
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.remove(key)?;
        Ok(())
    }
}
