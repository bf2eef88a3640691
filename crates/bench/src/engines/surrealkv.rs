//! SurrealKV: an asynchronous engine, driven from plain threads.

use std::path::Path;

use surrealkv::{Durability, Error, LSMIterator, Mode, Transaction, Tree, TreeBuilder};
use tokio::runtime::Runtime;

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer,
};

/// How the bench runs it. Its compaction runs by itself, and has no call: closing flushes.
pub const KIND: Kind = Kind {
    name: "surrealkv",
    version: || "1.2".to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Surreal {
    runtime: Runtime,
    tree: Tree,
    durability: Durability,
}

fn surreal(directory: &Path, opening: Opening) -> Result<Surreal> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .worker_threads(2)
        .build()?;
    let inside = runtime.enter();
    let tree = TreeBuilder::new()
        .with_path(directory.to_path_buf())
        .with_block_cache_capacity(opening.cache_bytes as u64)
        .build()?;
    drop(inside);
    let durability = match opening.keeping {
        Keeping::Durable => Durability::Immediate,
        Keeping::Unsynced => Durability::Eventual,
    };
    Ok(Surreal {
        runtime,
        tree,
        durability,
    })
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    Ok(Box::new(surreal(directory, opening)?))
}

fn compact(directory: &Path) -> Result<()> {
    let opening = Opening {
        keeping: Keeping::Durable,
        cache_bytes: CACHE_BYTES,
    };
    drop(surreal(directory, opening)?);
    Ok(())
}

impl Engine for Surreal {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&self.tree.begin_with_mode(Mode::ReadOnly)?)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        // Its transactions run side by side: the later of two that write one key starts again.
        loop {
            let mut transaction = self
                .tree
                .begin_with_mode(Mode::WriteOnly)?
                .with_durability(self.durability);
            work(&mut transaction)?;
            match self.runtime.block_on(transaction.commit()) {
                Err(Error::TransactionWriteConflict) => {}
                committed => return Ok(committed?),
            }
        }
    }
}

impl Drop for Surreal {
    fn drop(&mut self) {
        // A measurement that matters has ended by now; the next opening tells what it finds.
        drop(self.runtime.block_on(self.tree.close()));
    }
}

impl Reader for Transaction {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = Transaction::get(self, key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut entries = Transaction::scan(self, from.to_vec()..)?;
        let mut valid = entries.seek_first()?;
        while valid && visit(entries.key().user_key(), &entries.value_ref()?) {
            valid = entries.next()?;
        }
        Ok(())
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        let mut entries = self.iter()?;
        let mut valid = entries.seek_last()?;
        while valid && visit(entries.key().user_key(), &entries.value_ref()?) {
            valid = entries.prev()?;
        }
        Ok(())
    }
}

impl Writer for Transaction {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.set(key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(Transaction::delete(self, key)?)
    }
}
