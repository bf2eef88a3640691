//! When a key was not there.
//!
//! Who reads that a key is not there cannot say which deletion made it so. But a key has lives, each
//! from the version that was put where nothing was to its deletion, and they come one after the
//! other. Reads before writes tell what belongs to a life; the clock tells which life was first,
//! since a transaction that had ended before another began comes before it. Lives that the clock
//! cannot tell apart stand together in one period.
//!
//! Invariants:
//! * everything of a period comes before everything of the next one;
//! * only the last life of a key may have no deletion, or else an update was lost.

use crate::history::anomaly::{Anomaly, Findings};
use crate::history::key_index::Versions;
use crate::history::record::{History, Key, RecordedTransaction, Version};

/// From where nothing was to where nothing is.
#[derive(Clone, Copy, Debug)]
struct Life {
    inserted: Version,
    deleted: Option<Version>,
    /// When the first of its writers had ended, and when the last began.
    first_ended: u64,
    last_begun: u64,
}

/// Lives that nobody can order, after all before and before all behind them.
#[derive(Debug)]
struct Period {
    lives: Vec<Life>,
    /// When each of its lives and of those before them had a writer that had ended.
    first_ended_by: u64,
    /// When the last of those who put it there had ended.
    inserted_by: u64,
    /// When the first of those who deleted it began.
    deleted_from: u64,
}

/// The periods of a key.
#[derive(Debug, Default)]
pub(crate) struct Absences {
    periods: Vec<Period>,
}

impl Absences {
    /// Those of a key of which everything is known.
    pub fn of(
        history: &History,
        key: Key,
        versions: &Versions,
        time: bool,
        findings: &mut Findings,
    ) -> Absences {
        let ended = |version: Version| history.get(version.writer).map_or(u64::MAX, |t| t.ended);
        let mut lives: Vec<Life> = versions
            .inserted()
            .iter()
            .map(|inserted| Life::of(history, versions, *inserted))
            .collect();
        lives.sort_by_key(|life| ended(life.inserted));
        report_lost(key, &lives, findings);
        let mut absences = Absences::default();
        for life in lives {
            absences.add(life, time);
        }
        if time {
            for period in &mut absences.periods {
                period.take_times(history);
            }
        }
        absences
    }

    /// Adds a life in a period of its own, or in one with all from the first period that it does
    /// not surely follow: a writer that was kept waiting on its way to the clock has a life that
    /// overlaps those of more than the last period.
    fn add(&mut self, life: Life, time: bool) {
        let mut period = Period {
            first_ended_by: if time { life.first_ended } else { u64::MAX },
            inserted_by: u64::MAX,
            deleted_from: 0,
            lives: Vec::new(),
        };
        let overlaps = |before: &mut Period| before.first_ended_by >= life.last_begun;
        while let Some(before) = self.periods.pop_if(overlaps) {
            period.first_ended_by = period.first_ended_by.max(before.first_ended_by);
            period.lives.extend(before.lives);
        }
        let before = self
            .periods
            .last()
            .map_or(0, |before| before.first_ended_by);
        period.first_ended_by = period.first_ended_by.max(before);
        period.lives.push(life);
        self.periods.push(period);
    }

    /// Deletions, and the versions that were put there next.
    pub fn successions(&self) -> impl Iterator<Item = (Version, Version)> {
        let pairs = self.periods.iter().zip(self.periods.iter().skip(1));
        pairs.flat_map(|(before, after)| {
            let inserted = after.lives.iter().map(|life| life.inserted);
            inserted.flat_map(|inserted| before.deletions().map(move |deleted| (deleted, inserted)))
        })
    }

    /// What must come before a transaction that found nothing, and what after it.
    pub fn around(&self, reader: &RecordedTransaction) -> (Vec<Version>, Vec<Version>) {
        let passed = |period: &&Period| period.inserted_by < reader.begun;
        let before = self.periods.iter().rev().find(passed);
        let before = before.map_or_else(Vec::new, |period| period.deletions().collect());
        let is_ahead =
            |period: &&Period| period.is_single_open() || reader.ended < period.deleted_from;
        let mut after: Vec<Version> = self
            .periods
            .iter()
            .find(is_ahead)
            .map_or_else(Vec::new, |period| {
                period.lives.iter().map(|life| life.inserted).collect()
            });
        // What was put there and never deleted was not there yet, wherever it stands.
        let open = self
            .periods
            .last()
            .and_then(|period| period.lives.iter().find(|life| life.deleted.is_none()));
        after.extend(open.map(|life| life.inserted));
        (before, after)
    }
}

impl Life {
    fn of(history: &History, versions: &Versions, inserted: Version) -> Life {
        let mut life = Life {
            inserted,
            deleted: None,
            first_ended: u64::MAX,
            last_begun: 0,
        };
        let mut at = Some(inserted);
        // A version is followed by one that is another transaction's, so no chain is longer than
        // the history; one that goes round in circles is told as a cycle of writes.
        let mut left = history.transactions().len();
        while let Some(version) = at.filter(|_| left > 0) {
            if let Some(writer) = history.get(version.writer) {
                life.first_ended = life.first_ended.min(writer.ended);
                life.last_begun = life.last_begun.max(writer.begun);
            }
            if versions.is_deletion(version) {
                life.deleted = Some(version);
                break;
            }
            at = versions.after(version);
            left -= 1;
        }
        life
    }
}

impl Period {
    fn deletions(&self) -> impl Iterator<Item = Version> {
        self.lives.iter().filter_map(|life| life.deleted)
    }

    fn is_single_open(&self) -> bool {
        matches!(self.lives.as_slice(), [life] if life.deleted.is_none())
    }

    fn take_times(&mut self, history: &History) {
        let transaction = |version: Version| history.get(version.writer);
        let inserted = self
            .lives
            .iter()
            .filter_map(|life| transaction(life.inserted));
        self.inserted_by = inserted.map(|t| t.ended).max().unwrap_or(u64::MAX);
        let deleted = self.deletions().filter_map(transaction);
        self.deleted_from = deleted.map(|t| t.begun).min().unwrap_or(u64::MAX);
    }
}

/// Of two lives that were never ended, one was overwritten by somebody who did not see it.
fn report_lost(key: Key, lives: &[Life], findings: &mut Findings) {
    let open: Vec<&Life> = lives.iter().filter(|life| life.deleted.is_none()).collect();
    for pair in open.windows(2) {
        if let [one, other] = pair {
            findings.report(Anomaly::LostUpdate {
                key,
                replaced: None,
                writers: [one.inserted.writer, other.inserted.writer],
            });
        }
    }
}
