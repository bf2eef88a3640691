//! W18: how the time of an operation moves as the store grows.

use crate::engine::{Keeping, Result};
use crate::measure::{Caps, EACH, Measured, READS, measure};
use crate::random::Random;
use crate::steps::Chain;
use crate::steps::commits::put;
use crate::steps::reads::{check_range, read_at_random};

/// Keys of one transaction while growing.
const KEYS_EACH: u64 = 1_000_000;

impl Chain {
    /// From a hundredth of the keys to ten times as many, tenfold each time.
    pub(super) fn growth(&mut self) -> Result<()> {
        let mut loaded = 0;
        for keys in [1, 10, 100, 1000].map(|times| self.plan.keys * times / 100) {
            let measured = self.put_all(loaded, keys, KEYS_EACH, Keeping::Unsynced)?;
            self.note_time("load", keys, &measured)?;
            loaded = keys;
            self.count()?;
            let measured = self.grown_reads(keys)?;
            self.note_time("read", keys, &measured)?;
            let measured = self.grown_ranges(keys)?;
            self.note_time("range", keys, &measured)?;
            let measured = self.grown_commits(keys)?;
            self.note_time("commit", keys, &measured)?;
        }
        Ok(())
    }

    #[expect(clippy::cast_precision_loss, reason = "counts fit 53 bits")]
    fn note_time(&self, what: &str, keys: u64, measured: &Measured) -> Result<()> {
        let microseconds = measured.seconds() * 1e6 / measured.operations().max(1) as f64;
        self.note(measured.figure(format!("W18-{what}-{keys}"), microseconds, "us"))
    }

    /// The caps of each point: there are many, so each is shorter.
    fn point_caps(&self) -> Caps {
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

    fn grown_ranges(&mut self, keys: u64) -> Result<Measured> {
        let (data, caps) = (self.plan.data, self.point_caps());
        let store = self.store(Keeping::Unsynced)?;
        measure(caps, READS, 1, |_, budget| {
            let mut random = Random::new(1810);
            store.read(&mut |reader| {
                while budget.spend(1) {
                    check_range(reader, &data.key(random.below(keys)), 10)?;
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
