//! W5 to W8: reads, each value whole and checked.

use std::cell::Cell;

use crate::data::{Data, MISSING, belongs};
use crate::engine::{Engine, Keeping, Reader, Result};
use crate::measure::{Budget, READS, measure};
use crate::random::Random;
use crate::steps::Chain;

/// Entries that a range reads.
const RANGE_ENTRIES: u64 = 10;

impl Chain {
    /// Every read that was asked for, on a store that has been read once.
    pub(super) fn reads(&mut self) -> Result<()> {
        if self.wants_any(&["W5", "W5t", "W6", "W7", "W8"]) {
            self.count()?;
        }
        if self.wants("W5") {
            for threads in [1, 2] {
                self.random_reads(threads)?;
            }
        }
        if self.wants("W5t") {
            self.single_reads()?;
        }
        if self.wants("W6") {
            self.missing_reads()?;
        }
        if self.wants("W7") {
            self.ranges()?;
        }
        if self.wants("W8") {
            self.full_scans()?;
        }
        Ok(())
    }

    fn random_reads(&mut self, threads: u64) -> Result<()> {
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, threads, |thread, budget| {
            read_at_random(store, data, keys, 500 + thread, budget)
        })?;
        let name = if threads == 1 {
            "W5".to_owned()
        } else {
            format!("W5-{threads}")
        };
        self.note(measured.rate(name, 1.0, "ops/s"))
    }

    fn single_reads(&mut self) -> Result<()> {
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, 1, |_, budget| {
            let mut random = Random::new(510);
            while budget.spend(1) {
                let key = data.key(random.below(keys));
                store.read(&mut |reader| check_get(reader, &key))?;
            }
            Ok(())
        })?;
        self.note(measured.rate("W5t", 1.0, "ops/s"))
    }

    fn missing_reads(&mut self) -> Result<()> {
        let (data, caps) = (self.plan.data, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, 1, |_, budget| {
            let mut random = Random::new(600);
            store.read(&mut |reader| {
                while budget.spend(1) {
                    let key = data.key(MISSING + random.below(MISSING));
                    if reader.get(&key, &mut |_| {})? {
                        return Err("found a key that was never written".into());
                    }
                }
                Ok(())
            })
        })?;
        self.note(measured.rate("W6", 1.0, "ops/s"))
    }

    fn ranges(&mut self) -> Result<()> {
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, 1, |_, budget| {
            let mut random = Random::new(700);
            store.read(&mut |reader| {
                while budget.spend(1) {
                    let key = data.key(random.below(keys));
                    check_range(reader, &key, RANGE_ENTRIES)?;
                }
                Ok(())
            })
        })?;
        self.note(measured.rate("W7", 1.0, "ops/s"))
    }

    fn full_scans(&mut self) -> Result<()> {
        self.full_scan("W8", false)?;
        self.full_scan("W8-back", true)
    }

    /// Scans everything again and again.
    pub(super) fn full_scan(&mut self, name: &str, back: bool) -> Result<()> {
        let caps = self.plan.caps;
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, READS, 1, |_, budget| {
            let mut goes_on = true;
            while goes_on {
                goes_on = scan(store, back, budget)?;
            }
            Ok(())
        })?;
        self.note(measured.rate(name, 1.0, "entries/s"))
    }

    /// Counts the entries, checking each. O(entries)
    pub(super) fn count(&mut self) -> Result<u64> {
        let store = self.store(Keeping::Durable)?;
        let (mut count, mut sound) = (0, true);
        store.read(&mut |reader| {
            reader.scan(&[], &mut |key, value| {
                count += 1;
                sound = belongs(key, value);
                sound
            })
        })?;
        if sound {
            Ok(count)
        } else {
            Err("a value is not its key's".into())
        }
    }
}

/// Reads keys that are there, in one transaction, until the budget is spent.
pub(super) fn read_at_random(
    store: &dyn Engine,
    data: Data,
    keys: u64,
    seed: u64,
    budget: &mut Budget,
) -> Result<()> {
    let mut random = Random::new(seed);
    store.read(&mut |reader| {
        while budget.spend(1) {
            check_get(reader, &data.key(random.below(keys)))?;
        }
        Ok(())
    })
}

/// Scans once; answers whether there is budget for another.
pub(super) fn scan(store: &dyn Engine, back: bool, budget: &mut Budget) -> Result<bool> {
    let (mut sound, mut goes_on, mut last) = (true, true, [0_u8; 8]);
    let mut visit = |key: &[u8], value: &[u8]| {
        goes_on = budget.spend(1);
        let head = *key.first_chunk().unwrap_or(&[0; 8]);
        let ordered = last == [0; 8] || if back { head <= last } else { head >= last };
        last = head;
        sound = ordered && belongs(key, value);
        goes_on && sound
    };
    store.read(&mut |reader| match back {
        false => reader.scan(&[], &mut visit),
        true => reader.scan_back(&mut visit),
    })?;
    if sound {
        Ok(goes_on)
    } else {
        Err("a scan is out of order, or a value not its key's".into())
    }
}

/// Reads a key that is there.
pub(super) fn check_get(reader: &dyn Reader, key: &[u8]) -> Result<()> {
    let mut sound = false;
    reader.get(key, &mut |value| sound = belongs(key, value))?;
    if sound {
        Ok(())
    } else {
        Err("a value is missing or not its key's".into())
    }
}

/// Reads up to `count` entries from a key on.
pub(super) fn check_range(reader: &dyn Reader, from: &[u8], count: u64) -> Result<()> {
    let (sound, left) = (Cell::new(true), Cell::new(count));
    reader.scan(from, &mut |key, value| {
        sound.set(sound.get() && key >= from && belongs(key, value));
        left.set(left.get() - 1);
        left.get() > 0
    })?;
    let empty = left.get() == count && count > 0;
    if sound.get() && !empty {
        Ok(())
    } else {
        Err("a range is empty or holds a wrong value".into())
    }
}
