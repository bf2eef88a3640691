//! Strata's bolt engine.

use std::path::Path;

use txn::{Bucket, BucketMut, CompactOptions, Db, Options};

use crate::engine::{Class, Engine, Keeping, Kind, Opening, Reader, Result, Visit, Writer};
use crate::engines::replace;

const FILE: &str = "bolt.db";
const BUCKET: &str = "bench";

/// How the bench runs it. Unsynced is the option `no_sync`, LMDB's class: the meta is written with
/// every commit, only syncs are left out. (`Deferred` would write no meta and be lost by a kill.)
pub const KIND: Kind = Kind {
    name: "bolt",
    version: || env!("CARGO_PKG_VERSION").to_owned(),
    unsynced: Class::SurvivesKill,
    load_keys_max: None,
    open,
    compact,
    texts: None,
};

struct Bolt(Db);

fn open(directory: &Path, opening: Opening) -> Result<Box<dyn Engine>> {
    let options = Options::new().no_sync(opening.keeping == Keeping::Unsynced);
    let db = options.open(directory.join(FILE))?;
    if db.snapshot()?.bucket_if_exists(BUCKET)?.is_none() {
        db.update(|tx| tx.create_bucket(BUCKET).map(drop))?;
    }
    Ok(Box::new(Bolt(db)))
}

fn compact(directory: &Path) -> Result<()> {
    let fresh = directory.join("compacted.db");
    let (from, to) = (Db::open(directory.join(FILE))?, Db::open(&fresh)?);
    txn::compact(
        &from.snapshot()?,
        &to,
        CompactOptions::default(),
        &mut |_| {},
    )?;
    to.close()?;
    from.close()?;
    replace(&fresh, &directory.join(FILE))
}

impl Engine for Bolt {
    fn read(&self, work: &mut dyn FnMut(&dyn Reader) -> Result<()>) -> Result<()> {
        let snapshot = self.0.snapshot()?;
        work(&snapshot.bucket(BUCKET)?)
    }

    fn write(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        let mut transaction = self.0.begin()?;
        work(&mut transaction.bucket(BUCKET)?)?;
        Ok(transaction.commit()?)
    }

    fn write_shared(&self, work: &mut dyn FnMut(&mut dyn Writer) -> Result<()>) -> Result<()> {
        self.0
            .update_grouped(|tx| work(&mut tx.bucket(BUCKET)?).map_err(txn::Error::other))?;
        Ok(())
    }

    fn bytes_written(&self) -> Option<u64> {
        self.0
            .statistics()
            .ok()
            .map(|counted| counted.bytes_written)
    }
}

impl Drop for Bolt {
    fn drop(&mut self) {
        // A measurement that matters has ended by now; the next opening tells what it finds.
        drop(self.0.close());
    }
}

impl Reader for Bucket<'_> {
    fn get(&self, key: &[u8], show: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let value = Bucket::get(self, key)?;
        value.map(show);
        Ok(value.is_some())
    }

    fn scan(&self, from: &[u8], visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor();
        let mut entry = if from.is_empty() {
            cursor.first()?
        } else {
            cursor.seek(from)?
        };
        while let Some((key, value)) = entry {
            if !visit(key, value.unwrap_or_default()) {
                break;
            }
            entry = cursor.next()?;
        }
        Ok(())
    }

    fn scan_back(&self, visit: &mut Visit) -> Result<()> {
        let mut cursor = self.cursor();
        let mut entry = cursor.last()?;
        while let Some((key, value)) = entry {
            if !visit(key, value.unwrap_or_default()) {
                break;
            }
            entry = cursor.prev()?;
        }
        Ok(())
    }
}

impl Writer for BucketMut<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        Ok(BucketMut::put(self, key, value)?)
    }

    fn delete(&mut self, key: &[u8]) -> Result<()> {
        Ok(BucketMut::delete(self, key)?)
    }
}
