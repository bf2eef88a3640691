//! Commits that wait to be written together: whoever finds nobody writing leads, and the others
//! are written by the next leader, which is one of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
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
    pub durability: Durability,
}

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

#[derive(Default)]
struct Line {
    waiting: Vec<Arc<Waiter>>,
    is_led: bool,
}

/// The line of commits.
#[derive(Default)]
pub(crate) struct CommitQueue {
    line: Mutex<Line>,
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
        line.waiting.push(Arc::clone(&waiter));
        drop(line);
        self.wait(&waiter, write)
    }

    fn wait(
        &self,
        waiter: &Arc<Waiter>,
        write: impl Fn(&mut [Box<Commit>]) -> Vec<Result<Sequence>>,
    ) -> Result<Sequence> {
        waiter.wait();
        if let Turn::Done(outcome) = &*locked(&waiter.turn) {
            return outcome.clone();
        }
        let own = waiter.take();
        let followers = std::mem::take(&mut locked(&self.line).waiting);
        let mut waiters = Vec::with_capacity(followers.len());
        let mut group: Vec<Box<Commit>> = own.into_iter().collect();
        for follower in followers {
            if let Some(commit) = follower.take() {
                group.push(commit);
                waiters.push(follower);
            }
        }
        let mut outcomes = write(&mut group).into_iter();
        let outcome = outcomes.next();
        // The next leader starts before those who are done are told: it has a disk to wait for.
        self.pass_on();
        for (waiter, outcome) in waiters.into_iter().zip(outcomes) {
            waiter.set(Turn::Done(outcome));
        }
        outcome.unwrap_or(Err(Error::Closed))
    }

    /// Makes the first who waits the leader; nobody leads if nobody waits.
    fn pass_on(&self) {
        let mut line = locked(&self.line);
        if line.waiting.is_empty() {
            line.is_led = false;
            return;
        }
        let next = line.waiting.remove(0);
        drop(line);
        let commit = next.take();
        next.set(commit.map_or(Turn::Done(Err(Error::Closed)), Turn::Lead));
    }
}
