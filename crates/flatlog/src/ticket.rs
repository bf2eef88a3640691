//! What a queued commit's thread sleeps on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Thread};

use kv_api::Result;

/// Looks at a ticket before its thread goes to sleep. A commit that need not wait for the device is
/// done sooner than a thread falls asleep and wakes up.
const LOOKS: u32 = 200;

/// One queued commit's outcome, and the thread that waits for it. Each is woken by itself: with
/// many committers, waking all for every group costs more than the commits.
pub(crate) struct Ticket {
    outcome: OnceLock<Result<()>>,
    /// Woken since it last went to sleep.
    called: AtomicBool,
    thread: Thread,
}

impl Ticket {
    /// A ticket of this thread.
    pub(crate) fn new() -> Ticket {
        Ticket {
            outcome: OnceLock::new(),
            called: AtomicBool::new(false),
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
        self.called.store(true, Ordering::Release);
        if thread::current().id() != self.thread.id() {
            self.thread.unpark();
        }
    }

    /// Sleeps until woken; stays awake for a moment first where it will not take `long`.
    pub(crate) fn sleep(&self, long: bool) {
        let looks = if long { 0 } else { LOOKS };
        for _ in 0..looks {
            if self.was_called() {
                return;
            }
            std::hint::spin_loop();
        }
        // Woken between the look and going to sleep, it does not sleep.
        while !self.was_called() {
            thread::park();
        }
    }

    fn was_called(&self) -> bool {
        self.called.load(Ordering::Relaxed) && self.called.swap(false, Ordering::Acquire)
    }
}
