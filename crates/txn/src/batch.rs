//! `batch`: bbolt's way of sharing a commit, semantics and all.
//!
//! Calls gather until there are enough or the first has waited long enough; then they run in one
//! transaction, in order. If one fails, everything is rolled back, that call is sent back to run
//! alone on its own thread, and the rest is tried again. A call may therefore run several times.
//! [`Db::update_grouped`](crate::Db::update_grouped) shares commits without running anything
//! twice.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::PoisonError;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use kv_api::{Durability, Error, Result};

use crate::batch_queue::{Call, Gathering, Verdict};
use crate::db::Db;
use crate::transaction::{Transaction, run_handlers};

impl Db {
    /// Runs `write` in a transaction shared with other threads' calls, and returns when it is
    /// durable.
    ///
    /// `write` may run several times, so it must give the same result each time; an error or a
    /// panic of its own comes from a last run alone in an [`update`](Db::update).
    pub fn batch(
        &self,
        write: impl FnMut(&mut Transaction) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (tell, verdict) = channel();
        let options = &self.shared.options;
        let calls_max = options.batch_size_max.max(1);
        let call = Call {
            work: Box::new(write),
            tell,
        };
        if let Some(gathering) = self.batch.join(call, calls_max) {
            self.wait_until_full(&gathering, calls_max);
            self.run_together(self.batch.close(&gathering));
        }
        self.heed(&verdict)
    }

    fn wait_until_full(&self, gathering: &Gathering, calls_max: usize) {
        let began = Instant::now();
        let mut calls = gathering.calls();
        while calls.len() < calls_max {
            let delay = self.shared.options.batch_delay;
            let left = delay.saturating_sub(began.elapsed());
            if left.is_zero() {
                return;
            }
            let woken = gathering.full.wait_timeout(calls, left);
            calls = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn heed(&self, verdict: &Receiver<Verdict>) -> Result<()> {
        match verdict.recv() {
            Ok(Verdict::Done(result)) => result,
            Ok(Verdict::RunAlone(work)) => self.update(work),
            // The thread that ran the batch died without a word, so nothing was committed.
            Err(_) => Err(Error::Closed),
        }
    }

    fn run_together(&self, mut calls: Vec<Call>) {
        while !calls.is_empty() {
            let mut failed = None;
            let committed = self.begin().and_then(|mut transaction| {
                failed = calls.iter_mut().position(|call| {
                    let ran = catch_unwind(AssertUnwindSafe(|| (call.work)(&mut transaction)));
                    !matches!(ran, Ok(Ok(())))
                });
                match failed {
                    Some(_) => Ok(Vec::new()),
                    None => transaction.finish(Durability::Sync),
                }
            });
            if let Some(index) = failed {
                let call = calls.swap_remove(index);
                drop(call.tell.send(Verdict::RunAlone(call.work)));
                continue;
            }
            let (result, handlers) = match committed {
                Ok(handlers) => (Ok(()), handlers),
                Err(error) => (Err(error), Vec::new()),
            };
            let ran = run_handlers(handlers);
            for call in calls.drain(..) {
                // A receiver that is gone has nothing to be told.
                drop(call.tell.send(Verdict::Done(result.clone())));
            }
            if let Err(panic) = ran {
                resume_unwind(panic);
            }
        }
    }
}
