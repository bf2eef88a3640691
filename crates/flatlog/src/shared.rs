//! What the handles of one open store share, and who may change it.
//!
//! Three rights, taken in this order:
//! * the turn: one write transaction at a time, from its beginning until its commit is queued;
//! * the lead: one thread at a time writes to the log and puts new versions in place. It takes the
//!   [`Log`] out of the state and works without holding the lock;
//! * the lock on the state, held for moments only.
//!
//! Invariants, while the lock is free:
//! * `root` names nothing that cannot be read: what is kept back from the file is flushed before a
//!   version is handed out;
//! * commits are queued, written and made visible in the order of their indexes.

use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use kv_api::{Error, Result};

use crate::log::batch::Batch;
use crate::log::failed::Failed;
use crate::log::segment::{Segment, salt_of};
use crate::log::writer::{Log, LogRules};
use crate::options::Options;
use crate::recovery::Recovery;
use crate::root::Root;
use crate::ticket::Ticket;

/// A commit on its way.
#[derive(Clone)]
pub(crate) struct Queued {
    pub(crate) batch: Arc<Batch>,
    pub(crate) ticket: Arc<Ticket>,
}

pub(crate) struct State {
    /// The newest visible version; none once the store is closed.
    pub(crate) root: Option<Arc<Root>>,
    /// The end of the log, unless someone leads or the store is only read.
    pub(crate) log: Option<Box<Log>>,
    pub(crate) queue: Vec<Queued>,
    /// Commits that the leader is writing.
    pub(crate) in_flight: Vec<Arc<Batch>>,
    /// A write transaction is open.
    pub(crate) busy: bool,
    /// Of the last commit queued.
    pub(crate) last_index: u64,
    pub(crate) next_space: u32,
    /// The first failure after which nothing is written any more.
    pub(crate) poisoned: Option<Arc<Error>>,
    /// How often queued commits were refused, and why the last time. A transaction that began
    /// before a refusal may be built on what was refused.
    pub(crate) refusals: u64,
    pub(crate) refusal: Option<Error>,
    /// How many threads wait for the turn.
    turn_waiters: u32,
    /// How many wait for something else to end.
    waiters: u32,
}

/// An open store.
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) salt: u32,
    pub(crate) recovery: Recovery,
    /// How segments are laid out; with it the value cache, where there is one.
    pub(crate) rules: LogRules,
    pub(crate) store: [u8; 16],
    pub(crate) next_segment: Arc<AtomicU32>,
    state: Mutex<State>,
    /// Held while segments are rewritten: one rewrite at a time.
    compacting: Mutex<()>,
    /// The turn is free.
    turn: Condvar,
    /// Something else ended: a group of commits, a lead.
    changed: Condvar,
}

pub(crate) type Locked<'a> = MutexGuard<'a, State>;

impl Shared {
    pub(crate) fn new(options: Options, root: Root, log: Log, recovery: Recovery) -> Shared {
        let state = State {
            last_index: root.last_commit_index,
            next_space: log.next_space,
            root: Some(Arc::new(root)),
            queue: Vec::new(),
            in_flight: Vec::new(),
            busy: false,
            poisoned: None,
            refusals: 0,
            refusal: None,
            log: None,
            turn_waiters: 0,
            waiters: 0,
        };
        let salt = salt_of(&log.state.store);
        let (rules, store) = (log.rules.clone(), log.state.store);
        let next_segment = Arc::clone(&log.next_segment);
        let log = (!options.read_only).then(|| Box::new(log));
        Shared {
            options,
            salt,
            recovery,
            rules,
            store,
            next_segment,
            state: Mutex::new(State { log, ..state }),
            compacting: Mutex::new(()),
            turn: Condvar::new(),
            changed: Condvar::new(),
        }
    }

    pub(crate) fn lock(&self) -> Locked<'_> {
        // Every step under the lock leaves the state whole, so a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of segments that nothing on disk names any more. Those who have them open
    /// go on reading.
    pub(crate) fn remove_files(&self, segments: &[Arc<Segment>]) {
        for segment in segments {
            // Best effort: the next opening removes what nothing names.
            let _ = self.options.disk.remove(&segment.path);
        }
    }

    /// The right to rewrite segments.
    pub(crate) fn compacting(&self) -> MutexGuard<'_, ()> {
        self.compacting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something other than the turn ended.
    pub(crate) fn wait<'a>(&self, mut state: Locked<'a>) -> Locked<'a> {
        state.waiters += 1;
        let waited = self.changed.wait(state);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiters -= 1;
        state
    }

    /// Waits until the turn is free, or the store is closed.
    pub(crate) fn wait_for_turn<'a>(&self, mut state: Locked<'a>) -> Locked<'a> {
        state.turn_waiters += 1;
        let waited = self.turn.wait(state);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner);
        state.turn_waiters -= 1;
        state
    }

    /// Gives the lock back and wakes those, and only those, who can go on now: whoever waits for a
    /// turn that is free, all who wait for a lead to end, and the first of the queue if nobody
    /// leads. Every change that lets someone go on must end here. Waking costs a system call, which
    /// a commit that nobody waits for does without.
    pub(crate) fn release(&self, state: Locked<'_>) {
        // One who finds the store closed or poisoned leaves the turn free; then all look.
        let ends = state.root.is_none() || state.poisoned.is_some();
        let turn = (!state.busy || ends) && state.turn_waiters > 0;
        let changed = state.waiters > 0;
        let leader = match (&state.log, state.queue.first()) {
            (Some(_), Some(queued)) => Some(Arc::clone(&queued.ticket)),
            _ => None,
        };
        drop(state);
        match (turn, ends) {
            (true, true) => self.turn.notify_all(),
            (true, false) => self.turn.notify_one(),
            (false, _) => {}
        }
        if changed {
            self.changed.notify_all();
        }
        if let Some(leader) = leader {
            leader.wake();
        }
    }

    /// Waits until every commit that was queued is written or refused.
    pub(crate) fn wait_for_queue(&self) {
        let mut state = self.lock();
        while !(state.queue.is_empty() && state.in_flight.is_empty()) {
            state = self.wait(state);
        }
    }

    /// The newest visible version, readable to its last byte.
    pub(crate) fn current(&self) -> Result<Arc<Root>> {
        let mut state = self.lock();
        state.make_readable();
        state.root.clone().ok_or(Error::Closed)
    }

    /// Takes the lead: waits until no one else has it, takes the log out, and gives it to `work`,
    /// which runs without the lock. What is kept back is in the file by then. The root that `work`
    /// answers becomes the newest version.
    pub(crate) fn lead<T>(
        &self,
        work: impl FnOnce(&mut Log, &Arc<Root>) -> Result<(T, Option<Root>), Failed>,
    ) -> Result<T> {
        let mut state = self.lock();
        let (mut log, root) = loop {
            state.refuse_poisoned()?;
            let root = state.root.clone().ok_or(Error::Closed)?;
            match state.log.take() {
                Some(log) => break (log, root),
                None if self.options.read_only => return Err(Error::ReadOnly),
                None => state = self.wait(state),
            }
        };
        let worked = match log.flush() {
            Ok(()) => {
                drop(state);
                let worked = work(&mut log, &root);
                state = self.lock();
                worked
            }
            Err(failed) => Err(failed),
        };
        let done = match worked {
            Ok((value, new)) => {
                if let Some(new) = new {
                    state.root = Some(Arc::new(new));
                }
                Ok(value)
            }
            Err(failed) => {
                let in_doubt = failed.in_doubt;
                let error = state.fail(&mut log, failed);
                Err(if in_doubt {
                    doubt(root.last_commit_index, error)
                } else {
                    error
                })
            }
        };
        state.log = Some(log);
        self.release(state);
        done
    }
}

/// An outcome that only reopening tells.
pub(crate) fn doubt(commit_index: u64, cause: Error) -> Error {
    Error::InDoubt {
        txid: commit_index,
        cause: Arc::new(cause),
    }
}

impl State {
    pub(crate) fn refuse_poisoned(&self) -> Result<()> {
        match &self.poisoned {
            Some(cause) => Err(Error::Poisoned {
                cause: Arc::clone(cause),
            }),
            None => Ok(()),
        }
    }

    /// Brings what was kept back to the file, so that the newest version can be handed out. If
    /// that fails, readers find it in memory; the next commit tries again.
    pub(crate) fn make_readable(&mut self) {
        if let Some(log) = &mut self.log
            && let Err(failed) = log.flush()
        {
            tracing::warn!(error = %failed.error, "commits stay in memory");
            log.strand();
        }
    }

    /// Takes note of a failure; answers what the one who met it is told.
    pub(crate) fn fail(&mut self, log: &mut Log, failed: Failed) -> Error {
        if !failed.poisons {
            return failed.error;
        }
        tracing::error!(error = %failed.error, "writing stops");
        log.strand();
        let cause = Arc::new(failed.error.clone());
        self.poisoned.get_or_insert(cause);
        let refusal = self.refuse_poisoned().err().unwrap_or(Error::Closed);
        self.refuse_queued(refusal.clone());
        match failed.error {
            // A refusal for space would say that the handle lives.
            Error::NoSpace { .. } if !failed.in_doubt => refusal,
            error => error,
        }
    }

    /// Refuses every queued commit, and those that open transactions may build on them.
    pub(crate) fn refuse_queued(&mut self, why: Error) {
        for queued in self.queue.drain(..) {
            queued.ticket.settle(Err(why.clone()));
        }
        self.refusals += 1;
        self.refusal = Some(why);
        self.last_index = self.root.as_ref().map_or(0, |root| root.last_commit_index);
    }
}
