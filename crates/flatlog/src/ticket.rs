//! What a queued commit's thread sleeps on.

use std::sync::OnceLock;
use std::thread::{self, Thread};

use kv_api::Result;

/// One queued commit's outcome, and the thread that waits for it. Each is woken by itself: with
/// many committers, waking all for every group costs more than the commits.
pub(crate) struct Ticket {
    outcome: OnceLock<Result<()>>,
    thread: Thread,
}

impl Ticket {
    /// A ticket of this thread.
    pub(crate) fn new() -> Ticket {
        Ticket {
            outcome: OnceLock::new(),
            thread: thread::current(),
        }
    }

    /// How the commit ended, once it has.
    pub(crate) fn outcome(&self) -> Option<&Result<()>> {
        self.outcome.get()
    }

    /// Says how the commit ended, and wakes its thread. Whoever takes the commit out of the queue
    /// does so, once.
    pub(crate) fn settle(&self, outcome: Result<()>) {
        let _ = self.outcome.set(outcome);
        self.wake();
    }

    /// Wakes the ticket's thread, to lead or to see how it ended.
    pub(crate) fn wake(&self) {
        if thread::current().id() != self.thread.id() {
            self.thread.unpark();
        }
    }

    /// Sleeps until woken, or for no reason: whoever sleeps must look again.
    pub(crate) fn sleep() {
        thread::park();
    }
}
