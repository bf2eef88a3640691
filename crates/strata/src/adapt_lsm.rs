//! The lsm engine behind the face.

use std::io::{self, Read, Write};
use std::path::Path;

use kv_api::capability::{
    Backup, Check, Compact, Expiry, History, PutExpiring, SortedLoad, Versions, Watch,
};
use kv_api::{Bytes, Error, Reader, Result, Space, Transaction as _};
use lsm_valuelog::{Db, Entry, Options, Sequence, Snapshot, Transaction};

use crate::adapt::{Adapt, no_nesting};
use crate::items::{Item, Items};
use crate::options::OpenOptions;
use crate::recognise::holds_lsm;
use crate::snapshot_stream::{Restore, SnapshotStream, StreamProgress, StreamReport};

/// Opens the store in the directory `path`.
pub(crate) fn open(path: &Path, options: &OpenOptions) -> Result<Db> {
    if !options.makes_missing() && !holds_lsm(path)? {
        let missing = io::Error::from(io::ErrorKind::NotFound);
        return Err(Error::io("opening the store", missing));
    }
    let lsm = Options::new()
        .read_only(options.read_only || options.untrusted)
        .read_without_mapping(options.untrusted);
    match options.lock_timeout {
        Some(timeout) => lsm.lock_timeout(timeout),
        None => lsm,
    }
    .open(path)
}

impl Adapt for Db {
    fn engine_name(&self) -> &'static str {
        "lsm"
    }

    fn as_check(&self) -> Option<&dyn Check> {
        Some(self)
    }

    fn as_backup(&self) -> Option<&dyn Backup> {
        Some(self)
    }

    fn as_restore(&self) -> Option<&dyn Restore> {
        Some(self)
    }

    fn as_compact(&self) -> Option<&dyn Compact> {
        Some(self)
    }

    fn as_history(&self) -> Option<&dyn History> {
        Some(self)
    }

    fn as_watch(&self) -> Option<&dyn Watch> {
        Some(self)
    }

    fn as_sorted_load(&self) -> Option<&dyn SortedLoad> {
        Some(self)
    }

    fn as_expiry(snapshot: &Snapshot) -> Option<&dyn Expiry> {
        Some(snapshot)
    }

    fn as_versions(snapshot: &Snapshot) -> Option<&dyn Versions> {
        Some(snapshot)
    }

    fn as_put_expiring(transaction: &mut Transaction) -> Option<&mut dyn PutExpiring> {
        Some(transaction)
    }

    fn as_stream(snapshot: &Snapshot) -> Option<&dyn SnapshotStream> {
        Some(snapshot)
    }

    fn as_items(snapshot: &Snapshot) -> Option<&dyn Items> {
        Some(snapshot)
    }

    fn holds_items(&self) -> bool {
        true
    }

    fn put_item(transaction: &mut Transaction, path: &[&[u8]], item: &Item<'_>) -> Result<()> {
        let space = match path {
            [] => Space::DEFAULT,
            [name] => transaction.create_space(name)?,
            _ => return Err(no_nesting()),
        };
        let entry = Entry::new(item.key, item.value)
            .expires_at(item.expires_at)
            .user_meta(item.user_meta);
        transaction.put_entry(space, &entry)
    }
}

impl Items for Snapshot {
    fn item_spaces(&self) -> Result<Vec<Bytes>> {
        self.space_names()
    }

    fn visit_items(
        &self,
        space: Option<&[u8]>,
        visit: &mut dyn FnMut(Item<'_>) -> Result<()>,
    ) -> Result<()> {
        let space = match space {
            None => Space::DEFAULT,
            Some(name) => self.space(name)?.ok_or(Error::NotFound { what: "space" })?,
        };
        let stream = self.stream().space(space);
        let newest = stream.run(|batch| {
            batch.iter().try_for_each(|version| {
                visit(Item {
                    key: version.key,
                    value: version.value.unwrap_or_default(),
                    expires_at: version.expires_at,
                    user_meta: version.user_meta,
                })
            })
        });
        newest.map(drop)
    }
}

/// Tells of bytes as they pass.
struct Told<'a> {
    to: &'a mut dyn Write,
    report: StreamReport<'a>,
    bytes: u64,
}

impl Write for Told<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.bytes += written as u64;
        let progress = StreamProgress {
            bytes: self.bytes,
            ..StreamProgress::default()
        };
        if (self.report)(progress) {
            return Ok(written);
        }
        Err(io::Error::other("called off"))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl SnapshotStream for Snapshot {
    fn write_stream(&self, to: &mut dyn Write, report: StreamReport<'_>) -> Result<u64> {
        let mut told = Told {
            to,
            report,
            bytes: 0,
        };
        self.backup_since(Sequence(0), &mut told)
    }
}

impl Restore for Db {
    fn restore_stream(&self, from: &mut dyn Read, report: StreamReport<'_>) -> Result<()> {
        let mut told = StreamProgress::default();
        let restored = self.restore(from, &mut |pairs, bytes| {
            told = StreamProgress {
                pairs,
                pairs_total: pairs,
                bytes,
            };
            report(told)
        });
        restored.map(drop)
    }
}
