//! Being told of commits as they happen.

use std::sync::Arc;
use std::time::Duration;

use kv_api::Result;

use crate::db::Db;
use crate::error::locked;
use crate::id::Sequence;
use crate::key::DEFAULT_SPACE;
use crate::pattern::Pattern;
use crate::shared::Shared;
use crate::spaces;
use crate::subscribers::{Committed, Interest, Queue};

/// Bytes that may wait in a subscription's queue.
const QUEUE_BYTES_MAX: usize = 64 << 20;

/// Which commits to be told of.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use kv_api::{Space, Store, Transaction};
/// use lsm_valuelog::{ChangedTo, Db, Watch};
///
/// let db = Db::open(directory.path().join("store"))?;
/// let orders = db.subscribe(&Watch::new().prefix(b"order "))?;
/// db.update(|tx| {
///     tx.put(Space::DEFAULT, b"customer 3", b"ann")?;
///     tx.put(Space::DEFAULT, b"order 17", b"tea")
/// })?;
/// let commit = orders.next()?;
/// assert_eq!((commit.changes.len(), &*commit.changes[0].key), (1, &b"order 17"[..]));
/// assert!(matches!(&commit.changes[0].to, ChangedTo::Value { value, .. } if value == "tea"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Watch {
    space: Option<Vec<u8>>,
    patterns: Vec<Pattern>,
    queue_bytes_max: usize,
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            space: None,
            patterns: Vec::new(),
            queue_bytes_max: QUEUE_BYTES_MAX,
        }
    }
}

impl Watch {
    /// Every key of the default space.
    pub fn new() -> Watch {
        Watch::default()
    }

    /// Keys of the space called `name`, whether it is there yet or not, instead of the default
    /// one's.
    pub fn space(mut self, name: &[u8]) -> Watch {
        self.space = Some(name.to_vec());
        self
    }

    /// Only keys that begin with this prefix, or with another one given.
    pub fn prefix(self, prefix: &[u8]) -> Watch {
        self.pattern(Pattern::new(prefix))
    }

    /// Only keys that match this pattern, or another one given.
    pub fn pattern(mut self, pattern: Pattern) -> Watch {
        self.patterns.push(pattern);
        self
    }

    /// Bytes of commits that may wait for the reader. Default: 64 MiB.
    pub fn queue_bytes_max(mut self, bytes: usize) -> Watch {
        self.queue_bytes_max = bytes;
        self
    }
}

/// Commits one after the other, each told whole after it became visible; ends when dropped.
///
/// Nobody who commits waits for a subscription. One whose reader falls so far behind that the
/// queue reaches its limit is ended: what waits is still told, then [`next`](Subscription::next)
/// answers [`Lagged`](crate::Lagged), which says from where on commits are missing. What was
/// missed can be read with [`ItemOptions::since`](crate::ItemOptions::since).
///
/// A bulk load, a restore and a load of a backup are told like one commit, which has the newest
/// version loaded and of each key its newest change; where they replace everything, it begins with
/// [`Dropped`](crate::ChangedTo::Dropped) for the empty prefix. They are read back from their tables
/// for that, while those who commit wait, so a load of which more is of interest than the queue
/// may hold ends the subscription instead, as [`Lagged`](crate::Lagged).
pub struct Subscription {
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    since: Sequence,
}

impl Db {
    /// Begins to be told of commits, from the next one on.
    pub fn subscribe(&self, watch: &Watch) -> Result<Subscription> {
        self.shared.refuse_closed()?;
        // While the logs are held nobody commits, so none is missed and none told twice.
        let core = locked(&self.shared.core);
        let number = match &watch.space {
            None => Some(DEFAULT_SPACE),
            Some(name) => {
                let (state, at) = self.shared.current();
                let record = state.get(&spaces::record_key(name), at, 0)?;
                record.map(|value| spaces::decode(&value)).transpose()?
            }
        };
        let patterns = if watch.patterns.is_empty() {
            vec![Pattern::default()]
        } else {
            watch.patterns.clone()
        };
        let interest = Interest {
            space: watch.space.clone(),
            number,
            patterns,
        };
        let queue = Arc::new(Queue::new(interest, watch.queue_bytes_max));
        self.shared.subscribers.add(&queue);
        Ok(Subscription {
            queue,
            shared: Arc::clone(&self.shared),
            since: core.last,
        })
    }
}

impl Subscription {
    /// The newest commit that is not told: all later ones are.
    pub fn since(&self) -> Sequence {
        self.since
    }

    /// The next commit of interest; waits for it.
    ///
    /// # Errors
    ///
    /// `Closed` once the store is closed and all was told; [`Lagged`](crate::Lagged), as
    /// [`Error::Other`](kv_api::Error::Other), once the reader fell behind.
    pub fn next(&self) -> Result<Committed> {
        loop {
            if let Some(commit) = self.queue.next(Duration::from_secs(3600))? {
                return Ok(commit);
            }
        }
    }

    /// The same, but none if there is none for so long.
    pub fn next_within(&self, patience: Duration) -> Result<Option<Committed>> {
        self.queue.next(patience)
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.shared.subscribers.leave();
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}
