//! W1 to W4, W9, W15: what changes the store.

use crate::engine::{Keeping, Result};
use crate::measure::{Caps, EACH, measure};
use crate::random::Random;
use crate::steps::Chain;

/// Keys of one transaction of W3.
const BATCH_KEYS: u64 = 1000;

/// Keys of one transaction of W9.
const REMOVAL_KEYS: u64 = 5000;

/// Threads of W15.
const COMMITTERS: u64 = 8;

/// What bounds a step whose end later steps rely on.
const TO_THE_END: f64 = 1800.0;

impl Chain {
    /// W1: all keys, in one transaction where the engine can.
    pub(super) fn load(&mut self) -> Result<()> {
        let (data, keys) = (self.data, self.keys);
        let at_once = self.kind.load_keys_max.unwrap_or(keys).min(keys);
        let caps = Caps {
            seconds: TO_THE_END,
            operations: keys,
        };
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, at_once, 1, |_, budget| {
            let (mut next, mut value) = (0, Vec::new());
            while next < keys && budget.spend(at_once.min(keys - next)) {
                store.write(&mut |writer| {
                    for index in next..keys.min(next + at_once) {
                        let key = data.key(index);
                        data.fill(&key, 0, &mut value);
                        writer.put(&key, &value)?;
                    }
                    Ok(())
                })?;
                next += at_once;
            }
            Ok(())
        })?;
        self.note(measured.rate("W1", 1.0, "ops/s"))
    }

    /// W2, W3 and W15.
    pub(super) fn durable_commits(&mut self) -> Result<()> {
        let caps = self.caps;
        if self.wants("W2") {
            self.commits("W2", Keeping::Durable, 1, 1, caps)?;
        }
        if self.wants("W3") {
            self.commits("W3", Keeping::Durable, BATCH_KEYS, 1, caps)?;
        }
        if self.wants("W15") {
            self.commits("W15", Keeping::Durable, 1, COMMITTERS, caps)?;
        }
        Ok(())
    }

    /// W4.
    pub(super) fn unsynced_commits(&mut self) -> Result<()> {
        if self.wants("W4") {
            self.commits("W4", Keeping::Unsynced, 1, 1, self.caps)?;
        }
        Ok(())
    }

    /// Transactions that each overwrite `keys_each` random keys, so that every engine ends with
    /// the same keys however fast it is.
    fn commits(
        &mut self,
        name: &str,
        keeping: Keeping,
        keys_each: u64,
        threads: u64,
        caps: Caps,
    ) -> Result<()> {
        let (data, keys) = (self.data, self.keys);
        let store = self.store(keeping)?;
        let measured = measure(caps, EACH, threads, |thread, budget| {
            let mut random = Random::new(200 + 10 * keys_each + thread);
            let mut value = Vec::new();
            while budget.spend(keys_each) {
                let mut work = |writer: &mut dyn crate::engine::Writer| {
                    for _ in 0..keys_each {
                        let key = data.key(random.below(keys));
                        data.fill(&key, random.draw(), &mut value);
                        writer.put(&key, &value)?;
                    }
                    Ok(())
                };
                if threads == 1 {
                    store.write(&mut work)?;
                } else {
                    store.write_shared(&mut work)?;
                }
            }
            Ok(())
        })?;
        self.note(measured.rate(name, 1.0, "ops/s"))
    }

    /// W9: every second key, which is random in key order.
    pub(super) fn removals(&mut self) -> Result<()> {
        if !self.wants("W9") && !self.wants("W10") {
            return Ok(());
        }
        let (data, half) = (self.data, self.keys / 2);
        let caps = Caps {
            seconds: TO_THE_END,
            operations: half,
        };
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, EACH, 1, |_, budget| {
            let mut next = 0;
            while next < half && budget.spend(REMOVAL_KEYS.min(half - next)) {
                store.write(&mut |writer| {
                    (next..half.min(next + REMOVAL_KEYS))
                        .try_for_each(|index| writer.delete(&data.key(2 * index)))
                })?;
                next += REMOVAL_KEYS;
            }
            Ok(())
        })?;
        self.note(measured.rate("W9", 1.0, "ops/s"))
    }
}
