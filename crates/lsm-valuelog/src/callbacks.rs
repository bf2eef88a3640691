//! Those who are told how a commit ended that nobody waited for: one after the other, in the order
//! of the commits, on a thread of the store's own.
//!
//! Invariants:
//! * whoever was taken in is called exactly once, also where the store is closed meanwhile;
//! * one that panics ends nothing but itself;
//! * commits taken in and not told yet are limited by number and bytes: whoever hands in more
//!   waits, but for those who are being told, for whom it would be for ever.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{JoinHandle, ThreadId};

use kv_api::{Error, Result};

use crate::error::locked;

/// Commits on their way at most.
pub(crate) const COMMITS_MAX: usize = 1_024;

/// A call that tells somebody, and the bytes of the commit it is about.
type Call = (Box<dyn FnOnce() + Send>, u64);

#[derive(Default)]
struct Inner {
    calls: VecDeque<Call>,
    /// Commits taken in whose call has not come back yet, and their bytes.
    commits: usize,
    bytes: u64,
    /// Of these, those that have not ended.
    unended: usize,
    /// The thread that calls.
    caller: Option<ThreadId>,
    threads: Vec<JoinHandle<()>>,
    /// Nobody is taken in any more.
    is_closed: bool,
    /// The thread ends when there is nobody left to be told.
    is_over: bool,
}

/// Callbacks of commits on their way.
#[derive(Default)]
pub(crate) struct Callbacks {
    inner: Mutex<Inner>,
    changed: Condvar,
}

impl Callbacks {
    /// Has `spawn` make the threads, if there are none yet.
    pub fn start(&self, spawn: impl FnOnce() -> Result<Vec<JoinHandle<()>>>) -> Result<()> {
        let mut inner = locked(&self.inner);
        if inner.is_closed {
            return Err(Error::Closed);
        }
        if inner.threads.is_empty() {
            inner.threads = spawn()?;
        }
        Ok(())
    }

    /// Takes in a commit of so many bytes; waits for those before it if they are too many, or
    /// take more than `bytes_max`.
    pub fn take_in(&self, bytes: u64, bytes_max: u64) -> Result<()> {
        let mut inner = locked(&self.inner);
        let is_caller = inner.caller == Some(std::thread::current().id());
        loop {
            if inner.is_closed {
                return Err(Error::Closed);
            }
            let fits = inner.commits < COMMITS_MAX && inner.bytes.saturating_add(bytes) < bytes_max;
            if fits || inner.commits == 0 || is_caller {
                break;
            }
            let woken = self.changed.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
        inner.commits += 1;
        inner.unended += 1;
        inner.bytes += bytes;
        Ok(())
    }

    /// Has `call` called, now that the commit of so many bytes has ended.
    pub fn tell(&self, bytes: u64, call: Box<dyn FnOnce() + Send>) {
        let mut inner = locked(&self.inner);
        inner.unended -= 1;
        inner.calls.push_back((call, bytes));
        drop(inner);
        self.changed.notify_all();
    }

    /// Lets go of a commit of so many bytes that has ended and of which nobody is called.
    pub fn release(&self, bytes: u64) {
        let mut inner = locked(&self.inner);
        inner.unended -= 1;
        inner.commits -= 1;
        inner.bytes -= bytes;
        drop(inner);
        self.changed.notify_all();
    }

    /// Calls whoever is to be told until the end; tells `panicked` of those that panic.
    pub fn call_until_over(&self, panicked: impl Fn()) {
        locked(&self.inner).caller = Some(std::thread::current().id());
        loop {
            let mut inner = locked(&self.inner);
            let (call, bytes) = loop {
                if let Some(next) = inner.calls.pop_front() {
                    break next;
                }
                if inner.is_over && inner.unended == 0 {
                    return;
                }
                let woken = self.changed.wait(inner);
                inner = woken.unwrap_or_else(PoisonError::into_inner);
            };
            drop(inner);
            // What it leaves half done is the caller's own: nothing of the store's is lent to it.
            if catch_unwind(AssertUnwindSafe(call)).is_err() {
                panicked();
            }
            let mut inner = locked(&self.inner);
            inner.commits -= 1;
            inner.bytes -= bytes;
            drop(inner);
            self.changed.notify_all();
        }
    }

    /// Takes nobody in any more, and waits until all that were taken in have been told; whoever is
    /// being told waits until they have ended.
    pub fn close(&self) {
        let mut inner = locked(&self.inner);
        inner.is_closed = true;
        self.changed.notify_all();
        let is_caller = inner.caller == Some(std::thread::current().id());
        while inner.unended > 0 || inner.commits > 0 && !is_caller {
            let woken = self.changed.wait(inner);
            inner = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Has the thread end once all have been told, and waits for it, unless this is it.
    pub fn end(&self) {
        let mut inner = locked(&self.inner);
        inner.is_over = true;
        let threads = std::mem::take(&mut inner.threads);
        drop(inner);
        self.changed.notify_all();
        for thread in threads {
            if thread.thread().id() != std::thread::current().id() {
                // A panic would have been told by itself.
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_thread_that_calls_ends_after_the_last_commit_on_its_way_was_told() {
        let callbacks = Arc::new(Callbacks::default());
        let calling = Arc::clone(&callbacks);
        let started = callbacks.start(|| {
            let run = move || calling.call_until_over(|| ());
            Ok(vec![std::thread::spawn(run)])
        });
        assert!(started.is_ok() && callbacks.take_in(1, 100).is_ok());
        let is_told = Arc::new(AtomicBool::new(false));
        std::thread::scope(|scope| {
            let ending = scope.spawn(|| callbacks.end());
            std::thread::sleep(Duration::from_millis(50));
            assert!(!ending.is_finished(), "a commit is on its way");
            let told = Arc::clone(&is_told);
            let call = move || told.store(true, Ordering::Relaxed);
            callbacks.tell(1, Box::new(call));
        });
        assert!(is_told.load(Ordering::Relaxed));
    }
}
