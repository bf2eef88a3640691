//! A value that is the sum of what was added to it, whatever adding means.
//!
//! Invariants:
//! * an operand is a record of its own, so adding reads nothing and meets no conflict;
//! * folding removes the operands it has merged and writes their sum in one commit, which meets a
//!   conflict if another folding has taken one of them: none is lost, none counts twice;
//! * operands count in the order of their commits, and folding takes them from the oldest on.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use kv_api::{Bytes, Durability, Error, Result};

use crate::commit_queue::Commit;
use crate::counters::Counters;
use crate::db::Db;
use crate::entry::Extra;
use crate::error::locked;
use crate::id::Sequence;
use crate::item_options::ItemOptions;
use crate::items::{Ground, Items};
use crate::key::{DEFAULT_SPACE, StoredRange, stored};
use crate::operands;
use crate::read_set::ReadSet;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::state::State;
use crate::write_set::WriteSet;

/// Operands that one folding takes.
const FOLD_MAX: usize = 10_000;

/// Merges a value with one that was added later. Must be associative.
type Merge = dyn Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync;

struct Inner {
    shared: Arc<Shared>,
    key: Vec<u8>,
    merge: Box<Merge>,
}

/// Adds to the value of one key of the default space without reading it.
///
/// What is added waits beside the value until it is folded into it: by
/// [`fold`](MergeOperator::fold), or every so often in the background; and compactions make one
/// of many additions where [`fold_additions`](crate::Options::fold_additions) told them how.
/// [`get`](MergeOperator::get) folds in memory. Adding is as atomic and as durable as any commit;
/// several operators on one key, on any threads, count each addition once, and so do crashes. Do
/// not write the key in another way while additions wait: they would be added to what was written.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
/// let log = db.merge_operator(b"log", |old, new| [old, new].concat(), None)?;
/// log.add(b"one ")?;
/// log.add(b"two ")?;
/// assert_eq!(log.get()?.as_deref(), Some(&b"one two "[..]));
/// log.fold()?;
/// log.add(b"three")?;
/// assert_eq!(log.get()?.as_deref(), Some(&b"one two three"[..]));
/// # Ok(())
/// # }
/// ```
pub struct MergeOperator {
    inner: Arc<Inner>,
    /// Dropping the sender ends the thread.
    folding: Mutex<Option<(Sender<()>, JoinHandle<()>)>>,
}

impl Db {
    /// An operator on `key`. `merge` is given the older and the newer value and must be
    /// associative. With a period, a thread folds that often.
    ///
    /// # Errors
    ///
    /// `Invalid` for the empty key, `TooLarge` for one that is too long, `Io` where the thread
    /// could not be made.
    pub fn merge_operator(
        &self,
        key: &[u8],
        merge: impl Fn(&[u8], &[u8]) -> Vec<u8> + Send + Sync + 'static,
        fold_every: Option<Duration>,
    ) -> Result<MergeOperator> {
        crate::bounds::refuse_key(key)?;
        let inner = Arc::new(Inner {
            shared: Arc::clone(&self.shared),
            key: key.to_vec(),
            merge: Box::new(merge),
        });
        let folding = match fold_every {
            None => None,
            Some(period) => Some(fold_behind(&inner, period)?),
        };
        Ok(MergeOperator {
            inner,
            folding: Mutex::new(folding),
        })
    }
}

fn fold_behind(inner: &Arc<Inner>, period: Duration) -> Result<(Sender<()>, JoinHandle<()>)> {
    let (sender, ended) = channel();
    let inner = Arc::clone(inner);
    let run = move || {
        while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
            if inner.shared.refuse_closed().is_err() {
                return;
            }
            if let Err(error) = inner.fold() {
                // Nothing is lost: the operands wait, and the next round tries again.
                Counters::add(&inner.shared.counters.background_failures, 1);
                tracing::warn!(%error, "folding failed; it will be tried again");
            }
        }
    };
    let spawned = std::thread::Builder::new()
        .name("lsm-fold".to_owned())
        .spawn(run);
    let thread = spawned.map_err(|error| Error::io("making a thread", error))?;
    Ok((sender, thread))
}

/// An operand that waits.
struct Operand {
    key: Vec<u8>,
    version: Sequence,
    value: Bytes,
}

impl Inner {
    /// The operands that wait, oldest first.
    fn operands(&self, state: &State, at: Sequence) -> Result<Vec<Operand>> {
        let prefix = operands::prefix_of(DEFAULT_SPACE, &self.key);
        let code = crate::key::space_code_bytes(&prefix);
        let ground = Ground {
            state,
            at,
            now: 0,
            range: StoredRange::prefix(&prefix),
            own: None,
            only: false,
        };
        let mut found = Vec::new();
        for item in Items::new(ground, &ItemOptions::new())? {
            let item = item?;
            let code = prefix.get(..code).unwrap_or_default();
            found.push(Operand {
                key: [code, item.key()].concat(),
                version: item.version(),
                value: item.value()?.into_bytes(),
            });
        }
        found.sort_by(|a, b| a.version.cmp(&b.version).then_with(|| a.key.cmp(&b.key)));
        Ok(found)
    }

    /// The base with operands merged into it.
    fn sum(&self, base: Option<Bytes>, operands: &[Operand]) -> Option<Bytes> {
        operands.iter().fold(base, |sum, operand| {
            Some(match sum {
                Some(sum) => Bytes::from((self.merge)(&sum, &operand.value)),
                None => operand.value.clone(),
            })
        })
    }

    fn base(&self, state: &State, at: Sequence, now: u64) -> Result<Option<Bytes>> {
        let value = state.get(&stored(DEFAULT_SPACE, &self.key), at, now)?;
        Ok(value.map(|value| value.into_bytes()))
    }

    /// Folds the oldest operands; answers how many, 0 also where another has just done so.
    fn fold(&self) -> Result<usize> {
        // Noted before anything is read: that another folding has removed an operand since is not
        // forgotten before this one commits.
        let noted = self.shared.visible();
        self.shared.enter(noted);
        let (state, at) = self.shared.current();
        let folded = self.fold_at(&state, at);
        self.shared.leave(noted);
        match folded {
            Err(Error::Conflict) => Ok(0),
            other => other,
        }
    }

    fn fold_at(&self, state: &State, at: Sequence) -> Result<usize> {
        let mut operands = self.operands(state, at)?;
        operands.truncate(FOLD_MAX);
        if operands.is_empty() {
            return Ok(0);
        }
        let key = stored(DEFAULT_SPACE, &self.key);
        let base = self.base(state, at, self.shared.now())?;
        let (mut writes, mut reads) = (WriteSet::default(), ReadSet::default());
        reads.add_key(&key);
        for operand in &operands {
            reads.add_key(&operand.key);
            writes.set(&operand.key, None, Extra::default());
        }
        if let Some(sum) = self.sum(base, &operands) {
            crate::bounds::refuse_longer("value", sum.len(), crate::bounds::VALUE_BYTES_MAX)?;
            writes.set(&key, Some(&sum), Extra::default());
        }
        self.shared.commit(Commit {
            writes,
            reads,
            read_at: at,
            drops_seen: state.drops,
            version: None,
            durability: Durability::Buffered,
        })?;
        Ok(operands.len())
    }
}

impl MergeOperator {
    /// Adds `value`, synced.
    pub fn add(&self, value: &[u8]) -> Result<()> {
        self.add_with(value, Durability::Sync)
    }

    /// Adds `value` with the promise of `durability`.
    pub fn add_with(&self, value: &[u8], durability: Durability) -> Result<()> {
        let shared = &self.inner.shared;
        crate::bounds::refuse_longer("value", value.len(), crate::bounds::VALUE_BYTES_MAX)?;
        let state = shared.state.load_full();
        if state.version.hides(&stored(DEFAULT_SPACE, &self.inner.key)) {
            return Err(crate::banned::banned_key());
        }
        let read_at = shared.visible();
        let mut key = operands::prefix_of(DEFAULT_SPACE, &self.inner.key);
        key.extend(operands::fresh_number(read_at));
        let mut writes = WriteSet::default();
        writes.set(&key, Some(value), Extra::default());
        shared
            .commit(Commit {
                writes,
                reads: ReadSet::default(),
                read_at,
                drops_seen: state.drops,
                version: None,
                durability,
            })
            .map(drop)
    }

    /// The sum of everything added; none before the first addition.
    pub fn get(&self) -> Result<Option<Bytes>> {
        self.inner.shared.refuse_closed()?;
        let (state, at) = self.inner.shared.current();
        self.sum_at(&state, at, self.inner.shared.now())
    }

    /// The same as of a snapshot of the same store.
    pub fn get_at(&self, snapshot: &Snapshot) -> Result<Option<Bytes>> {
        self.sum_at(snapshot.state(), snapshot.sequence(), snapshot.now())
    }

    fn sum_at(&self, state: &State, at: Sequence, now: u64) -> Result<Option<Bytes>> {
        let base = self.inner.base(state, at, now)?;
        Ok(self.inner.sum(base, &self.inner.operands(state, at)?))
    }

    /// Merges what waits into the value; answers how many additions were merged.
    pub fn fold(&self) -> Result<usize> {
        let mut folded = 0;
        loop {
            match self.inner.fold()? {
                0 => return Ok(folded),
                count => folded += count,
            }
        }
    }
}

impl Drop for MergeOperator {
    fn drop(&mut self) {
        if let Some((sender, thread)) = locked(&self.folding).take() {
            drop(sender);
            // A thread that panicked, in the caller's function, has told so itself.
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for MergeOperator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MergeOperator").finish_non_exhaustive()
    }
}
