//! Waking those who wait for work, and those who wait for it to be done; and telling these when it
//! fails again and again.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use kv_api::{Error, Result};

use crate::error::locked;

/// Failures in a row from which on it is not worth waiting any longer.
const FAILURES_MAX: u32 = 3;

/// A bell: who waits hears every ring since it last looked.
#[derive(Debug, Default)]
pub(crate) struct Work {
    rings: Mutex<u64>,
    bell: Condvar,
    /// What failed last and was not done since: how often in a row, and why.
    failing: Mutex<BTreeMap<&'static str, (u32, Error)>>,
}

impl Work {
    /// Rings.
    pub fn wake(&self) {
        *locked(&self.rings) += 1;
        self.bell.notify_all();
    }

    /// Notes that a kind of work failed.
    pub fn note_failure(&self, doing: &'static str, error: &Error) {
        let mut failing = locked(&self.failing);
        let (count, last) = failing.entry(doing).or_insert_with(|| (0, error.clone()));
        (*count, *last) = (*count + 1, error.clone());
    }

    /// Notes that it was done.
    pub fn note_success(&self, doing: &'static str) {
        locked(&self.failing).remove(doing);
    }

    /// Why a kind of work keeps failing, for whoever would wait for it for ever.
    pub fn refuse_failing(&self, doing: &'static str) -> Result<()> {
        match locked(&self.failing).get(doing) {
            Some((count, error)) if *count >= FAILURES_MAX => Err(error.clone()),
            _ => Ok(()),
        }
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

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_waits_hears_each_ring_since_it_last_looked() {
        let (work, patience) = (Work::default(), Duration::from_secs(600));
        let began = Instant::now();
        let seen = work.rings();
        work.wake();
        // It rang before anybody waited.
        work.wait(seen, patience);
        std::thread::scope(|scope| {
            let seen = work.rings();
            let waiting = scope.spawn({
                let work = &work;
                move || work.wait(seen, patience)
            });
            std::thread::sleep(Duration::from_millis(20));
            assert!(!waiting.is_finished());
            work.wake();
        });
        assert!(began.elapsed() < patience);
    }
}
