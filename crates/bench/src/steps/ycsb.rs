//! W12: the mixes of YCSB, keys chosen by Zipf's law with exponent 0.99, commits unsynced.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::data::Data;
use crate::engine::{Engine, Keeping, Result};
use crate::measure::{Budget, measure};
use crate::random::{Random, Zipfian, mix};
use crate::steps::Chain;
use crate::steps::commits::put;
use crate::steps::reads::{check_get, check_range};

/// What one operation in so many of a hundred is; the rest are reads.
#[derive(Clone, Copy)]
enum Other {
    Update(u64),
    Insert(u64),
    ReadAndUpdate(u64),
}

/// Name, whether its reads are ranges, and what is no read.
const MIXES: [(&str, bool, Other); 5] = [
    ("A", false, Other::Update(50)),
    ("B", false, Other::Update(5)),
    ("C", false, Other::Update(0)),
    ("E", true, Other::Insert(5)),
    ("F", false, Other::ReadAndUpdate(50)),
];

/// The longest range of mix E.
const RANGE_ENTRIES_MAX: u64 = 100;

/// Operations between two looks at the clock.
const STRIDE: u64 = 16;

/// One mix on one store.
struct Mix<'a> {
    store: &'a dyn Engine,
    data: Data,
    keys: u64,
    zipfian: &'a Zipfian,
    ranges: bool,
    other: Other,
    next_new: &'a AtomicU64,
}

impl Chain {
    /// All mixes, on one thread and on two.
    pub(super) fn ycsb(&mut self) -> Result<()> {
        if !self.wants("W12") {
            return Ok(());
        }
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let zipfian = Zipfian::new(keys, 0.99);
        let next_new = AtomicU64::new(keys + self.added);
        for (name, ranges, other) in MIXES {
            for threads in [1, 2] {
                let store = self.store(Keeping::Unsynced)?;
                let mix = Mix {
                    store,
                    data,
                    keys,
                    zipfian: &zipfian,
                    ranges,
                    other,
                    next_new: &next_new,
                };
                let measured = measure(caps, STRIDE, threads, |thread, budget| {
                    mix.run(1200 + thread, budget)
                })?;
                let suffix = if threads == 1 { "" } else { "-2" };
                self.note(measured.rate(format!("W12-{name}{suffix}"), 1.0, "ops/s"))?;
            }
        }
        self.added = next_new.into_inner() - keys;
        Ok(())
    }
}

impl Mix<'_> {
    fn run(&self, seed: u64, budget: &mut Budget) -> Result<()> {
        let (mut random, mut value) = (Random::new(seed), Vec::new());
        while budget.spend(1) {
            // Popular keys lie anywhere in key order and in the order of loading.
            let index = mix(self.zipfian.draw(&mut random)) % self.keys;
            let drawn = random.below(100);
            match self.other {
                Other::Update(share) if drawn < share => {
                    self.put(index, random.draw(), &mut value)?;
                }
                Other::Insert(share) if drawn < share => {
                    let index = self.next_new.fetch_add(1, Ordering::Relaxed);
                    self.put(index, 0, &mut value)?;
                }
                Other::ReadAndUpdate(share) if drawn < share => {
                    self.read(index, &mut random)?;
                    self.put(index, random.draw(), &mut value)?;
                }
                _ => self.read(index, &mut random)?,
            }
        }
        Ok(())
    }

    fn put(&self, index: u64, version: u64, value: &mut Vec<u8>) -> Result<()> {
        self.store
            .write(&mut |writer| put(writer, self.data, index, version, value))
    }

    fn read(&self, index: u64, random: &mut Random) -> Result<()> {
        let key = self.data.key(index);
        let entries = 1 + random.below(RANGE_ENTRIES_MAX);
        self.store.read(&mut |reader| match self.ranges {
            true => check_range(reader, &key, entries),
            false => check_get(reader, &key),
        })
    }
}
