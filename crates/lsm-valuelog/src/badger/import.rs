//! Loading a backup that Badger wrote.

use std::io::Read;

use kv_api::{Error, Result};

use crate::badger::wire::{DELETED, DISCARDS_EARLIER, Frames, NAME, Pair, RESERVED_PREFIX};
use crate::bulk::{BulkSpace, BulkWriter};
use crate::bulk_install::BulkMode;
use crate::db::Db;
use crate::error::damage;
use crate::id::Sequence;
use crate::key::stored;
use crate::snapshot::Snapshot;
use crate::stream::Versioned;

/// Bytes of pairs that are sorted in memory at a time.
const BATCH_BYTES: usize = 64 << 20;

/// Bytes that a pair takes in memory beside its own.
const PAIR_BYTES: usize = 96;

/// What a backup of Badger's brought in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadgerLoaded {
    /// Versions of keys, deletions among them.
    pub versions: u64,
    /// Versions that the store held already.
    pub known: u64,
    /// Records that Badger keeps about itself, which are left out.
    pub left_out: u64,
    /// Bytes of the backup.
    pub bytes: u64,
    /// The newest version in the store now.
    pub newest: Sequence,
}

fn first(bytes: &[u8]) -> u8 {
    bytes.first().copied().unwrap_or(0)
}

fn versioned(pair: &Pair) -> Versioned<'_> {
    let meta = first(&pair.meta);
    let is_deleted = meta & DELETED != 0;
    Versioned {
        key: &pair.key,
        value: (!is_deleted).then_some(&*pair.value),
        version: Sequence(pair.version.max(1)),
        user_meta: first(&pair.user_meta),
        expires_at: if is_deleted { 0 } else { pair.expires_at },
        discards_earlier: meta & DISCARDS_EARLIER != 0,
    }
}

/// Shows `each` every version of a key in a backup that Badger wrote, as they come: versions of a
/// key stand together, keys in no order. Answers the bytes read.
///
/// # Errors
///
/// `Corrupt` for bytes that are no such backup, or one cut inside a frame; the format has no end
/// mark and no checksums, so one cut between frames, or changed inside a value, is not noticed.
pub fn read_badger_backup(
    from: &mut dyn Read,
    mut each: impl FnMut(&Versioned<'_>) -> Result<()>,
) -> Result<u64> {
    let mut frames = Frames::new(from);
    while let Some(pairs) = frames.next()? {
        pairs.iter().try_for_each(|pair| each(&versioned(pair)))?;
    }
    Ok(frames.offset)
}

/// A load under way.
struct Loading<'d> {
    writer: BulkWriter<'d>,
    space: BulkSpace,
    batch: Vec<Pair>,
    batch_bytes: usize,
    stream: u32,
    before: Snapshot,
    loaded: BadgerLoaded,
}

impl Loading<'_> {
    fn take(&mut self, pair: Pair, start: u64) -> Result<()> {
        if pair.key.starts_with(RESERVED_PREFIX) {
            self.loaded.left_out += 1;
            return Ok(());
        }
        if pair.key.is_empty() {
            // The mark that a stream has ended, or damage.
            return match pair.stream_done {
                true => Ok(()),
                false => Err(damage(NAME, start, "a pair without a key")),
            };
        }
        if self.is_known(&pair)? {
            self.loaded.known += 1;
            return Ok(());
        }
        self.batch_bytes += pair.key.len() + pair.value.len() + PAIR_BYTES;
        self.batch.push(pair);
        if self.batch_bytes >= BATCH_BYTES {
            self.write_batch()?;
        }
        Ok(())
    }

    /// Whether the store has this version already: backups of what changed repeat the version
    /// they begin at.
    fn is_known(&self, pair: &Pair) -> Result<bool> {
        let version = Sequence(pair.version.max(1));
        if version > self.before.sequence() {
            return Ok(false);
        }
        if first(&pair.meta) & DELETED != 0 {
            // A mark below a version that discards earlier ones; that version says the same.
            return Ok(true);
        }
        let key = stored(self.space.number(), &pair.key);
        let found = self.before.state().find(&key, version)?;
        Ok(found.is_some_and(|found| found.sequence == version))
    }

    fn write_batch(&mut self) -> Result<()> {
        self.batch.sort_by(|a, b| {
            a.key
                .cmp(&b.key)
                .then(b.version.max(1).cmp(&a.version.max(1)))
        });
        self.batch
            .dedup_by(|a, b| a.key == b.key && a.version.max(1) == b.version.max(1));
        for pair in std::mem::take(&mut self.batch) {
            self.writer
                .add(self.stream, self.space, &versioned(&pair))?;
            self.loaded.versions += 1;
        }
        self.batch_bytes = 0;
        // No record comes for it any more: it must not keep a writer's memory till the end.
        self.writer.end_stream(self.stream)?;
        self.stream = self.stream.saturating_add(1);
        Ok(())
    }
}

impl Db {
    /// Loads a backup that Badger wrote, with versions, deletions, expiry and user bytes, into the
    /// space called `space`, the default one without a name. All of it becomes visible in one
    /// step, or nothing. A whole backup goes into an empty store, one of what changed since into
    /// the store that holds the backups before it.
    ///
    /// `report` is told the bytes read so far and answers whether to go on.
    ///
    /// # Errors
    ///
    /// `Corrupt` as in [`read_badger_backup`], `Invalid` if the store holds newer versions than
    /// the backup's, `Conflict` if it is written to meanwhile, `Io` where `from` fails or `report`
    /// answers `false`. The store is what it was then.
    pub fn load_badger_backup(
        &self,
        space: Option<&[u8]>,
        from: &mut dyn Read,
        report: &mut dyn FnMut(u64) -> bool,
    ) -> Result<BadgerLoaded> {
        let mut writer = self.bulk_load(BulkMode::Add)?;
        let space = match space {
            None => BulkWriter::DEFAULT,
            Some(name) => writer.space(name)?,
        };
        let mut loading = Loading {
            writer,
            space,
            batch: Vec::new(),
            batch_bytes: 0,
            stream: 0,
            before: self.snapshot()?,
            loaded: BadgerLoaded::default(),
        };
        let mut frames = Frames::new(from);
        loop {
            let start = frames.offset;
            let Some(pairs) = frames.next()? else { break };
            for pair in pairs {
                loading.take(pair, start)?;
            }
            if !report(frames.offset) {
                let stopped = std::io::Error::from(std::io::ErrorKind::Interrupted);
                return Err(Error::io("loading, which was called off", stopped));
            }
        }
        loading.write_batch()?;
        let newest = loading.writer.finish()?.newest;
        Ok(BadgerLoaded {
            bytes: frames.offset,
            newest: newest.max(loading.before.sequence()),
            ..loading.loaded
        })
    }
}
