//! The store's own thread, which tidies it.
//!
//! It is woken when a segment was ended, for only then is there something new to look at. It holds
//! the store by a weak reference, so that it never keeps one open; and what it holds while it works
//! is given back before closing, or dropping the last handle, returns.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use kv_api::{Error, Result};

use crate::shared::Shared;
use crate::waker::Waker;

/// What the thread does whenever it is woken, for as long as it is told to go on.
pub(crate) type Work = fn(&Shared, &dyn Fn() -> bool) -> Result<()>;

/// What the thread is asked for.
#[derive(Debug, Default)]
struct Wish {
    /// To do nothing, for now.
    rest: AtomicBool,
    /// To end.
    end: AtomicBool,
    /// Held by the thread while it works.
    working: Mutex<()>,
}

impl Wish {
    fn goes_on(&self) -> bool {
        !self.rest.load(Ordering::Acquire) && !self.end.load(Ordering::Acquire)
    }
}

/// The store's own thread. Dropping it ends the thread and waits for that.
#[derive(Debug)]
pub(crate) struct Background {
    wish: Arc<Wish>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts the thread, which does its work whenever `waker` wakes it.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        waker: Waker,
        woken: Receiver<()>,
        work: Work,
    ) -> Result<Background> {
        let wish = Arc::new(Wish::default());
        let shared = Arc::downgrade(shared);
        let thread = std::thread::Builder::new().name("flatlog".into());
        let of_thread = Arc::clone(&wish);
        let thread = thread
            .spawn(move || run(&shared, &woken, &of_thread, work))
            .map_err(|error| Error::io("starting the store's own thread", error))?;
        Ok(Background {
            wish,
            waker,
            thread: Some(thread),
        })
    }

    /// Waits until the thread has left its work, and lets it do none until
    /// [`resume`](Background::resume).
    pub(crate) fn rest(&self) {
        self.wish.rest.store(true, Ordering::Release);
        // Its work leaves nothing half done, even by a panic.
        let working = self.wish.working.lock();
        drop(working.unwrap_or_else(PoisonError::into_inner));
    }

    pub(crate) fn resume(&self) {
        self.wish.rest.store(false, Ordering::Release);
        self.waker.wake();
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.wish.end.store(true, Ordering::Release);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported there.
            let _ = thread.join();
        }
    }
}

fn run(shared: &Weak<Shared>, woken: &Receiver<()>, wish: &Wish, work: Work) {
    while woken.recv().is_ok() && !wish.end.load(Ordering::Acquire) {
        let working = wish.working.lock();
        let _working = working.unwrap_or_else(PoisonError::into_inner);
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Err(error) = work(&shared, &|| wish.goes_on()) {
            // The writers meet whatever it was themselves; a closed store needs no tidying.
            tracing::debug!(%error, "background work ended early");
        }
    }
}
