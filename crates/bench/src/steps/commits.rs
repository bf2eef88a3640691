//! W1 to W4, W9, W15, and what W14 says of their writes: what changes the store.

use crate::data::Data;
use crate::engine::{Engine, Keeping, Result, Writer};
use crate::figure::Figure;
use crate::machine::device_bytes_written;
use crate::measure::{Budget, Caps, EACH, Latencies, Measured, measure};
use crate::random::Random;
use crate::steps::Chain;

/// Keys of one transaction of W3.
const BATCH_KEYS: u64 = 1000;

/// Keys of one transaction of W9.
const REMOVAL_KEYS: u64 = 5000;

/// Keys of one transaction of W20.
const PART_KEYS: u64 = 100;

/// How much longer than other phases W20 is, so that several memtables fill and one commit in a
/// thousand is not a handful of commits.
const COMPACTING: f64 = 8.0;

/// Threads of W15.
const COMMITTERS: u64 = 8;

/// What bounds a step whose end later steps rely on.
pub(super) const TO_THE_END: f64 = 1800.0;

/// Transactions of one kind.
#[derive(Clone, Copy)]
struct Commits {
    name: &'static str,
    keeping: Keeping,
    keys_each: u64,
    threads: u64,
}

impl Chain {
    /// W1: all keys, in one transaction where the engine can.
    pub(super) fn load(&mut self) -> Result<()> {
        let before = self.device_bytes();
        let measured = self.put_all(0, self.plan.keys, u64::MAX, Keeping::Durable)?;
        self.note(measured.rate("W1", 1.0, "ops/s"))?;
        let user_bytes = self.plan.data.entry_bytes() * self.plan.keys;
        self.note_written("W14-load", before, user_bytes, "x")?;
        self.note_space("W10-loaded", self.plan.keys)
    }

    /// Puts the keys from `from` up to `to`, in transactions of at most `keys_each`.
    pub(super) fn put_all(
        &mut self,
        from: u64,
        to: u64,
        keys_each: u64,
        keeping: Keeping,
    ) -> Result<Measured> {
        let data = self.plan.data;
        let keys_max = self.plan.kind.load_keys_max.unwrap_or(u64::MAX);
        let keys_each = keys_each.min(keys_max).min(to - from);
        let caps = Caps {
            seconds: TO_THE_END,
            operations: to - from,
        };
        let store = self.store(keeping)?;
        measure(caps, keys_each, 1, |_, budget| {
            let (mut next, mut value) = (from, Vec::new());
            while next < to && budget.spend(keys_each.min(to - next)) {
                let end = to.min(next + keys_each);
                store.write(&mut |writer| {
                    (next..end).try_for_each(|index| put(writer, data, index, 0, &mut value))
                })?;
                next = end;
            }
            Ok(())
        })
    }

    /// W2, W3 and W15.
    pub(super) fn durable_commits(&mut self) -> Result<()> {
        let commits = |name, keys_each, threads| Commits {
            name,
            keeping: Keeping::Durable,
            keys_each,
            threads,
        };
        if self.wants("W2") || self.wants("W14") {
            let counted = self.store(Keeping::Durable)?.bytes_written();
            let before = self.device_bytes();
            let measured = self.commits(commits("W2", 1, 1))?;
            self.note_written("W14-commit", before, measured.operations(), "B")?;
            self.note_counted(counted, measured.operations())?;
        }
        if self.wants("W3") || self.wants("W14") {
            let before = self.device_bytes();
            let measured = self.commits(commits("W3", BATCH_KEYS, 1))?;
            let user_bytes = self.plan.data.entry_bytes() * measured.operations();
            self.note_written("W14-batch", before, user_bytes, "x")?;
        }
        if self.wants("W15") {
            self.commits(commits("W15", 1, COMMITTERS))?;
        }
        Ok(())
    }

    /// W20: how long commits take while so much is written that the engine must compact.
    pub(super) fn commits_beside_compaction(&mut self) -> Result<()> {
        if !self.wants("W20") {
            return Ok(());
        }
        let caps = self.plan.caps;
        self.plan.caps.seconds *= COMPACTING;
        let done = self.commits(Commits {
            name: "W20",
            keeping: Keeping::Durable,
            keys_each: PART_KEYS,
            threads: 1,
        });
        self.plan.caps = caps;
        done.map(drop)
    }

    /// W4.
    pub(super) fn unsynced_commits(&mut self) -> Result<()> {
        if self.wants("W4") {
            self.commits(Commits {
                name: "W4",
                keeping: Keeping::Unsynced,
                keys_each: 1,
                threads: 1,
            })?;
        }
        Ok(())
    }

    /// Notes the rate of such transactions, and how long they take where a caller waits for each.
    fn commits(&mut self, commits: Commits) -> Result<Measured> {
        let (data, keys, caps) = (self.plan.data, self.plan.keys, self.plan.caps);
        let store = self.store(commits.keeping)?;
        let latencies = std::sync::Mutex::new(Latencies::new()?);
        let measured = measure(caps, EACH, commits.threads, |thread, budget| {
            let seed = 200 + 10 * commits.keys_each + thread;
            let mut own = Latencies::new()?;
            overwrite(store, data, keys, commits, seed, &mut own, budget)?;
            let all = latencies.lock();
            all.map_err(|_| "another thread panicked")?.add(&own)
        })?;
        let name = commits.name;
        self.note(measured.rate(name, 1.0, "ops/s"))?;
        let latencies = latencies.into_inner().map_err(|_| "a thread panicked")?;
        if commits.keys_each < BATCH_KEYS && commits.keeping == Keeping::Durable {
            for (suffix, share) in [("p50", 0.5), ("p99", 0.99), ("p999", 0.999)] {
                let latency = latencies.quantile_us(share);
                self.note(measured.figure(format!("{name}-{suffix}"), latency, "us"))?;
            }
        }
        Ok(measured)
    }

    /// W9: every second key, which is random in key order.
    pub(super) fn removals(&mut self) -> Result<()> {
        if !self.wants_any(&["W9", "W10"]) {
            return Ok(());
        }
        let (data, half) = (self.plan.data, self.plan.keys / 2);
        let caps = Caps {
            seconds: TO_THE_END,
            operations: half,
        };
        let store = self.store(Keeping::Durable)?;
        let measured = measure(caps, EACH, 1, |_, budget| {
            let mut next = 0;
            while next < half && budget.spend(REMOVAL_KEYS.min(half - next)) {
                let end = half.min(next + REMOVAL_KEYS);
                store.write(&mut |writer| {
                    (next..end).try_for_each(|index| writer.delete(&data.key(2 * index)))
                })?;
                next = end;
            }
            Ok(())
        })?;
        self.note(measured.rate("W9", 1.0, "ops/s"))
    }

    /// Bytes written to the device so far, if W14 or W11 wants to know.
    pub(super) fn device_bytes(&self) -> Option<u64> {
        let wanted = self.wants_any(&["W11", "W14"]);
        wanted.then(|| device_bytes_written(&self.plan.directory))?
    }

    /// Notes bytes written for each commit by the engine's own count, if it has one: on a device
    /// that others write to as well, the surer figure.
    #[expect(clippy::cast_precision_loss, reason = "bytes of one run fit 53 bits")]
    fn note_counted(&mut self, before: Option<u64>, commits: u64) -> Result<()> {
        let now = self.store(Keeping::Durable)?.bytes_written();
        let (Some(before), Some(now)) = (before, now) else {
            return Ok(());
        };
        let each = (now - before) as f64 / commits as f64;
        self.note(Figure::still("W14-commit-counted", each, "B"))
    }

    /// Notes bytes written to the device since `before` for each of `parts`.
    #[expect(clippy::cast_precision_loss, reason = "bytes of one run fit 53 bits")]
    pub(super) fn note_written(
        &self,
        name: &str,
        before: Option<u64>,
        parts: u64,
        unit: &str,
    ) -> Result<()> {
        let (Some(before), Some(now)) = (before, self.device_bytes()) else {
            return Ok(());
        };
        self.note(Figure::still(
            name,
            (now - before) as f64 / parts as f64,
            unit,
        ))
    }
}

/// Puts one pair.
pub(super) fn put(
    writer: &mut dyn Writer,
    data: Data,
    index: u64,
    version: u64,
    value: &mut Vec<u8>,
) -> Result<()> {
    let key = data.key(index);
    data.fill(&key, version, value);
    writer.put(&key, value)
}

/// Overwrites random keys until the budget is spent. Overwrites, so that every engine ends with
/// the same keys however fast it is.
fn overwrite(
    store: &dyn Engine,
    data: Data,
    keys: u64,
    commits: Commits,
    seed: u64,
    latencies: &mut Latencies,
    budget: &mut Budget,
) -> Result<()> {
    let (mut random, mut value) = (Random::new(seed), Vec::new());
    while budget.spend(commits.keys_each) {
        let mut work = |writer: &mut dyn Writer| {
            (0..commits.keys_each).try_for_each(|_| {
                let index = random.below(keys);
                put(writer, data, index, random.draw(), &mut value)
            })
        };
        latencies.time(|| match commits.threads {
            1 => store.write(&mut work),
            _ => store.write_shared(&mut work),
        })?;
    }
    Ok(())
}
