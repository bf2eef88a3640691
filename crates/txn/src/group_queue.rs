//! Threads waiting to run in a shared transaction.
//!
//! Invariant: `busy` is true exactly while some thread holds the baton or commits.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kv_api::Result;

use crate::transaction::Transaction;

/// An open transaction with those who have already run in it.
pub(crate) struct Baton {
    pub transaction: Transaction,
    pub members: Vec<Sender<Result<()>>>,
}

/// What a waiter is woken with.
pub(crate) enum Turn {
    /// Go on in this transaction.
    Baton(Box<Baton>),
    /// Begin a new one.
    Begin,
}

#[derive(Default)]
struct Queue {
    busy: bool,
    waiting: VecDeque<Sender<Turn>>,
}

/// Threads waiting to run in a shared transaction.
#[derive(Default)]
pub(crate) struct GroupQueue(Mutex<Queue>);

impl GroupQueue {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub fn take_turn(&self) -> Turn {
        let mut queue = self.queue();
        if !queue.busy {
            queue.busy = true;
            return Turn::Begin;
        }
        let (wake, woken): (Sender<Turn>, Receiver<Turn>) = channel();
        queue.waiting.push_back(wake);
        drop(queue);
        // The baton is never dropped on the way, so a closed channel means a fresh start.
        woken.recv().unwrap_or(Turn::Begin)
    }

    /// Hands the baton to the next waiter; gives it back if there is none.
    pub fn pass(&self, mut baton: Box<Baton>) -> Option<Box<Baton>> {
        let mut queue = self.queue();
        while let Some(next) = queue.waiting.pop_front() {
            match next.send(Turn::Baton(baton)) {
                Ok(()) => return None,
                Err(returned) => match returned.0 {
                    Turn::Baton(back) => baton = back,
                    Turn::Begin => return None,
                },
            }
        }
        Some(baton)
    }

    /// Ends a group: wakes the next waiter to begin another.
    fn finish(&self) {
        let mut queue = self.queue();
        while let Some(next) = queue.waiting.pop_front() {
            if next.send(Turn::Begin).is_ok() {
                return;
            }
        }
        queue.busy = false;
    }
}

/// Ends the group when dropped, whatever happened in between.
pub(crate) struct Finish<'q>(pub &'q GroupQueue);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}
