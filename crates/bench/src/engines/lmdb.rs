//! LMDB, through heed. One unnamed database: its fastest layout.

use std::ops::Bound;
use std::path::Path;

use heed::types::Bytes;
use heed::{CompactionOption, Database, Env, EnvFlags, EnvOpenOptions, RoTxn, RwTxn, WithTls};

use crate::engine::{Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer};
use crate::engines::replace;

/// How the bench runs it. Unsynced is `MDB_NOSYNC`: pages and meta are written, not synced.
pub const KIND: Kind = Kind {
    name: "lmdb",
    version: || {
        let heed::LmdbVersion {
            major,
            minor,
            patch,
            ..
        } = heed::lmdb_version();
        format!("{major}.{minor}.{patch}")
    },
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

type Pairs = Database<Bytes, Bytes>;

struct Lmdb {
    env: Env,
    pairs: Pairs,
}

#[expect(
    unsafe_code,
    reason = "LMDB maps a file that only this process, which made it, changes"
)]
fn environment(directory: &Path, keeping: Keeping) -> Result<Env> {
    let mut options = EnvOpenOptions::new();
    options.map_size(64 << 30);
    if keeping == Keeping::Unsynced {
        // SAFETY: without syncs a crash of the machine may damage the file; the bench then starts
        // afresh.
        unsafe { options.flags(EnvFlags::NO_SYNC) };
    }
    // SAFETY: the directory belongs to this run, and no one else opens or changes the file.
    Ok(unsafe { options.open(directory) }?)
}

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let env = environment(directory, opening.keeping)?;
    // The unnamed database is always there, so opening it needs no write transaction.
    let transaction = env.read_txn()?;
    let pairs = env.open_database(&transaction, None)?;
    transaction.commit()?;
    let pairs = pairs.ok_or("LMDB has no unnamed database")?;
    Ok(Box::new(Lmdb { env, pairs }))
}

fn compact(directory: &Path) -> Result<()> {
    let env = environment(directory, Keeping::Durable)?;
    let fresh = directory.join("compacted.mdb");
    let file = env.copy_to_path(&fresh, CompactionOption::Enabled)?;
    file.sync_all()?;
    env.prepare_for_closing().wait();
    replace(&fresh, &directory.join("data.mdb"))
}

impl Engine for Lmdb {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        work(&View {
            pairs: self.pairs,
            transaction: self.env.read_txn()?,
        })
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut change = Change {
            pairs: self.pairs,
            transaction: self.env.write_txn()?,
        };
        work(&mut change)?;
        Ok(change.transaction.commit()?)
    }
}

struct View<'e> {
    pairs: Pairs,
    transaction: RoTxn<'e, WithTls>,
}

impl Reader for View<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = self.pairs.get(&self.transaction, key)?;
        value.map(show);
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        if from.is_empty() {
            for entry in self.pairs.iter(&self.transaction)? {
                let (key, value) = entry?;
                if !visit(key, value) {
                    break;
                }
            }
            return Ok(());
        }
        let keys = (Bound::Included(from), Bound::Unbounded);
        for entry in self.pairs.range(&self.transaction, &keys)? {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        for entry in self.pairs.rev_iter(&self.transaction)? {
            let (key, value) = entry?;
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

struct Change<'e> {
    pairs: Pairs,
    transaction: RwTxn<'e>,
}

impl Writer for Change<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(self.pairs.put(&mut self.transaction, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        self.pairs.delete(&mut self.transaction, key)?;
        Ok(())
    }
}
