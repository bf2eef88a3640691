//! fjall: one keyspace, writes in batches.

use std::path::Path;

use fjall::{
    Database, Guard, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode, Readable,
    Snapshot,
};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};

/// How the bench runs it: values are not separated, which is its default.
pub const KIND: Kind = Kind {
    name: "fjall",
    version: || "3.1".to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Fjall {
    database: Database,
    pairs: Keyspace,
    persist: PersistMode,
}

fn fjall(directory: &Path, opening: Opening) -> Result<Fjall> {
    let database = Database::builder(directory)
        .cache_size(opening.cache_bytes as u64)
        .open()?;
    let pairs = database.keyspace("bench", KeyspaceCreateOptions::default)?;
    let persist = match opening.keeping {
        Keeping::Durable => PersistMode::SyncData,
        Keeping::Unsynced => PersistMode::Buffer,
    };
    Ok(Fjall {
        database,
        pairs,
        persist,
    })
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    Ok(Box::new(fjall(directory, opening)?))
}

fn compact(directory: &Path) -> Result<()> {
    let opening = Opening {
        keeping: Keeping::Durable,
        cache_bytes: CACHE_BYTES,
    };
    let fjall = fjall(directory, opening)?;
    fjall.pairs.rotate_memtable_and_wait()?;
    Ok(fjall.pairs.major_compact()?)
}

impl Engine for Fjall {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&View {
            snapshot: self.database.snapshot(),
            pairs: &self.pairs,
        })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut change = Change {
            batch: self.database.batch().durability(Some(self.persist)),
            pairs: &self.pairs,
        };
        work(&mut change)?;
        Ok(change.batch.commit()?)
    }
}

struct View<'e> {
    snapshot: Snapshot,
    pairs: &'e Keyspace,
}

fn visit_all(entries: impl Iterator<Item = Guard>, visit: &mut Visit) -> Result<()> {
    for entry in entries {
        let (key, value) = entry.into_inner()?;
        if !visit(&key, &value) {
            break;
        }
    }
    Ok(())
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.snapshot.get(self.pairs, key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        visit_all(self.snapshot.range(self.pairs, from..), visit)
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        visit_all(self.snapshot.iter(self.pairs).rev(), visit)
    }
}

struct Change<'e> {
    batch: OwnedWriteBatch,
    pairs: &'e Keyspace,
}

impl Writer for Change<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.batch.insert(self.pairs, key, value);
        Ok(())
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.batch.remove(self.pairs, key);
        Ok(())
    }
}
