//! A store with a fault planted, to see that it is found.
//!
//! Reads come from versions of the store below, writes are kept back and put in one transaction of
//! it at the end, which has read nothing: so the store below notices no conflict, and whatever
//! detection there is, is this file's.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_api::{Error, Result};

use crate::subject::{Found, Subject, SubjectTransaction};

/// What is wrong with a [`Faulty`] store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Nothing: what a transaction read by key or by range must not have changed.
    None,
    /// Conflicts are not looked for at all.
    NoDetection,
    /// Only keys that were written are looked at: plain snapshot isolation, in which two may read
    /// each other's keys and write their own.
    OnlyWrites,
    /// Ranges that were read are not looked at, so that others may come to lie in them.
    NoRanges,
    /// Every read is of the newest version.
    Unrepeatable,
    /// What others are about to write is read before they commit, or do not.
    Dirty,
    /// One acknowledged commit in so many is forgotten.
    LosesCommits(u64),
    /// One commit in so many leaves out its last change.
    LosesChanges(u64),
    /// One deletion in so many is acknowledged and not done.
    LosesDeletions(u64),
    /// That a key was deleted is not looked at where conflicts are looked for.
    OverlooksDeletions,
    /// Reading transactions see an old version.
    Stale,
}

type Change = (Vec<u8>, Option<Vec<u8>>);

#[derive(Default)]
struct Shared {
    /// Changes of transactions that are under way, for [`Fault::Dirty`].
    dirty: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    /// The commit that changed each key last.
    changed: BTreeMap<Vec<u8>, u64>,
    commits: u64,
    deletions: u64,
}

/// A [`Subject`] on top of another one, with a fault planted.
pub struct Faulty<S> {
    below: S,
    fault: Fault,
    shared: Mutex<Shared>,
    begun: AtomicU64,
    old: Mutex<Option<Vec<Change>>>,
}

impl<S: Subject> Faulty<S> {
    /// Plants `fault` in front of `below`.
    pub fn new(below: S, fault: Fault) -> Faulty<S> {
        Faulty {
            below,
            fault,
            shared: Mutex::default(),
            begun: AtomicU64::new(0),
            old: Mutex::default(),
        }
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, is_reading: bool) -> Result<FaultyTransaction<'_, S>> {
        // Between two commits, so that the number says what the version has.
        let shared = self.shared();
        let version = self.below.begin_read()?;
        let at = shared.commits;
        drop(shared);
        let mut transaction = FaultyTransaction {
            on: self,
            version,
            at,
            writes: BTreeMap::new(),
            keys: Vec::new(),
            ranges: Vec::new(),
            old: None,
        };
        if self.fault == Fault::Stale && is_reading {
            transaction.old = self.old_version(&mut transaction.version)?;
        }
        Ok(transaction)
    }

    /// What the store held a while ago; kept anew once in many times.
    fn old_version(&self, version: &mut S::Transaction<'_>) -> Result<Option<Vec<Change>>> {
        let mut old = self.old.lock().unwrap_or_else(PoisonError::into_inner);
        if old.is_none()
            || self
                .begun
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(50)
        {
            let pairs = version.scan(&[], &[0xFF; 16])?;
            *old = Some(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key, Some(value)))
                    .collect(),
            );
        }
        Ok(old.clone())
    }
}

impl<S: Subject> Subject for Faulty<S> {
    type Transaction<'s>
        = FaultyTransaction<'s, S>
    where
        S: 's;

    fn begin(&self) -> Result<FaultyTransaction<'_, S>> {
        self.start(false)
    }

    fn begin_read(&self) -> Result<FaultyTransaction<'_, S>> {
        self.start(true)
    }
}

/// A transaction of a [`Faulty`] store.
pub struct FaultyTransaction<'s, S: Subject> {
    on: &'s Faulty<S>,
    version: S::Transaction<'s>,
    at: u64,
    writes: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    keys: Vec<Vec<u8>>,
    ranges: Vec<(Vec<u8>, Vec<u8>)>,
    old: Option<Vec<Change>>,
}

impl<S: Subject> FaultyTransaction<'_, S> {
    fn refresh(&mut self) -> Result<()> {
        if self.on.fault == Fault::Unrepeatable {
            self.version = self.on.below.begin_read()?;
        }
        Ok(())
    }

    /// What this transaction, or one under way where that is the fault, says about `key`.
    fn overlaid(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
        if let Some(own) = self.writes.get(key) {
            return Some(own.clone());
        }
        if self.on.fault == Fault::Dirty {
            return self.on.shared().dirty.get(key).cloned();
        }
        let old = self.old.as_ref()?;
        let found = old.iter().find(|(found, _)| found == key);
        Some(found.and_then(|(_, value)| value.clone()))
    }

    fn is_changed(&self, shared: &Shared) -> bool {
        let newer = |key: &Vec<u8>| shared.changed.get(key).is_some_and(|at| *at > self.at);
        let by_keys = || self.keys.iter().any(newer);
        let by_writes = || self.writes.keys().any(newer);
        let by_ranges = || {
            let mut ranges = self.ranges.iter();
            ranges.any(|(start, end)| {
                let mut keys = shared.changed.range(start.clone()..end.clone());
                keys.any(|(_, at)| *at > self.at)
            })
        };
        match self.on.fault {
            Fault::NoDetection => false,
            Fault::OnlyWrites => by_writes(),
            Fault::NoRanges => by_keys(),
            _ => by_keys() || by_ranges(),
        }
    }
}

impl<S: Subject> SubjectTransaction for FaultyTransaction<'_, S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.keys.push(key.to_vec());
        self.refresh()?;
        match self.overlaid(key) {
            Some(value) => Ok(value),
            None => self.version.get(key),
        }
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.get(key)
    }

    fn scan(&mut self, start: &[u8], end: &[u8]) -> Result<Found> {
        self.ranges.push((start.to_vec(), end.to_vec()));
        self.refresh()?;
        let inside = |key: &&Vec<u8>| key.as_slice() >= start && key.as_slice() < end;
        let mut pairs: BTreeMap<Vec<u8>, Vec<u8>> =
            self.version.scan(start, end)?.into_iter().collect();
        let mut over: Vec<Vec<u8>> = self.writes.keys().filter(inside).cloned().collect();
        if self.on.fault == Fault::Dirty {
            over.extend(self.on.shared().dirty.keys().filter(inside).cloned());
        }
        if let Some(old) = &self.old {
            over.extend(pairs.keys().cloned());
            over.extend(old.iter().map(|(key, _)| key).filter(inside).cloned());
        }
        for key in over {
            match self.overlaid(&key) {
                Some(Some(value)) => drop(pairs.insert(key, value)),
                Some(None) => drop(pairs.remove(&key)),
                None => {}
            }
        }
        Ok(pairs.into_iter().collect())
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let value = value.map(<[u8]>::to_vec);
        if self.on.fault == Fault::Dirty {
            self.on.shared().dirty.insert(key.to_vec(), value.clone());
        }
        self.writes.insert(key.to_vec(), value);
        Ok(())
    }

    fn commit(mut self) -> Result<()> {
        let writes = std::mem::take(&mut self.writes);
        if writes.is_empty() {
            return Ok(());
        }
        let mut shared = self.on.shared();
        for key in writes.keys() {
            shared.dirty.remove(key);
        }
        self.writes = writes;
        if self.is_changed(&shared) {
            return Err(Error::Conflict);
        }
        let commit = shared.commits + 1;
        shared.commits = commit;
        let every = |count: u64| commit.is_multiple_of(count.max(1));
        let left_out = match self.on.fault {
            Fault::LosesCommits(count) if every(count) => usize::MAX,
            Fault::LosesChanges(count) if every(count) => 1,
            _ => 0,
        };
        let kept = self.writes.len().saturating_sub(left_out);
        let mut below = self.on.below.begin()?;
        for (key, value) in self.writes.iter().take(kept) {
            shared.deletions += u64::from(value.is_none());
            let nth = shared.deletions;
            let is_lost = |count: u64| value.is_none() && nth.is_multiple_of(count.max(1));
            if !matches!(self.on.fault, Fault::LosesDeletions(count) if is_lost(count)) {
                below.set(key, value.as_deref())?;
            }
        }
        below.commit()?;
        for (key, value) in &self.writes {
            if value.is_some() || self.on.fault != Fault::OverlooksDeletions {
                shared.changed.insert(key.clone(), commit);
            }
        }
        Ok(())
    }
}

impl<S: Subject> Drop for FaultyTransaction<'_, S> {
    fn drop(&mut self) {
        if self.on.fault == Fault::Dirty {
            let mut shared = self.on.shared();
            for key in self.writes.keys() {
                shared.dirty.remove(key);
            }
        }
    }
}

impl<S> std::fmt::Debug for Faulty<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Faulty")
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

impl<S: Subject> std::fmt::Debug for FaultyTransaction<'_, S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FaultyTransaction")
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}
