//! Copying a store while it is in use, whole or what changed since an earlier copy, and reading
//! such copies.
//!
//! A copy is a header, then frames of records with a checksum each, then a trailer with counts, so
//! that a copy cut short anywhere is known to be.

use std::io::{Read as IoRead, Write};

use kv_api::{Error, Place, Result};

use crate::db::Db;
use crate::entry::{Extra, Kind};
use crate::error::damage;
use crate::id::Sequence;
use crate::key::{MEMORY_SPACE, stored};
use crate::merge::{Child, Merge};
use crate::snapshot::Snapshot;
use crate::wire::{Put, Read, to_usize};

/// "strata, lsm backup".
const MAGIC: u64 = u64::from_le_bytes(*b"strtLSMB");
const VERSION: u32 = 1;

/// Magic, version, since, up to, checksum.
const HEADER_BYTES: usize = 32;

/// Length and checksum before a frame.
const FRAME_HEADER_BYTES: usize = 12;

/// Bytes of records after which a frame ends.
const FRAME_BYTES: usize = 256 << 10;

/// The longest frame that is believed: one record of the largest value and its key.
const FRAME_BYTES_MAX: u64 = (1 << 30) + (1 << 20);

/// The name it is reported by.
pub(crate) const NAME: &str = "backup";

/// Writes to a target and counts.
struct Sink<'a> {
    to: &'a mut dyn Write,
    bytes: u64,
}

impl Sink<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.to
            .write_all(bytes)
            .map_err(|error| Error::io("writing a backup", error))?;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn frame(&mut self, body: &[u8]) -> Result<()> {
        let mut header = Vec::with_capacity(FRAME_HEADER_BYTES);
        header.put_u64(body.len() as u64);
        header.put_u32(checksum(&header, body));
        self.write(&header)?;
        self.write(body)
    }
}

fn checksum(header: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(header);
    sum.update(body);
    sum.finalize()
}

pub(crate) fn loaded_key() -> Vec<u8> {
    stored(MEMORY_SPACE, b"loaded up to")
}

impl Snapshot {
    /// Writes what changed after `since` and up to this snapshot, everything if `since` is 0, and
    /// answers the number of bytes. The next copy's `since` is this snapshot's
    /// [`sequence`](Snapshot::sequence): the range is open below and closed above.
    ///
    /// Of each key the newest version is written: a copy is the store as this snapshot shows it, and
    /// not its history. Older versions come along with
    /// [`write_badger_backup`](Snapshot::write_badger_backup), or one by one with
    /// [`stream`](Snapshot::stream) into a bulk load.
    ///
    /// A deletion that compaction has dropped is not told any more. Whoever copies changes and
    /// deletes keys, opens the store with
    /// [`versions_to_keep(usize::MAX)`](crate::Options::versions_to_keep).
    ///
    /// # Errors
    ///
    /// `Invalid` where keys were dropped after `since`: no deletions tell of that. The same where
    /// additions after `since` were [folded](crate::Options::fold_additions), maybe into such as an
    /// earlier copy told of, and where versions came late since (see
    /// [`commit_at`](crate::Transaction::commit_at)): they may be below `since`.
    pub fn backup_since(&self, since: Sequence, to: &mut dyn Write) -> Result<u64> {
        if since > Sequence(0) && since < self.state().version.dropped {
            return Err(Error::Invalid {
                what: "a copy of changes since before keys were dropped or additions folded",
            });
        }
        let late = self.state().version.late;
        if since > Sequence(0) && late.version > Sequence(0) && since <= late.seen {
            return Err(Error::Invalid {
                what: "a copy of changes since before versions came late",
            });
        }
        let mut sink = Sink { to, bytes: 0 };
        let mut header = Vec::with_capacity(HEADER_BYTES);
        header.put_u64(MAGIC);
        header.put_u32(VERSION);
        header.put_u64(since.0);
        header.put_u64(self.sequence().0);
        header.put_u32(crc32fast::hash(&header));
        sink.write(&header)?;
        let mut frame = Vec::new();
        let mut records = 0;
        self.each_newest(since, |key, extra, value| {
            let kind = if value.is_some() {
                Kind::Put
            } else {
                Kind::Delete
            };
            frame.push(extra.first_byte(kind));
            extra.put(&mut frame);
            frame.put_bytes(key);
            frame.put_bytes(value.unwrap_or_default());
            records += 1;
            if frame.len() >= FRAME_BYTES {
                sink.frame(&frame)?;
                frame.clear();
            }
            Ok(())
        })?;
        if !frame.is_empty() {
            sink.frame(&frame)?;
        }
        let mut trailer = Vec::new();
        trailer.put_u64(records);
        sink.frame(&[])?;
        sink.frame(&trailer)?;
        sink.to
            .flush()
            .map_err(|error| Error::io("writing a backup", error))?;
        Ok(sink.bytes)
    }

    /// Every key's newest record in this snapshot that is newer than `since`; deletions only if
    /// there is something they could hide.
    fn each_newest(
        &self,
        since: Sequence,
        mut each: impl FnMut(&[u8], Extra, Option<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        let state = self.state();
        let mut children: Vec<Child<'_>> = state.memtables().map(Child::memory).collect();
        let version = &state.version;
        children.extend(
            version
                .level(0)
                .iter()
                .map(std::slice::from_ref)
                .map(Child::run_in_passing),
        );
        let levels = version.levels.iter().skip(1);
        children.extend(levels.map(|tables| Child::run_in_passing(tables)));
        let mut merge = Merge::new(children);
        merge.first()?;
        let mut last: Vec<u8> = Vec::new();
        let memory = stored(MEMORY_SPACE, b"");
        while let Some(entry) = merge.entry() {
            let is_seen = entry.sequence <= self.sequence()
                && entry.key < memory.as_slice()
                && !version.hides(entry.key);
            if is_seen && last != entry.key {
                last.clear();
                last.extend_from_slice(entry.key);
                let is_gone = entry.kind == Kind::Delete || entry.extra.is_expired(self.now());
                if entry.sequence > since && !is_gone {
                    if entry.kind == Kind::Pointer {
                        let value = version.value(entry.value)?;
                        each(entry.key, entry.extra, Some(&value))?;
                    } else {
                        each(entry.key, entry.extra, Some(entry.value))?;
                    }
                } else if entry.sequence > since && since > Sequence(0) {
                    each(entry.key, Extra::default(), None)?;
                }
            }
            merge.advance()?;
        }
        Ok(())
    }
}

/// Reads a copy piece by piece.
pub(crate) struct Source<'a> {
    from: &'a mut dyn IoRead,
    pub offset: u64,
}

impl<'a> Source<'a> {
    pub fn new(from: &'a mut dyn IoRead) -> Source<'a> {
        Source { from, offset: 0 }
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        self.from.read_exact(buffer).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                return damage(NAME, self.offset, "the backup is cut short");
            }
            Error::io("reading a backup", error)
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    pub fn header(&mut self) -> Result<(Sequence, Sequence)> {
        let mut bytes = [0; HEADER_BYTES];
        self.fill(&mut bytes)?;
        let mut read = Read::new(&bytes);
        let mut decode = || {
            Some((
                read.u64()?,
                read.u32()?,
                (read.u64()?, read.u64()?),
                read.u32()?,
            ))
        };
        let wrong = |what: &str| Err(damage(NAME, 0, what));
        let covered = bytes.get(..HEADER_BYTES - 4).unwrap_or_default();
        match decode() {
            Some((MAGIC, VERSION, (since, up_to), sum)) if sum == crc32fast::hash(covered) => {
                Ok((Sequence(since), Sequence(up_to)))
            }
            Some((MAGIC, VERSION, ..)) => wrong("the header's checksum does not hold"),
            Some((MAGIC, ..)) => wrong("the backup is of a later version"),
            _ => wrong("this is no backup of an lsm store"),
        }
    }

    pub fn frame(&mut self) -> Result<Vec<u8>> {
        let start = self.offset;
        let mut header = [0; FRAME_HEADER_BYTES];
        self.fill(&mut header)?;
        let mut read = Read::new(&header);
        let (len, sum) = (read.u64().unwrap_or(0), read.u32().unwrap_or(0));
        let wrong = |what: &str| damage(NAME, start, what);
        if len > FRAME_BYTES_MAX {
            return Err(wrong("a frame's length is beyond belief"));
        }
        // Grown as bytes come, so that a wrong length costs no memory.
        let mut body = Vec::new();
        let taken = self.from.take(len).read_to_end(&mut body);
        let taken = taken.map_err(|error| Error::io("reading a backup", error))?;
        self.offset += taken as u64;
        if to_usize(len) != taken {
            return Err(wrong("the backup is cut short"));
        }
        if checksum(header.get(..8).unwrap_or_default(), &body) != sum {
            return Err(wrong("a frame's checksum does not hold"));
        }
        Ok(body)
    }
}

/// Shows `each` a frame's records; none if they are not what a copy is made of.
pub(crate) fn each_record(
    body: &[u8],
    mut each: impl FnMut(&[u8], Option<&[u8]>, Extra) -> Result<()>,
) -> Result<Option<()>> {
    let mut read = Read::new(body);
    let mut next = || {
        let first = read.u8()?;
        let kind = Kind::from_code(first)?;
        let extra = Extra::read(first, &mut read)?;
        let (key, value) = (read.bytes()?, read.bytes()?);
        Some((
            key,
            (kind == Kind::Put).then_some(value),
            extra,
            read.is_empty(),
        ))
    };
    loop {
        let Some((key, value, extra, is_last)) = next() else {
            return Ok(None);
        };
        each(key, value, extra)?;
        if is_last {
            return Ok(Some(()));
        }
    }
}

impl Snapshot {
    /// Up to which version of another store this one holds its copies, as
    /// [`load`](crate::Db::load) and [`restore`](crate::Db::restore) took them in: the next copy of
    /// changes to be loaded is one since this version. 0 in an empty store; none in one that was
    /// not made of copies.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// # let (one, two) = (directory.path().join("one"), directory.path().join("two"));
    /// use kv_api::{Space, Store, Transaction};
    /// use lsm_valuelog::{Db, Sequence};
    ///
    /// let (from, to) = (Db::open(one)?, Db::open(two)?);
    /// from.update(|tx| tx.put(Space::DEFAULT, b"key", b"value"))?;
    /// let (snapshot, mut copy) = (from.snapshot()?, Vec::new());
    /// snapshot.backup_since(Sequence(0), &mut copy)?;
    /// assert_eq!(to.snapshot()?.loaded_up_to()?, Some(Sequence(0)));
    /// to.load(&mut copy.as_slice())?;
    /// assert_eq!(to.snapshot()?.loaded_up_to()?, Some(snapshot.sequence()));
    /// assert_eq!(snapshot.loaded_up_to()?, None, "it was written to");
    /// # Ok(())
    /// # }
    /// ```
    pub fn loaded_up_to(&self) -> Result<Option<Sequence>> {
        match self.state().get(&loaded_key(), self.sequence(), 0)? {
            Some(value) => {
                let bytes = <[u8; 8]>::try_from(&*value);
                let damaged = |_| Error::corrupt(Place::Store, "the mark of a load is malformed");
                let version = bytes.map(u64::from_be_bytes).map_err(damaged)?;
                Ok(Some(Sequence(version)))
            }
            None => Ok((self.sequence() == Sequence(0)).then_some(Sequence(0))),
        }
    }
}

impl kv_api::capability::Backup for Db {
    fn backup(&self, to: &mut dyn Write) -> Result<u64> {
        self.snapshot()?.backup_since(Sequence(0), to)
    }
}
