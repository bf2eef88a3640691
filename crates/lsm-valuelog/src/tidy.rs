//! The work behind the scenes: flushing, compaction and collection, on threads or on call.
//!
//! A step that fails is tried again after a pause, and told in the log and the counters; nothing
//! is swallowed, and nothing that was installed is undone.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kv_api::{Error, Result};

use crate::counters::Counters;
use crate::error::locked;
use crate::id::Sequence;
use crate::level::LEVELS;
use crate::levels::untidy;
use crate::shared::Shared;
use crate::version::Version;

/// How long a thread sleeps at most before it looks again.
const PATIENCE: Duration = Duration::from_millis(250);

/// The pause after a step that failed.
const RETRY: Duration = Duration::from_millis(500);

/// Kinds of work.
const FLUSHING: &str = "flushing";
const COMPACTING: &str = "compacting";

/// The longest delay of one commit while level 0 fills up.
const DELAY_MAX: Duration = Duration::from_millis(5);

/// How long a commit is held up while level 0 has so many tables.
fn delay(tables: usize, slow: usize, limit: usize) -> Duration {
    if tables < slow {
        return Duration::ZERO;
    }
    let (over, span) = (tables - slow + 1, limit.saturating_sub(slow).max(1));
    let share = over as f64 / span as f64;
    DELAY_MAX.mul_f64((share * share).min(1.0))
}

impl Shared {
    /// Holds a writer up for as long as the tree is behind: not at all, a little more with each
    /// table too many, and at the limit until there is room.
    pub fn stall(&self) -> Result<()> {
        if !self.options.background {
            return Ok(());
        }
        let state = self.state.load();
        let (sealed, zero) = (state.sealed.len(), state.version.level(0).len());
        drop(state);
        let (slow, limit) = (
            self.options.level_zero_tables_slow,
            self.options.level_zero_tables_max,
        );
        if zero < slow && sealed <= self.options.sealed_memtables_max {
            return Ok(());
        }
        let began = Instant::now();
        if zero >= slow {
            std::thread::sleep(delay(zero, slow, limit));
        }
        loop {
            let seen = self.work.rings();
            let state = self.state.load();
            let awaits_flush = state.sealed.len() > self.options.sealed_memtables_max;
            let awaits_merge = state.version.level(0).len() >= limit;
            drop(state);
            if !awaits_flush && !awaits_merge {
                break;
            }
            self.refuse_closed()?;
            self.refuse_poisoned()?;
            // Whoever waits for work that fails again and again would wait for ever.
            let awaited = if awaits_flush { FLUSHING } else { COMPACTING };
            self.work.refuse_failing(awaited)?;
            self.work.wait(seen, PATIENCE);
        }
        let waited = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Counters::add(&self.counters.stall_ns, waited);
        Ok(())
    }

    /// Does all that is due, on the caller's thread.
    pub fn tidy_now(&self) {
        // A failure here is none of the commit's, which is done; the work is due again later.
        let done = self.flush_due().and_then(|()| self.compact_due());
        let done = done.and_then(|()| self.collect_due());
        if let Err(error) = done {
            self.note_failure("tidying up", &error);
        }
    }

    fn flush_due(&self) -> Result<()> {
        while self.flush_one()? {}
        Ok(())
    }

    fn compact_due(&self) -> Result<()> {
        while self.compact_one()? {}
        Ok(())
    }

    fn collect_due(&self) -> Result<()> {
        while self.collect_one()? {}
        Ok(())
    }

    fn note_failure(&self, doing: &'static str, error: &Error) {
        Counters::add(&self.counters.background_failures, 1);
        self.work.note_failure(doing, error);
        tracing::warn!(%error, "{doing} failed; it will be tried again");
    }

    /// Whether threads should end.
    fn is_over(&self) -> bool {
        self.refuse_closed().is_err()
    }

    fn keep_doing(&self, doing: &'static str, step: impl Fn() -> Result<bool>) {
        while !self.is_over() {
            let seen = self.work.rings();
            if self.poisoned().is_some() {
                self.work.wait(seen, PATIENCE);
                continue;
            }
            match step() {
                Ok(true) => self.work.note_success(doing),
                Ok(false) => self.work.wait(seen, PATIENCE),
                Err(error) => {
                    self.note_failure(doing, &error);
                    self.work.wait(self.work.rings(), RETRY);
                }
            }
        }
    }

    /// Writes memtables to tables until the store is closed.
    pub fn flush_until_closed(&self) {
        self.keep_doing(FLUSHING, || Ok(self.flush_one()? || self.make_log_ready()?));
    }

    /// Compacts and collects until the store is closed.
    pub fn compact_until_closed(&self) {
        let mut last_commit = self.visible();
        let mut quiet_since = Instant::now();
        let mut settled_as_of = None;
        while !self.is_over() {
            let seen = self.work.rings();
            let newest = self.visible();
            if newest != last_commit {
                (last_commit, quiet_since, settled_as_of) = (newest, Instant::now(), None);
            }
            settled_as_of = settled_as_of.filter(|moment| !self.is_more_waste_since(*moment));
            let moment = (self.settled(), self.now());
            let is_idle = quiet_since.elapsed() >= self.options.idle;
            let step = || {
                if self.poisoned().is_some() {
                    return Ok(false);
                }
                Ok(self.compact_one()?
                    || self.collect_one()?
                    || is_idle && settled_as_of.is_none() && self.settle_one()?)
            };
            match step() {
                Ok(true) => self.work.note_success(COMPACTING),
                Ok(false) => {
                    // What another thread is merging or writing to a table may leave something to
                    // be done, and what it has finished since this step looked has rung.
                    let is_alone = locked(&self.files).busy.is_empty()
                        && self.state.load().sealed.is_empty()
                        && self.work.rings() == seen;
                    if is_idle && is_alone && !self.awaits_readers() {
                        settled_as_of = settled_as_of.or(Some(moment));
                    }
                    self.work.wait(seen, PATIENCE);
                }
                Err(error) => {
                    self.note_failure(COMPACTING, &error);
                    self.work.wait(self.work.rings(), RETRY);
                }
            }
        }
    }

    /// Compacts what the other thread leaves until the store is closed.
    pub fn help_until_closed(&self) {
        self.keep_doing(COMPACTING, || self.compact_one());
    }

    /// Whether more may be given back than at that moment, though nobody has written since: readers
    /// have ended, or the time of values has passed.
    fn is_more_waste_since(&self, (settled, then): (Sequence, u64)) -> bool {
        let (version, now) = (Arc::clone(&self.state.load().version), self.now());
        let mut ends = version.tables().map(|(_, table)| table.meta.expires_max);
        self.settled() > settled || ends.any(|end| end > then && end <= now)
    }

    /// Whether a table of `level` holds deletions that an open transaction may be compared with.
    fn has_unsettled(&self, version: &Version, level: usize) -> bool {
        let settled = self.settled();
        let mut tables = version.level(level).iter();
        tables.any(|table| table.meta.tombstones > 0 && table.meta.max_sequence > settled)
    }

    /// Whether tidying waits for an open transaction to end.
    fn awaits_readers(&self) -> bool {
        let version = Arc::clone(&self.state.load().version);
        (0..LEVELS).any(|level| self.has_unsettled(&version, level))
    }

    /// One step towards a store without waste, for when nobody writes: what is only in memory but
    /// keeps values alive goes to a table, what is stacked goes down. Answers whether there was
    /// anything to be done.
    fn settle_one(&self) -> Result<bool> {
        let state = self.state.load_full();
        let is_wasteful = state.memtable.separated_bytes() > 0
            || state.version.level_bytes(0) > 0 && !state.memtable.is_empty()
            || self.is_log_heavy(&state.version);
        if is_wasteful {
            let mut core = locked(&self.core);
            self.flush_all(&mut core)?;
            return Ok(true);
        }
        // Deletions that an open transaction must be compared with would be taken to the last level,
        // where nothing ever touches them again; there is no hurry.
        if let Some(level) = untidy(&state.version)
            && !self.has_unsettled(&state.version, level)
            && self.compact_level(level)?
        {
            return Ok(true);
        }
        Ok(self.clean_one()? || self.seal_wasteful()? || self.remove_spare_logs())
    }
}

/// Starts the threads of a store, and notes each in `threads` as soon as it runs.
pub(crate) fn start_threads(
    shared: &Arc<Shared>,
    threads: &mut Vec<std::thread::JoinHandle<()>>,
) -> Result<()> {
    if !shared.options.background || shared.options.is_read_only {
        return Ok(());
    }
    let mut start = |name: &str, run: fn(&Shared)| {
        let shared = Arc::clone(shared);
        let builder = std::thread::Builder::new().name(name.to_owned());
        let spawned = builder.spawn(move || run(&shared));
        threads.push(spawned.map_err(|error| Error::io("making a thread", error))?);
        Ok(())
    };
    start("lsm-flush", Shared::flush_until_closed)?;
    start("lsm-compact", Shared::compact_until_closed)?;
    (1..shared.options.compaction_threads)
        .try_for_each(|_| start("lsm-compact-2", Shared::help_until_closed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commits_are_held_up_a_little_more_with_each_table_too_many() {
        let delays: Vec<Duration> = (0..=20).map(|tables| delay(tables, 8, 20)).collect();
        assert!(delays.iter().take(8).all(Duration::is_zero));
        assert!(delays.get(8).is_some_and(|first| !first.is_zero()));
        for pair in delays.windows(2) {
            let [one, next] = pair else { continue };
            let step = next.saturating_sub(*one);
            assert!(one <= next && step < DELAY_MAX / 5, "{delays:?}");
        }
        assert_eq!(delays.last(), Some(&DELAY_MAX));
        assert_eq!(delay(9, 8, 8), DELAY_MAX, "no room between the limits");
    }
}
