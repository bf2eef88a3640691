//! Strata's flat engine.

use std::path::Path;

use flatlog::{Cursor, Db, Options, Slice, Snapshot, Transaction};
use kv_api::{Cursor as _, Durability};

use crate::engine::{
    CACHE_BYTES, Class, Engine, Keeping, Kind, Memory, Opening, Reader, Result, Visit, Writer,
};
use crate::engines::flat_texts;

/// How the bench runs it. Unsynced is `Buffered`: one write to the log, no sync. A kill of the
/// process loses nothing, as with fjall and with LMDB's `MDB_NOSYNC`. (`Deferred` would keep small
/// commits back in memory and be lost by a kill.)
pub const KIND: Kind = Kind {
    name: "flat",
    version: || env!("CARGO_PKG_VERSION").to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: Some(flat_texts::KIND),
};

struct Flat {
    db: Db,
    durability: Durability,
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let durability = match opening.keeping {
        Keeping::Durable => Durability::Sync,
        Keeping::Unsynced => Durability::Buffered,
    };
    let db = Options::new()
        .cache_bytes(opening.cache_bytes)
        .open(directory)?;
    Ok(Box::new(Flat { db, durability }))
}

fn compact(directory: &Path) -> Result<()> {
    let db = Options::new().cache_bytes(CACHE_BYTES).open(directory)?;
    db.compact()?;
    Ok(db.close()?)
}

impl Engine for Flat {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&self.db.snapshot()?)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        // Threads that commit side by side share a sync: the turn is given back once a commit
        // is queued. So there is no other call for them.
        let mut transaction = self.db.begin()?;
        work(&mut transaction)?;
        transaction.commit_with(self.durability)?;
        Ok(())
    }

    fn memory(&self) -> Result<Option<Memory>> {
        let counted = self.db.statistics()?;
        Ok(Some(Memory {
            keys: counted.keys,
            beside_key_bytes: counted.memory_bytes_per_key(),
        }))
    }
}

impl Drop for Flat {
    fn drop(&mut self) {
        // A measurement that matters has ended by now; the next opening tells what it finds.
        drop(self.db.close());
    }
}

fn visit_from<'a>(
    mut entry: Option<(Slice<'a>, Slice<'a>)>,
    visit: &mut Visit,
    cursor: &mut Cursor<'a>,
    back: bool,
) -> Result<()> {
    while let Some((key, value)) = entry {
        if !visit(&key, &value) {
            break;
        }
        entry = if back { cursor.prev()? } else { cursor.next()? };
    }
    Ok(())
}

impl Reader for Snapshot {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = Snapshot::get(self, key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor();
        let entry = cursor.seek(from)?;
        visit_from(entry, visit, &mut cursor, false)
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor();
        let entry = cursor.last()?;
        visit_from(entry, visit, &mut cursor, true)
    }
}

impl Writer for Transaction {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(Transaction::put(self, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(Transaction::delete(self, key)?)
    }
}
