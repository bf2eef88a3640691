//! canopydb: one tree, with its write-ahead log.

use std::path::Path;

use canopydb::{Database, DbOptions, EnvOptions, Tree};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};

const PAIRS: &[u8] = b"bench";

/// How the bench runs it. Unsynced commits are in the log, which the system has.
pub const KIND: Kind = Kind {
    name: "canopydb",
    version: || "0.2.5".to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Canopy {
    database: Database,
    sync: bool,
}

fn database(directory: &Path, cache_bytes: usize) -> Result<Database> {
    let mut environment = EnvOptions::new(directory);
    environment.page_cache_size = cache_bytes;
    Ok(Database::with_options(environment, DbOptions::new())?)
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let database = database(directory, opening.cache_bytes)?;
    if database.begin_read()?.get_tree(PAIRS)?.is_none() {
        let transaction = database.begin_write()?;
        drop(transaction.get_or_create_tree(PAIRS)?);
        transaction.commit_with(true)?;
    }
    let sync = opening.keeping == Keeping::Durable;
    Ok(Box::new(Canopy { database, sync }))
}

fn compact(directory: &Path) -> Result<()> {
    let database = database(directory, CACHE_BYTES)?;
    database.compact()?;
    Ok(database.checkpoint()?)
}

impl Engine for Canopy {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        let transaction = self.database.begin_read()?;
        let tree = transaction.get_tree(PAIRS)?.ok_or("no tree")?;
        work(&View(tree))
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let transaction = self.database.begin_write()?;
        let mut change = Change(transaction.get_or_create_tree(PAIRS)?);
        work(&mut change)?;
        drop(change);
        transaction.commit_with(self.sync)?;
        Ok(())
    }
}

struct View<'t>(Tree<'t>);

impl Reader for View<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.0.get(key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        for entry in self.0.range(from..)? {
            let (key, value) = entry?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        for entry in self.0.iter()?.rev() {
            let (key, value) = entry?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}

struct Change<'t>(Tree<'t>);

impl Writer for Change<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.0.insert(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.0.delete(key)?;
        Ok(())
    }
}
