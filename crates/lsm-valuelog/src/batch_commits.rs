//! The commits of one write batch that are on their way: how many there are, and what the first that
//! failed met with.

use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use kv_api::{Error, Result};

use crate::error::locked;
use crate::id::Sequence;
use crate::shared::Shared;

/// A version that is noted as read for as long as this lives.
pub(crate) struct Entered {
    shared: Arc<Shared>,
    at: Sequence,
}

impl Entered {
    pub fn new(shared: &Arc<Shared>, at: Sequence) -> Entered {
        shared.enter(at);
        Entered {
            shared: Arc::clone(shared),
            at,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.shared.leave(self.at);
    }
}

/// Commits on their way.
#[derive(Default)]
pub(crate) struct BatchCommits {
    count: Mutex<usize>,
    ended: Condvar,
    failed: OnceLock<Error>,
}

impl BatchCommits {
    /// Takes one in; waits while there are `count_max`.
    pub fn begin(&self, count_max: usize) {
        *self.at_most(count_max.saturating_sub(1)) += 1;
    }

    fn at_most(&self, count_max: usize) -> std::sync::MutexGuard<'_, usize> {
        let mut count = locked(&self.count);
        while *count > count_max {
            let woken = self.ended.wait(count);
            count = woken.unwrap_or_else(PoisonError::into_inner);
        }
        count
    }

    /// One has ended so.
    pub fn end(&self, outcome: Result<Sequence>) {
        if let Err(error) = outcome {
            self.fail(error);
        }
        *locked(&self.count) -= 1;
        self.ended.notify_all();
    }

    /// Notes what ends the batch, if nothing did before.
    pub fn fail(&self, error: Error) {
        // The first one counts.
        let _ = self.failed.set(error);
    }

    /// What ended the batch.
    pub fn failed(&self) -> Option<&Error> {
        self.failed.get()
    }

    /// Waits until all have ended.
    pub fn wait(&self) {
        drop(self.at_most(0));
    }
}
