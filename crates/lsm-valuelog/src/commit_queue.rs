//! Commits that wait to be written together: whoever finds nobody writing leads, and the others
//! are written by the next leader, which is one of them.
//!
//! A commit that nobody waits for stands in the same line. Where one is first in it, a thread of
//! the store's own leads; see [`lead_for_others`](CommitQueue::lead_for_others).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::Thread;

use kv_api::{Durability, Error, Result};

use crate::error::locked;
use crate::id::Sequence;
use crate::read_set::ReadSet;
use crate::write_set::WriteSet;

/// What a transaction hands in.
pub(crate) struct Commit {
    pub writes: WriteSet,
    pub reads: ReadSet,
    /// The version it read.
    pub read_at: Sequence,
    /// How often keys had been dropped in the state that it read.
    pub drops_seen: u64,
    /// The version it is to have; none for the next one.
    pub version: Option<Sequence>,
    pub durability: Durability,
}

/// Told how a commit that nobody waits for has ended, by whoever leads: it must be quick.
pub(crate) type Tell = Box<dyn FnOnce(Result<Sequence>) + Send>;

enum Turn {
    Waiting(Box<Commit>),
    /// It leads now.
    Lead(Box<Commit>),
    Taken,
    Done(Result<Sequence>),
}

/// How often a waiter looks before it sleeps: a commit that waits for no disk is over sooner than
/// a thread is woken.
const LOOKS: usize = 200;

/// A commit that somebody waits for.
pub(crate) struct Waiter {
    turn: Mutex<Turn>,
    /// Whether it leads or is done.
    is_called: AtomicBool,
    thread: Thread,
}

impl Waiter {
    fn set(&self, turn: Turn) {
        *locked(&self.turn) = turn;
        self.is_called.store(true, Ordering::Release);
        self.thread.unpark();
    }

    /// Waits until it leads or is done.
    fn wait(&self) {
        for _ in 0..LOOKS {
            if self.is_called.load(Ordering::Acquire) {
                return;
            }
            std::hint::spin_loop();
        }
        while !self.is_called.load(Ordering::Acquire) {
            std::thread::park();
        }
    }

    /// Takes the commit to write it.
    fn take(&self) -> Option<Box<Commit>> {
        match std::mem::replace(&mut *locked(&self.turn), Turn::Taken) {
            Turn::Waiting(commit) | Turn::Lead(commit) => Some(commit),
            Turn::Taken | Turn::Done(_) => None,
        }
    }
}

/// Whoever stands in line.
enum InLine {
    Waits(Arc<Waiter>),
    IsTold(Box<Commit>, Tell),
}

/// Who is told when a commit of a group has ended.
enum Ending {
    /// The leader, which answers for itself.
    Own,
    Waiter(Arc<Waiter>),
    Tell(Tell),
}

#[derive(Default)]
struct Line {
    waiting: Vec<InLine>,
    is_led: bool,
    /// The lead is for the store's own thread, which has not taken it yet.
    wants_thread: bool,
    /// The store's own thread is to end once nobody wants it.
    is_over: bool,
}

/// The line of commits.
#[derive(Default)]
pub(crate) struct CommitQueue {
    line: Mutex<Line>,
    /// Rung when the store's own thread is to look at the line.
    thread_wanted: Condvar,
}

impl CommitQueue {
    /// Has `commit` written by `write`, together with those that wait, by whichever thread leads.
    pub fn run(
        &self,
        commit: Box<Commit>,
        write: impl Fn(&mut [Box<Commit>]) -> Vec<Result<Sequence>>,
    ) -> Result<Sequence> {
        let mut line = locked(&self.line);
        if !line.is_led {
            line.is_led = true;
            drop(line);
            let mut group = [commit];
            let outcome = write(&mut group).pop();
            self.pass_on();
            return outcome.unwrap_or(Err(Error::Closed));
        }
        let waiter = Arc::new(Waiter {
            turn: Mutex::new(Turn::Waiting(commit)),
            is_called: AtomicBool::new(false),
            thread: std::thread::current(),
        });
        line.waiting.push(InLine::Waits(Arc::clone(&waiter)));
        drop(line);
        waiter.wait();
        if let Turn::Done(outcome) = &*locked(&waiter.turn) {
            return outcome.clone();
        }
        self.lead(waiter.take(), write)
            .unwrap_or(Err(Error::Closed))
    }

    /// Puts `commit` in the line and returns; `tell` is called once, when it has ended. There must
    /// be a thread in [`lead_for_others`](CommitQueue::lead_for_others).
    pub fn put(&self, commit: Box<Commit>, tell: Tell) {
        let mut line = locked(&self.line);
        line.waiting.push(InLine::IsTold(commit, tell));
        if !line.is_led {
            line.is_led = true;
            line.wants_thread = true;
            self.thread_wanted.notify_one();
        }
    }

    /// Leads wherever the first in line is a commit that nobody waits for, until the line is
    /// [ended](CommitQueue::end).
    pub fn lead_for_others(
        &self,
        write: impl Fn(&mut [Box<Commit>]) -> Vec<Result<Sequence>>,
        after: impl Fn(),
    ) {
        loop {
            let mut line = locked(&self.line);
            while !line.wants_thread {
                if line.is_over {
                    return;
                }
                let woken = self.thread_wanted.wait(line);
                line = woken.unwrap_or_else(PoisonError::into_inner);
            }
            line.wants_thread = false;
            drop(line);
            self.lead(None, &write);
            after();
        }
    }

    /// Ends the thread that leads for others once nothing is left for it.
    pub fn end(&self) {
        locked(&self.line).is_over = true;
        self.thread_wanted.notify_all();
    }

    /// Writes the commit of whoever leads, if it has one, and all that wait; answers the outcome
    /// of its own.
    fn lead(
        &self,
        own: Option<Box<Commit>>,
        write: impl Fn(&mut [Box<Commit>]) -> Vec<Result<Sequence>>,
    ) -> Option<Result<Sequence>> {
        let followers = std::mem::take(&mut locked(&self.line).waiting);
        let mut endings = Vec::with_capacity(followers.len() + 1);
        let mut group = Vec::with_capacity(followers.len() + 1);
        if let Some(commit) = own {
            group.push(commit);
            endings.push(Ending::Own);
        }
        for follower in followers {
            match follower {
                InLine::IsTold(commit, tell) => {
                    group.push(commit);
                    endings.push(Ending::Tell(tell));
                }
                InLine::Waits(waiter) => {
                    if let Some(commit) = waiter.take() {
                        group.push(commit);
                        endings.push(Ending::Waiter(waiter));
                    }
                }
            }
        }
        let outcomes = write(&mut group);
        let (mut own, mut waiters) = (None, Vec::with_capacity(endings.len()));
        for (ending, outcome) in endings.into_iter().zip(outcomes) {
            match ending {
                Ending::Own => own = Some(outcome),
                // Before anyone else leads, so that commits are told in their order.
                Ending::Tell(tell) => tell(outcome),
                Ending::Waiter(waiter) => waiters.push((waiter, outcome)),
            }
        }
        // The next leader starts before those who wait are told: it has a disk to wait for.
        self.pass_on();
        for (waiter, outcome) in waiters {
            waiter.set(Turn::Done(outcome));
        }
        own
    }

    /// Makes the first who waits the leader; nobody leads if nobody waits.
    fn pass_on(&self) {
        let mut line = locked(&self.line);
        match line.waiting.first() {
            None => line.is_led = false,
            Some(InLine::IsTold(..)) => {
                line.wants_thread = true;
                self.thread_wanted.notify_one();
            }
            Some(InLine::Waits(_)) => {
                let InLine::Waits(next) = line.waiting.remove(0) else {
                    return;
                };
                drop(line);
                let commit = next.take();
                next.set(commit.map_or(Turn::Done(Err(Error::Closed)), Turn::Lead));
            }
        }
    }
}
