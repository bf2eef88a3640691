//! W17: how long reads take while a writer commits, and how long its commits take.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::{Keeping, Result};
use crate::measure::{EACH, Latencies, measure};
use crate::random::Random;
use crate::steps::Chain;
use crate::steps::commits::put;
use crate::steps::reads::check_get;

/// Keys of each of the writer's transactions.
const KEYS_EACH: u64 = 100;

const QUANTILES: [(&str, f64); 3] = [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)];

impl Chain {
    /// One thread reads, one transaction a key; the other commits durably all the time.
    pub(super) fn read_beside_commits(&mut self) -> Result<()> {
        if !self.wants("W17") {
            return Ok(());
        }
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let (reads, commits) = (Mutex::new(Latencies::new()?), Mutex::new(Latencies::new()?));
        let reading = AtomicBool::new(true);
        let measured = measure(caps, EACH, 2, |thread, budget| {
            let mut random = Random::new(1700 + thread);
            let mut own = Latencies::new()?;
            let target = if thread == 0 {
                while budget.spend(1) {
                    let key = data.key(random.below(keys));
                    own.time(|| store.read(&mut |reader| check_get(reader, &key)))?;
                }
                reading.store(false, Ordering::Relaxed);
                &reads
            } else {
                let mut value = Vec::new();
                while reading.load(Ordering::Relaxed) && budget.spend(1) {
                    own.time(|| {
                        store.write(&mut |writer| {
                            (0..KEYS_EACH).try_for_each(|_| {
                                put(writer, data, random.below(keys), random.draw(), &mut value)
                            })
                        })
                    })?;
                }
                &commits
            };
            target.lock().map_err(|_| "a thread panicked")?.add(&own)
        })?;
        for (prefix, latencies) in [("W17", reads), ("W17-commit", commits)] {
            let latencies = latencies.into_inner().map_err(|_| "a thread panicked")?;
            for (suffix, share) in QUANTILES {
                let figure = measured.figure(
                    format!("{prefix}-{suffix}"),
                    latencies.quantile_us(share),
                    "us",
                );
                self.note(figure)?;
            }
        }
        Ok(())
    }
}
