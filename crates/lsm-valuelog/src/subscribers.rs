//! Those who are told of commits: for each a queue that whoever commits fills and one thread
//! empties.
//!
//! Invariants:
//! * commits are told in their order, each whole, after they became visible;
//! * whoever commits never waits for a reader: a queue that would grow above its limit is ended,
//!   and its reader is told which commit is the first that it missed;
//! * a queue that nobody reads any more is forgotten at the next commit.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use kv_api::{Bytes, Error, Result};

use crate::error::locked;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, SYSTEM_SPACE, split};
use crate::log::commit::Change;
use crate::pattern::Pattern;
use crate::spaces;

/// What became of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChangedTo {
    /// It has a value.
    Value {
        /// The value.
        value: Bytes,
        /// The caller's own byte.
        user_meta: u8,
        /// Seconds since 1970 from which on it is gone; 0 for never.
        expires_at: u64,
    },
    /// It was removed.
    Deleted,
    /// Every key that begins with it was dropped.
    Dropped,
}

/// A change that was committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The key; where a prefix was dropped, the prefix.
    pub key: Bytes,
    /// What became of it.
    pub to: ChangedTo,
}

/// A commit, as far as it is of interest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Its version.
    pub version: Sequence,
    /// Its changes by key.
    pub changes: Vec<Changed>,
}

/// A subscription's reader was so slow that its queue reached its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lagged {
    /// The first commit that was not told.
    pub missed: Sequence,
}

impl std::fmt::Display for Lagged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the subscription fell behind: commits from {} on were not told",
            self.missed
        )
    }
}

impl std::error::Error for Lagged {}

/// Which keys are of interest.
#[derive(Debug)]
pub(crate) struct Interest {
    /// None for the default space.
    pub space: Option<Vec<u8>>,
    /// The number that the space has now, if it is there.
    pub number: Option<u64>,
    pub patterns: Vec<Pattern>,
}

impl Interest {
    /// What of a commit's changes is of interest; learns what they say about the space.
    fn of_commit<'c>(&mut self, changes: impl Iterator<Item = Change<'c>>) -> Vec<Changed> {
        let before = self.number;
        let mut wanted = Vec::new();
        for change in changes {
            let Some((number, key)) = split(change.key) else {
                continue;
            };
            if number == SYSTEM_SPACE {
                // Names come before all keys, so the space is known before what is put in it.
                if self.space.as_deref() == Some(key) {
                    self.number = change.value.and_then(|value| spaces::decode(value).ok());
                }
                continue;
            }
            let is_of_space = Some(number) == self.number || Some(number) == before;
            let mut patterns = self.patterns.iter();
            if is_of_space && patterns.any(|pattern| pattern.matches(key)) {
                wanted.push(changed(key, &change));
            }
        }
        if before != self.number {
            // What a space held before it was made anew goes, and then the new pairs come.
            wanted.sort_by(|a, b| a.key.cmp(&b.key));
            wanted.reverse();
            wanted.dedup_by(|a, b| a.key == b.key);
            wanted.reverse();
        }
        wanted
    }

    /// Those of the dropped prefixes that keys of interest may begin with.
    fn dropped(&mut self, dropped: &Dropped<'_>) -> Vec<Changed> {
        let told = |prefix: &[u8]| Changed {
            key: Bytes::copy_from_slice(prefix),
            to: ChangedTo::Dropped,
        };
        match dropped {
            Dropped::Everything => {
                if self.number != Some(DEFAULT_SPACE) {
                    self.number = None;
                }
                vec![told(b"")]
            }
            Dropped::Prefixes(number, prefixes) if Some(*number) == self.number => {
                let patterns = &self.patterns;
                let concerns = |prefix: &&&[u8]| {
                    let mut patterns = patterns.iter();
                    patterns.any(|pattern| pattern.may_begin_with(prefix))
                };
                prefixes
                    .iter()
                    .filter(concerns)
                    .map(|prefix| told(prefix))
                    .collect()
            }
            Dropped::Prefixes(..) => Vec::new(),
        }
    }
}

pub(crate) fn changed(key: &[u8], change: &Change<'_>) -> Changed {
    Changed {
        key: Bytes::copy_from_slice(key),
        to: match change.value {
            None => ChangedTo::Deleted,
            Some(value) => ChangedTo::Value {
                value: Bytes::copy_from_slice(value),
                user_meta: change.extra.meta,
                expires_at: change.extra.expires,
            },
        },
    }
}

/// What was dropped.
pub(crate) enum Dropped<'a> {
    Everything,
    /// Prefixes in the space with this number.
    Prefixes(u64, &'a [&'a [u8]]),
}

#[derive(Debug, Default)]
struct Waiting {
    commits: VecDeque<Committed>,
    bytes: usize,
    lagged: Option<Lagged>,
    is_closed: bool,
}

/// The queue of one subscription.
#[derive(Debug)]
pub(crate) struct Queue {
    interest: Mutex<Interest>,
    bytes_max: usize,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// Bytes that a change takes in a queue.
pub(crate) fn bytes_of(change: &Changed) -> usize {
    let value = match &change.to {
        ChangedTo::Value { value, .. } => value.len(),
        ChangedTo::Deleted | ChangedTo::Dropped => 0,
    };
    size_of::<Changed>() + change.key.len() + value
}

impl Queue {
    pub fn new(interest: Interest, bytes_max: usize) -> Queue {
        Queue {
            interest: Mutex::new(interest),
            bytes_max,
            waiting: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    fn push(&self, version: Sequence, changes: Vec<Changed>) {
        if changes.is_empty() {
            return;
        }
        let mut waiting = locked(&self.waiting);
        if waiting.lagged.is_some() {
            return;
        }
        let bytes: usize = changes.iter().map(bytes_of).sum();
        // One commit is always taken, however large, by a reader that has kept up.
        if !waiting.commits.is_empty() && waiting.bytes + bytes > self.bytes_max {
            waiting.lagged = Some(Lagged { missed: version });
        } else {
            waiting.bytes += bytes;
            waiting.commits.push_back(Committed { version, changes });
        }
        drop(waiting);
        self.changed.notify_one();
    }

    /// Ends it with a commit that is too large to be told.
    fn lag(&self, version: Sequence) {
        let mut waiting = locked(&self.waiting);
        waiting.lagged.get_or_insert(Lagged { missed: version });
        drop(waiting);
        self.changed.notify_one();
    }

    fn close(&self) {
        locked(&self.waiting).is_closed = true;
        self.changed.notify_all();
    }

    /// The next commit; none if there is none for so long.
    ///
    /// # Errors
    ///
    /// Once the queue is empty: that it was ended, or that the store was closed.
    pub fn next(&self, patience: Duration) -> Result<Option<Committed>> {
        let deadline = Instant::now().checked_add(patience);
        let mut waiting = locked(&self.waiting);
        loop {
            if let Some(commit) = waiting.commits.pop_front() {
                let bytes: usize = commit.changes.iter().map(bytes_of).sum();
                waiting.bytes = waiting.bytes.saturating_sub(bytes);
                return Ok(Some(commit));
            }
            if let Some(lagged) = waiting.lagged {
                return Err(Error::other(lagged));
            }
            if waiting.is_closed {
                return Err(Error::Closed);
            }
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return Ok(None);
            }
            let woken = self.changed.wait_timeout(waiting, left);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Everyone who is told.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    count: AtomicUsize,
    queues: Mutex<Vec<Weak<Queue>>>,
}

impl Subscribers {
    /// Adds a queue, which is filled for as long as it is held elsewhere.
    pub fn add(&self, queue: &Arc<Queue>) {
        locked(&self.queues).push(Arc::downgrade(queue));
        self.count.fetch_add(1, Ordering::Release);
    }

    /// Notes that one who was added has gone.
    pub fn leave(&self) {
        self.count.fetch_sub(1, Ordering::Release);
    }

    pub fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    fn each(&self, mut tell: impl FnMut(&Queue)) {
        locked(&self.queues).retain(|queue| {
            let queue = queue.upgrade();
            if let Some(queue) = &queue {
                tell(queue);
            }
            queue.is_some()
        });
    }

    /// Tells of a commit. Only whoever holds the logs may, so that commits come in their order.
    pub fn tell<'c, I>(&self, version: Sequence, changes: impl Fn() -> I)
    where
        I: Iterator<Item = Change<'c>>,
    {
        self.each(|queue| {
            let wanted = locked(&queue.interest).of_commit(changes());
            queue.push(version, wanted);
        });
    }

    /// Tells that keys were dropped.
    pub fn tell_dropped(&self, version: Sequence, dropped: &Dropped<'_>) {
        self.each(|queue| {
            let wanted = locked(&queue.interest).dropped(dropped);
            queue.push(version, wanted);
        });
    }

    /// Tells of a bulk load, which has `replaced` everything or came on top. `read` answers what of
    /// it is of interest, or none if that is more than so many bytes.
    pub fn tell_load(
        &self,
        version: Sequence,
        replaced: bool,
        read: impl Fn(&mut Interest, usize) -> Option<Vec<Changed>>,
    ) {
        self.each(|queue| {
            let mut interest = locked(&queue.interest);
            let mut wanted = match replaced {
                true => interest.dropped(&Dropped::Everything),
                false => Vec::new(),
            };
            match read(&mut interest, queue.bytes_max) {
                Some(changes) => {
                    wanted.extend(changes);
                    queue.push(version, wanted);
                }
                None => queue.lag(version),
            }
        });
    }

    /// Ends every queue once what is in it has been read.
    pub fn close(&self) {
        self.each(Queue::close);
    }
}
