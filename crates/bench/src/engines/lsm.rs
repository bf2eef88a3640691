//! Strata's lsm engine.

use std::path::Path;

use kv_api::{Cursor as _, Durability, Reader as _, Space, Transaction as _};
use lsm_valuelog::{Cursor, Db, Options, Slice, Snapshot, Transaction};

use crate::engine::{Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer};

/// How the bench runs it: its defaults. Unsynced is `Buffered`, one write to the log without a
/// sync: a kill loses nothing, as with fjall and RocksDB.
pub const KIND: Kind = Kind {
    name: "lsm",
    version: || env!("CARGO_PKG_VERSION").to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Lsm {
    db: Db,
    durability: Durability,
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let durability = match opening.keeping {
        Keeping::Durable => Durability::Sync,
        Keeping::Unsynced => Durability::Buffered,
    };
    let db = Options::new().open(directory)?;
    Ok(Box::new(Lsm { db, durability }))
}

fn compact(directory: &Path) -> Result<()> {
    let db = Options::new().open(directory)?;
    db.flatten()?;
    db.collect()?;
    Ok(db.close()?)
}

impl Engine for Lsm {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&self.db.snapshot()?)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        // Commits of threads side by side are written together by whoever comes first.
        let mut transaction = self.db.begin()?;
        work(&mut transaction)?;
        Ok(transaction.commit(self.durability)?)
    }

    fn bytes_written(&self) -> Option<u64> {
        let counted = self.db.metrics();
        Some(
            counted.log_bytes
                + counted.value_bytes
                + counted.flush_bytes
                + counted.compaction_bytes_written,
        )
    }
}

impl Drop for Lsm {
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
        let value = kv_api::Reader::get(self, Space::DEFAULT, key)?;
        let found = value.is_some();
        if let Some(value) = value {
            show(&value);
        }
        Ok(found)
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor(Space::DEFAULT)?;
        let entry = cursor.seek(from)?;
        visit_from(entry, visit, &mut cursor, false)
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor(Space::DEFAULT)?;
        let entry = cursor.last()?;
        visit_from(entry, visit, &mut cursor, true)
    }
}

impl Writer for Transaction {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(kv_api::Transaction::put(self, Space::DEFAULT, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(kv_api::Transaction::delete(self, Space::DEFAULT, key)?)
    }
}
