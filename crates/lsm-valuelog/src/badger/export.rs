//! Writing a backup that Badger can load.

use std::io::Write;

use kv_api::{Error, Result, Space};
use prost::Message;

use crate::badger::wire::{DELETED, DISCARDS_EARLIER, KEY_BYTES_MAX, Pair, Pairs, RESERVED_PREFIX};
use crate::bounds::refuse_longer;
use crate::id::Sequence;
use crate::snapshot::Snapshot;
use crate::stream::Versioned;

/// Bytes of pairs after which a frame ends.
const FRAME_BYTES: usize = 4 << 20;

/// What a backup for Badger holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadgerBackup {
    /// Versions of keys, deletions among them.
    pub versions: u64,
    /// Bytes written.
    pub bytes: u64,
    /// The newest version in it: the next backup's `since`.
    pub newest: Sequence,
}

/// Frames on their way out.
struct Frames<'a> {
    to: &'a mut dyn Write,
    pairs: Pairs,
    pending_bytes: usize,
    done: BadgerBackup,
}

impl Frames<'_> {
    fn add(&mut self, pair: Pair) -> Result<()> {
        self.done.versions += 1;
        self.done.newest = self.done.newest.max(Sequence(pair.version));
        self.pending_bytes += pair.key.len() + pair.value.len() + 32;
        self.pairs.pairs.push(pair);
        if self.pending_bytes >= FRAME_BYTES {
            self.write_out()?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> Result<()> {
        if self.pairs.pairs.is_empty() {
            return Ok(());
        }
        let body = self.pairs.encode_to_vec();
        let failed = |error| Error::io("writing a backup", error);
        self.to
            .write_all(&(body.len() as u64).to_le_bytes())
            .map_err(failed)?;
        self.to.write_all(&body).map_err(failed)?;
        self.done.bytes += 8 + body.len() as u64;
        self.pairs.pairs.clear();
        self.pending_bytes = 0;
        Ok(())
    }
}

fn pair_of(record: &Versioned<'_>) -> Pair {
    let mut meta = 0;
    if record.value.is_none() && record.expires_at == 0 {
        meta |= DELETED;
    }
    if record.discards_earlier {
        meta |= DISCARDS_EARLIER;
    }
    Pair {
        key: kv_api::Bytes::copy_from_slice(record.key),
        value: kv_api::Bytes::copy_from_slice(record.value.unwrap_or_default()),
        user_meta: vec![record.user_meta].into(),
        version: record.version.0,
        expires_at: record.expires_at,
        meta: vec![meta].into(),
        ..Pair::default()
    }
}

impl Snapshot {
    /// Writes the pairs of `space` for Badger to load: all versions above `since` that are still
    /// there, with deletions, expiry and the caller's bytes. Badger knows one space only, so this
    /// writes one; `since` is exclusive, and the next backup's is this one's newest version.
    /// Deletions are told as far as compaction has kept them, as in
    /// [`backup_since`](Snapshot::backup_since). What a [`MergeOperator`](crate::MergeOperator) has
    /// added and nobody has [folded](crate::MergeOperator::fold) into its value yet is not in it.
    ///
    /// # Errors
    ///
    /// `Invalid` for a key that begins with what Badger keeps for itself, `TooLarge` for one that
    /// it would not take.
    pub fn write_badger_backup(
        &self,
        space: Space,
        since: Sequence,
        to: &mut dyn Write,
    ) -> Result<BadgerBackup> {
        let mut frames = Frames {
            to,
            pairs: Pairs::default(),
            pending_bytes: 0,
            done: BadgerBackup::default(),
        };
        let stream = self.stream().space(space).since(since);
        stream.versions(usize::MAX).deletions(true).run(|batch| {
            for record in batch.iter() {
                if record.key.starts_with(RESERVED_PREFIX) {
                    return Err(Error::Invalid {
                        what: "a key that begins with !badger!, which Badger keeps for itself",
                    });
                }
                refuse_longer("key for Badger", record.key.len(), KEY_BYTES_MAX)?;
                frames.add(pair_of(&record))?;
                if record.discards_earlier {
                    // What Badger reads the backup into may hold earlier versions.
                    frames.add(Pair {
                        key: kv_api::Bytes::copy_from_slice(record.key),
                        version: record.version.0.saturating_sub(1),
                        meta: vec![DELETED].into(),
                        ..Pair::default()
                    })?;
                }
            }
            Ok(())
        })?;
        frames.write_out()?;
        frames
            .to
            .flush()
            .map_err(|error| Error::io("writing a backup", error))?;
        Ok(frames.done)
    }
}
