//! Threads in line for a shared transaction.
//!
//! Each takes a ticket and runs when it is served, so a group runs in the order it came. Waking a
//! thread from sleep takes longer than most closures run, so those next in line are woken ahead
//! of their turn and look for it themselves.
//!
//! Invariants:
//! * who is served is the only one that runs or commits; it ends its turn once;
//! * `baton` is there only between two turns of one group;
//! * whoever sleeps is in `asleep`, put there under the lock that serving the next one takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Thread, current, park, yield_now};

use kv_api::{Error, Result};

use crate::transaction::Transaction;

/// How many in line are awake besides the one that is served.
const AWAKE_AHEAD: u64 = 3;
/// How often one that is awake looks for its turn before it sleeps again.
const LOOKS_MAX: u32 = 200;
/// How often the last in line looks for members of the group before on their way back.
const GATHERING_LOOKS_MAX: u32 = 100;

/// What becomes of a group: told once, to all its members.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    told: Mutex<Option<Result<()>>>,
    known: Condvar,
}

impl Outcome {
    fn told(&self) -> MutexGuard<'_, Option<Result<()>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until it is told.
    pub fn wait(&self) -> Result<()> {
        let mut told = self.told();
        loop {
            if let Some(result) = &*told {
                return result.clone();
            }
            let woken = self.known.wait(told);
            told = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Tells a group its outcome; that it was not committed, if dropped without a word.
#[derive(Debug, Default)]
pub(crate) struct Teller(Arc<Outcome>);

impl Teller {
    /// What a member waits for.
    pub fn outcome(&self) -> Arc<Outcome> {
        Arc::clone(&self.0)
    }

    /// Tells every member.
    pub fn tell(&self, result: Result<()>) {
        self.0.told().get_or_insert(result);
        self.0.known.notify_all();
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        // A member that died before it could commit dropped the transaction: nothing happened.
        self.tell(Err(Error::Closed));
    }
}

/// An open transaction with those who have already run in it.
pub(crate) struct Baton {
    pub transaction: Transaction,
    pub members: usize,
    pub teller: Teller,
}

/// What whoever is served goes on with.
pub(crate) enum Turn {
    /// Go on in this transaction.
    Baton(Box<Baton>),
    /// Begin a new one.
    Begin,
}

#[derive(Default)]
struct Line {
    next_ticket: u64,
    baton: Option<Box<Baton>>,
    asleep: BTreeMap<u64, Thread>,
}

/// Threads in line for a shared transaction.
#[derive(Default)]
pub(crate) struct GroupQueue {
    line: Mutex<Line>,
    /// The ticket that is served. Changed under the lock of `line` only.
    serving: AtomicU64,
    /// Whoever is served commits, so it pays to sleep.
    committing: AtomicBool,
    /// Members of groups committed before that have not woken up yet.
    returning: AtomicUsize,
}

impl GroupQueue {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub fn take_turn(&self) -> Turn {
        let ticket = {
            let mut line = self.line();
            line.next_ticket += 1;
            line.next_ticket - 1
        };
        self.wait_for(ticket);
        let baton = self.line().baton.take();
        baton.map_or(Turn::Begin, Turn::Baton)
    }

    fn wait_for(&self, ticket: u64) {
        loop {
            for _ in 0..LOOKS_MAX {
                if self.serving.load(Ordering::Acquire) == ticket {
                    return;
                }
                if self.committing.load(Ordering::Relaxed) {
                    break;
                }
                yield_now();
            }
            let mut line = self.line();
            if self.serving.load(Ordering::Acquire) == ticket {
                return;
            }
            line.asleep.insert(ticket, current());
            drop(line);
            // Whatever wakes it, it looks again.
            park();
        }
    }

    /// Serves the next in line and wakes those soon to be served.
    fn serve_next(&self, mut line: MutexGuard<'_, Line>) {
        let serving = self.serving.load(Ordering::Relaxed) + 1;
        self.serving.store(serving, Ordering::Release);
        let later = line.asleep.split_off(&(serving + AWAKE_AHEAD + 1));
        let soon = std::mem::replace(&mut line.asleep, later);
        drop(line);
        soon.into_values().for_each(|thread| thread.unpark());
    }

    /// Hands the baton to the next in line; gives it back if there is none, and then its group is
    /// to be committed.
    pub fn pass(&self, baton: Box<Baton>) -> Option<Box<Baton>> {
        for _ in 0..GATHERING_LOOKS_MAX {
            let mut line = self.line();
            if line.next_ticket > self.serving.load(Ordering::Relaxed) + 1 {
                line.baton = Some(baton);
                self.serve_next(line);
                return None;
            }
            drop(line);
            // Those just told are often back with the next change before it would be synced.
            if self.returning.load(Ordering::Relaxed) == 0 || baton.members == 0 {
                break;
            }
            yield_now();
        }
        Some(baton)
    }

    /// Says that whoever is served commits for so many others, until the answer is dropped.
    pub fn committing(&self, others: usize) -> Finish<'_> {
        self.committing.store(true, Ordering::Relaxed);
        Finish {
            group: self,
            returning: others,
        }
    }

    /// Ends the turn when the answer is dropped.
    pub fn ending(&self) -> Finish<'_> {
        Finish {
            group: self,
            returning: 0,
        }
    }

    /// A member that waited for its outcome is awake again.
    pub fn returned(&self) {
        self.returning.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends the group when dropped, whatever happened in between.
pub(crate) struct Finish<'q> {
    group: &'q GroupQueue,
    returning: usize,
}

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        let group = self.group;
        group.returning.fetch_add(self.returning, Ordering::Relaxed);
        group.committing.store(false, Ordering::Relaxed);
        group.serve_next(group.line());
    }
}
