//! W18: how the time of an operation moves as the store grows.

use std::time::{Duration, Instant};

use crate::engine::{Keeping, Result};
use crate::measure::{Caps, EACH, Measured, READS, measure};
use crate::random::Random;
use crate::steps::Chain;
use crate::steps::commits::put;
use crate::steps::reads::{check_range, read_at_random};

/// Keys of one transaction while growing.
const KEYS_EACH: u64 = 1_000_000;

/// Whether there is time for the next size: each takes about ten times as long as the one before.
pub(super) struct Growing {
    began: Instant,
    size_began: Instant,
    limit: Duration,
}

impl Growing {
    pub(super) fn start(limit_seconds: f64) -> Growing {
        let began = Instant::now();
        Growing {
            began,
            size_began: began,
            limit: Duration::try_from_secs_f64(limit_seconds).unwrap_or(Duration::MAX),
        }
    }

    /// Says so if not.
    pub(super) fn goes_on(&mut self, size: u64) -> bool {
        let expected = self.began.elapsed() + 10 * self.size_began.elapsed();
        self.size_began = Instant::now();
        let goes_on = expected <= self.limit;
        if !goes_on {
            crate::report::complain(&format!("skipped: W18 from {size} on, for want of time"));
        }
        goes_on
    }
}

impl Chain {
    /// The sizes of W18: from a hundredth of the keys to ten times as many, tenfold each time.
    pub(super) fn sizes(&self) -> [u64; 4] {
        [1, 10, 100, 1000].map(|times| self.plan.keys * times / 100)
    }

    /// All sizes on one store, or as many as there is time for.
    pub(super) fn growth(&mut self) -> Result<()> {
        let (mut loaded, mut growing) = (0, Growing::start(self.plan.growth_seconds));
        for keys in self.sizes() {
            if !growing.goes_on(keys) {
                break;
            }
            let measured = self.put_all(loaded, keys, KEYS_EACH, Keeping::Unsynced)?;
            self.note_time("load", keys, &measured)?;
            loaded = keys;
            self.count()?;
            let measured = self.grown_reads(keys)?;
            self.note_time("read", keys, &measured)?;
            for (what, entries) in [("scan-start", 1), ("range", 10)] {
                let measured = self.grown_ranges(keys, entries)?;
                self.note_time(what, keys, &measured)?;
            }
            let measured = self.grown_commits(keys)?;
            self.note_time("commit", keys, &measured)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts fit 53 bits")]
    pub(super) fn note_time(&self, what: &str, keys: u64, measured: &Measured) -> Result<()> {
        let microseconds = measured.seconds() * 1e6 / measured.operations().max(1) as f64;
        self.note(measured.figure(format!("W18-{what}-{keys}"), microseconds, "us"))
    }

    /// The caps of each point: there are many, so each is shorter.
    pub(super) fn point_caps(&self) -> Caps {
        Caps {
            seconds: self.plan.caps.seconds / 4.0,
            ..self.plan.caps
        }
    }

    fn grown_reads(&mut self, keys: u64) -> Result<Measured> {
        let (data, caps) = (self.plan.data, self.point_caps());
        let store = self.store(Keeping::Unsynced)?;
        measure(caps, READS, 1, |_, budget| {
            read_at_random(store, data, keys, 1800, budget)
        })
    }

    fn grown_ranges(&mut self, keys: u64, entries: u64) -> Result<Measured> {
        let (data, caps) = (self.plan.data, self.point_caps());
        let store = self.store(Keeping::Unsynced)?;
        measure(caps, READS, 1, |_, budget| {
            let mut random = Random::new(1810);
            store.read(&mut |reader| {
                while budget.spend(1) {
                    check_range(reader, &data.key(random.below(keys)), entries)?;
                }
                Ok(())
            })
        })
    }

    fn grown_commits(&mut self, keys: u64) -> Result<Measured> {
        let (data, caps) = (self.plan.data, self.point_caps());
        let store = self.store(Keeping::Unsynced)?;
        measure(caps, EACH, 1, |_, budget| {
            let (mut random, mut value) = (Random::new(1820), Vec::new());
            while budget.spend(1) {
                let index = random.below(keys);
                store.write(&mut |writer| put(writer, data, index, random.draw(), &mut value))?;
            }
            Ok(())
        })
    }
}
