//! Replacing a store by a whole copy, in one step.

use std::io::Read as IoRead;

use kv_api::{Error, Result};

use crate::backup::{NAME, Source, each_record, loaded_key};
use crate::bulk::BulkLoaded;
use crate::bulk_install::BulkMode;
use crate::db::Db;
use crate::entry::Extra;
use crate::error::damage;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, stored};
use crate::wire::Read;

impl Db {
    /// Replaces everything by what a whole copy holds, which [`Snapshot::backup_since`](crate::Snapshot::backup_since) wrote, in
    /// one step: interrupted anywhere, the store is what it was. `report` is told the pairs read
    /// so far and the bytes, and answers whether to go on.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a copy that is not whole, `Invalid` for one of changes, `Conflict` if the
    /// store is written to meanwhile, `Io` where `from` fails or `report` answers `false`.
    pub fn restore(
        &self,
        from: &mut dyn IoRead,
        report: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<BulkLoaded> {
        let mut source = Source::new(from);
        let (since, up_to) = source.header()?;
        if since != Sequence(0) {
            return Err(Error::Invalid {
                what: "a backup of changes alone; load it into the store that holds those before it",
            });
        }
        let mut load = self.bulk_load(BulkMode::Replace)?;
        let (mut records, mut pairs) = (0, 0);
        let names = stored(DEFAULT_SPACE, b"");
        loop {
            let body = source.frame()?;
            if body.is_empty() {
                break;
            }
            let added = each_record(&body, |key, value, extra| {
                records += 1;
                pairs += u64::from(key >= names.as_slice());
                load.add_stored(0, key.to_vec(), value, Sequence(0), extra)
            })?;
            added.ok_or_else(|| damage(NAME, source.offset, "a record is malformed"))?;
            if !report(pairs, source.offset) {
                let stopped = std::io::Error::from(std::io::ErrorKind::Interrupted);
                return Err(Error::io("restoring, which was called off", stopped));
            }
        }
        let trailer = source.frame()?;
        if Read::new(&trailer).u64() != Some(records) {
            return Err(damage(NAME, source.offset, "records are missing"));
        }
        let mark = up_to.0.to_be_bytes();
        load.add_stored(1, loaded_key(), Some(&mark), Sequence(0), Extra::default())?;
        load.finish()
    }
}
