//! Being told of the model's commits.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use kv_api::capability::{Watch, WatchedChange, WatchedCommit, Watcher};
use kv_api::{Error, Result};

use super::MemoryModel;
use super::version::{Pairs, Version};

#[derive(Default)]
struct Waiting {
    commits: VecDeque<WatchedCommit>,
    is_closed: bool,
}

struct Queue {
    path: Vec<Bytes>,
    prefixes: Vec<Bytes>,
    waiting: Mutex<Waiting>,
    changed: Condvar,
}

/// Everyone who is told.
#[derive(Default)]
pub(super) struct Watchers(Mutex<Vec<Weak<Queue>>>);

impl Watchers {
    fn each(&self, tell: impl Fn(&Queue)) {
        self.0.lock().unwrap().retain(|queue| {
            let queue = queue.upgrade();
            queue.as_deref().map(&tell).is_some()
        });
    }

    /// Tells what made `new` out of `old`.
    pub(super) fn tell(&self, old: &Version, new: &Version) {
        self.each(|queue| {
            let changes = queue.changes(old, new);
            if !changes.is_empty() {
                let version = new.last_index;
                let commit = WatchedCommit { version, changes };
                queue.waiting.lock().unwrap().commits.push_back(commit);
                queue.changed.notify_all();
            }
        });
    }

    pub(super) fn close(&self) {
        self.each(|queue| {
            queue.waiting.lock().unwrap().is_closed = true;
            queue.changed.notify_all();
        });
    }
}

impl Queue {
    fn changes(&self, old: &Version, new: &Version) -> Vec<WatchedChange> {
        let none = Pairs::new();
        let before = old.buckets.get(&self.path);
        let after = new.buckets.get(&self.path);
        let old_pairs = before.map_or(&none, |bucket| &bucket.pairs);
        let new_pairs = after.map_or(&none, |bucket| &bucket.pairs);
        let was_put = |key: &Bytes| {
            let name = after.map(|bucket| (bucket.id, key.clone()));
            name.and_then(|name| new.indexes.get(&name)) == Some(&new.last_index)
        };
        let mut changes: Vec<(Bytes, WatchedChange)> = Vec::new();
        for (key, value) in new_pairs.iter().filter(|(key, _)| was_put(key)) {
            let (key, value) = (key.clone(), value.clone());
            changes.push((key.clone(), WatchedChange::Put { key, value }));
        }
        for key in old_pairs.keys().filter(|key| !new_pairs.contains_key(*key)) {
            changes.push((key.clone(), WatchedChange::Deleted { key: key.clone() }));
        }
        changes.sort_by(|a, b| a.0.cmp(&b.0));
        let is_wanted = |key: &Bytes| {
            let mut prefixes = self.prefixes.iter();
            self.prefixes.is_empty() || prefixes.any(|prefix| key.starts_with(prefix))
        };
        changes.retain(|(key, _)| is_wanted(key));
        changes.into_iter().map(|(_, change)| change).collect()
    }
}

struct MemoryWatcher(Arc<Queue>);

impl Watcher for MemoryWatcher {
    fn next_within(&mut self, patience: Duration) -> Result<Option<WatchedCommit>> {
        let deadline = Instant::now() + patience;
        let mut waiting = self.0.waiting.lock().unwrap();
        loop {
            if let Some(commit) = waiting.commits.pop_front() {
                return Ok(Some(commit));
            }
            if waiting.is_closed {
                return Err(Error::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            waiting = self.0.changed.wait_timeout(waiting, left).unwrap().0;
        }
    }
}

impl Watch for MemoryModel {
    fn watch(&self, space: Option<&[u8]>, prefixes: &[&[u8]]) -> Result<Box<dyn Watcher>> {
        self.check_open()?;
        let own = |bytes: &&[u8]| Bytes::copy_from_slice(bytes);
        let queue = Arc::new(Queue {
            path: space.iter().map(own).collect(),
            prefixes: prefixes.iter().map(own).collect(),
            waiting: Mutex::default(),
            changed: Condvar::new(),
        });
        // Whoever commits holds the newest version meanwhile, so no commit is told in part.
        let newest = self.shared.newest.lock().unwrap();
        self.shared
            .watchers
            .0
            .lock()
            .unwrap()
            .push(Arc::downgrade(&queue));
        drop(newest);
        Ok(Box::new(MemoryWatcher(queue)))
    }
}
