//! Waking those who wait for work, and those who wait for it to be done.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::error::locked;

/// A bell: who waits hears every ring since it last looked.
#[derive(Debug, Default)]
pub(crate) struct Work {
    rings: Mutex<u64>,
    bell: Condvar,
}

impl Work {
    /// Rings.
    pub fn wake(&self) {
        *locked(&self.rings) += 1;
        self.bell.notify_all();
    }

    /// How often it rang so far.
    pub fn rings(&self) -> u64 {
        *locked(&self.rings)
    }

    /// Waits until it has rung more than `seen` times, at most for `patience`.
    pub fn wait(&self, seen: u64, patience: Duration) {
        let rings = locked(&self.rings);
        let waited = self
            .bell
            .wait_timeout_while(rings, patience, |rings| *rings == seen);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }
}
