//! Reading a snapshot with many threads: ranges of keys side by side, batches in key order.

use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use kv_api::{KeyRange, Result, Space};

use crate::entry::Extra;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, StoredRange, space_code_bytes};
use crate::snapshot::Snapshot;
use crate::splits::splits;
use crate::walk::Shown;

/// Batches of one range that may wait to be taken.
const BATCHES_WAITING_MAX: usize = 2;

/// Ranges for each thread, so that one full of large values does not keep the others waiting.
const RANGES_PER_THREAD: usize = 4;

/// A version of a key, with all that is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versioned<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value; none where this version deletes the key or has expired.
    pub value: Option<&'a [u8]>,
    /// The commit that wrote it.
    pub version: Sequence,
    /// The caller's own byte.
    pub user_meta: u8,
    /// Seconds since 1970 from which on it is gone; 0 for never.
    pub expires_at: u64,
    /// Whether it makes earlier versions garbage.
    pub discards_earlier: bool,
}

#[derive(Clone, Copy, Debug)]
struct Placed {
    key_end: usize,
    value_end: Option<usize>,
    version: Sequence,
    extra: Extra,
}

/// Versions of keys, by key and then newest first. All versions of a key are in one batch, unless
/// they are larger than a batch may be.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    placed: Vec<Placed>,
    stream: u32,
    ends_stream: bool,
}

impl Batch {
    fn add(&mut self, key: &[u8], value: Option<&[u8]>, version: Sequence, extra: Extra) {
        self.bytes.extend_from_slice(key);
        let key_end = self.bytes.len();
        let value_end = value.map(|value| {
            self.bytes.extend_from_slice(value);
            self.bytes.len()
        });
        self.placed.push(Placed {
            key_end,
            value_end,
            version,
            extra,
        });
    }

    /// The number of the range of keys that it is of: each range is a stream of its own, read by
    /// one thread, in which keys ascend.
    pub fn stream(&self) -> u32 {
        self.stream
    }

    /// Whether it is the last of its stream: told where [`done_marks`](Stream::done_marks) asks for
    /// it. Such a batch may be empty.
    pub fn ends_stream(&self) -> bool {
        self.ends_stream
    }

    /// How many versions there are.
    pub fn len(&self) -> usize {
        self.placed.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.placed.is_empty()
    }

    /// Bytes of keys and values.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The versions.
    pub fn iter(&self) -> impl Iterator<Item = Versioned<'_>> {
        let part = |start, end| self.bytes.get(start..end).unwrap_or_default();
        let mut start = 0;
        self.placed.iter().map(move |placed| {
            let versioned = Versioned {
                key: part(start, placed.key_end),
                value: placed.value_end.map(|end| part(placed.key_end, end)),
                version: placed.version,
                user_meta: placed.extra.meta,
                expires_at: placed.extra.expires,
                discards_earlier: placed.extra.discards_earlier,
            };
            start = placed.value_end.unwrap_or(placed.key_end);
            versioned
        })
    }
}

type Choose<'s> = &'s (dyn Fn(&[u8]) -> bool + Sync);

/// A parallel scan of one version of the store.
///
/// Threads read ranges of keys side by side; batches come in key order all the same, one at a
/// time, on the caller's thread. No more than a few batches for each thread are in memory.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Space, Store, Transaction};
///
/// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
/// db.update(|tx| (0..9_u8).try_for_each(|n| tx.put(Space::DEFAULT, &[b'k', n], b"v")))?;
/// let mut keys = Vec::new();
/// db.snapshot()?.stream().prefix(b"k").threads(2).run(|batch| {
///     keys.extend(batch.iter().map(|version| version.key.to_vec()));
///     Ok(())
/// })?;
/// assert_eq!(keys.len(), 9);
/// assert!(keys.is_sorted());
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream reads nothing before it is run"]
pub struct Stream<'s> {
    snapshot: &'s Snapshot,
    space: Space,
    keys: KeyRange,
    shown: Shown,
    threads: usize,
    batch_bytes: usize,
    done_marks: bool,
    choose: Option<Choose<'s>>,
}

impl Snapshot {
    /// A parallel scan of this version: by default the newest version of each living key of the
    /// default space.
    pub fn stream(&self) -> Stream<'_> {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Stream {
            snapshot: self,
            space: Space::DEFAULT,
            keys: KeyRange::from(..),
            shown: Shown {
                since: Sequence(0),
                versions_max: 1,
                deletions: false,
            },
            threads,
            batch_bytes: 1 << 20,
            done_marks: false,
            choose: None,
        }
    }
}

impl<'s> Stream<'s> {
    /// Reads this space, which the snapshot resolved.
    pub fn space(mut self, space: Space) -> Stream<'s> {
        self.space = space;
        self
    }

    /// Only keys in this range.
    pub fn keys(mut self, keys: impl Into<KeyRange>) -> Stream<'s> {
        self.keys = keys.into();
        self
    }

    /// Only keys that begin with `prefix`.
    pub fn prefix(self, prefix: &[u8]) -> Stream<'s> {
        self.keys(KeyRange::prefix(prefix))
    }

    /// Only keys of which this answers `true`; it is asked on many threads.
    pub fn choose(mut self, choose: Choose<'s>) -> Stream<'s> {
        self.choose = Some(choose);
        self
    }

    /// Only versions above `since`: what changed since a scan of that version.
    pub fn since(mut self, since: Sequence) -> Stream<'s> {
        self.shown.since = since;
        self
    }

    /// At most so many versions of a key that are still there, newest first; behind a deletion and
    /// behind a version that discards earlier ones there is none. Default: 1.
    pub fn versions(mut self, versions_max: usize) -> Stream<'s> {
        self.shown.versions_max = versions_max;
        self
    }

    /// Whether deletions are shown, as versions without a value. Default: no.
    pub fn deletions(mut self, deletions: bool) -> Stream<'s> {
        self.shown.deletions = deletions;
        self
    }

    /// How many threads read; at least 1. Default: as many as the machine runs at once.
    pub fn threads(mut self, threads: usize) -> Stream<'s> {
        self.threads = threads.max(1);
        self
    }

    /// Bytes from which on a batch is handed over. Default: 1 MiB.
    pub fn batch_bytes(mut self, bytes: usize) -> Stream<'s> {
        self.batch_bytes = bytes;
        self
    }

    /// Whether the last batch of each stream is marked, so that whoever takes them knows when a
    /// stream is done; see [`BulkWriter::add_batch`](crate::BulkWriter::add_batch). A stream without
    /// anything to show then is an empty batch. Default: no.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{Space, Store, Transaction};
    ///
    /// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
    /// db.update(|tx| (0..99_u8).try_for_each(|n| tx.put(Space::DEFAULT, &[n], b"v")))?;
    /// let mut done = Vec::new();
    /// db.snapshot()?.stream().done_marks(true).batch_bytes(16).run(|batch| {
    ///     assert!(!done.contains(&batch.stream()), "nothing comes behind the mark");
    ///     done.extend(batch.ends_stream().then_some(batch.stream()));
    ///     Ok(())
    /// })?;
    /// assert!(!done.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn done_marks(mut self, marks: bool) -> Stream<'s> {
        self.done_marks = marks;
        self
    }

    /// Reads, showing each batch to `each` in key order; answers the newest version shown.
    ///
    /// # Errors
    ///
    /// Those of reading, and whatever `each` answers; either ends the scan.
    pub fn run(self, mut each: impl FnMut(&Batch) -> Result<()>) -> Result<Sequence> {
        let number = self.snapshot.number(self.space)?;
        debug_assert!(number >= DEFAULT_SPACE);
        let whole = StoredRange::of(number, &self.keys);
        if whole.start >= whole.end {
            return Ok(Sequence(0));
        }
        let ranges = splits(self.snapshot, &whole, self.threads * RANGES_PER_THREAD)?;
        let (senders, receivers): (Vec<_>, Vec<_>) = ranges
            .into_iter()
            .map(|range| {
                let (sender, receiver) = sync_channel(BATCHES_WAITING_MAX);
                ((range, std::sync::Mutex::new(Some(sender))), receiver)
            })
            .unzip();
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..self.threads.min(senders.len()) {
                scope.spawn(|| {
                    // Taken in order, so that the one waited for is always under way.
                    loop {
                        let stream = next.fetch_add(1, Ordering::Relaxed);
                        let Some((range, sender)) = senders.get(stream) else {
                            return;
                        };
                        let sender = crate::error::locked(sender).take();
                        if !sender.is_some_and(|sender| self.read(stream, range, &sender)) {
                            return;
                        }
                    }
                });
            }
            take(receivers, &mut each)
        })
    }

    /// Reads a range; answers whether anyone still takes batches.
    fn read(&self, stream: usize, range: &StoredRange, to: &SyncSender<Result<Batch>>) -> bool {
        let code_bytes = space_code_bytes(&range.start);
        let new = Batch {
            stream: u32::try_from(stream).unwrap_or(u32::MAX),
            ..Batch::default()
        };
        let mut batch = new.clone();
        let mut is_wanted = true;
        let mut last: Vec<u8> = Vec::new();
        let read = self.snapshot.walk(range, self.shown, |entry, value| {
            let key = entry.key.get(code_bytes..).unwrap_or_default();
            if self.choose.is_some_and(|choose| !choose(key)) {
                return Ok(true);
            }
            if batch.bytes() >= self.batch_bytes && last != key {
                is_wanted = to
                    .send(Ok(std::mem::replace(&mut batch, new.clone())))
                    .is_ok();
            }
            last.clear();
            last.extend_from_slice(key);
            batch.add(
                key,
                value.map(|value| &**value),
                entry.sequence,
                entry.extra,
            );
            Ok(is_wanted)
        });
        let rest = match read {
            Err(error) => Err(error),
            Ok(()) if batch.is_empty() && !self.done_marks => return is_wanted,
            Ok(()) => Ok(Batch {
                ends_stream: self.done_marks,
                ..batch
            }),
        };
        is_wanted && to.send(rest).is_ok()
    }
}

/// Takes batches range by range.
fn take(
    receivers: Vec<Receiver<Result<Batch>>>,
    each: &mut impl FnMut(&Batch) -> Result<()>,
) -> Result<Sequence> {
    let mut newest = Sequence(0);
    for receiver in receivers {
        // It ends when the range was read and its sender dropped.
        for batch in receiver {
            let batch: Batch = batch?;
            newest = batch
                .placed
                .iter()
                .map(|placed| placed.version)
                .fold(newest, Ord::max);
            each(&batch)?;
        }
    }
    Ok(newest)
}

impl std::fmt::Debug for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stream")
            .field("keys", &self.keys)
            .field("shown", &self.shown)
            .field("threads", &self.threads)
            .finish_non_exhaustive()
    }
}
