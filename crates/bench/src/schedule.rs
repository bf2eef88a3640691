//! What a run still has to do, how long that will take, and the caps that make it end in time.
//!
//! A run is a list of parts: an engine's chain in a round. A part takes about as long as the same
//! part took in the round before. Where a run has an end, the growth curves come last, once, and
//! take what time is left.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::report::Settings;
use crate::steps::{WORKLOADS, follows, grows};

/// The share of a run with an end that is kept for the growth curves.
const GROWTH_SHARE: f64 = 0.2;

/// What a phase needs at least to say anything.
const SECONDS_MIN: f64 = 0.2;

/// An engine's chain in a round.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub round: u32,
    pub engine: String,
    pub chain: &'static str,
}

/// All parts, in order: one engine after the other within a round, another one first each round.
pub fn parts(settings: &Settings) -> Vec<Part> {
    let once = |chain: &str| settings.minutes.is_some() && grows(chain);
    let mut parts = Vec::new();
    for round in 0..settings.rounds {
        let mut engines = settings.engines.clone();
        engines.rotate_left(round as usize % settings.engines.len());
        for engine in engines {
            let chains = chains(&settings.workloads_of(&engine));
            let chains = chains.into_iter().filter(|chain| !once(chain));
            parts.extend(chains.map(|chain| Part {
                round,
                engine: engine.clone(),
                chain,
            }));
        }
    }
    if settings.minutes.is_some() {
        for engine in &settings.engines {
            let chains = chains(&settings.workloads_of(engine));
            let chains = chains.into_iter().filter(|chain| once(chain));
            parts.extend(chains.map(|chain| Part {
                round: 0,
                engine: engine.clone(),
                chain,
            }));
        }
    }
    parts
}

/// The chains to run for the workloads asked for. A chain that begins with the store of another
/// comes right after it.
fn chains(workloads: &[String]) -> Vec<&'static str> {
    let asked = |workload: &str| workloads.iter().any(|name| name == workload);
    let mut chains: Vec<&str> = Vec::new();
    for (_, chain) in WORKLOADS.iter().filter(|(workload, _)| asked(workload)) {
        if chains.contains(chain) {
            continue;
        }
        let Some(before) = follows(chain) else {
            chains.push(chain);
            continue;
        };
        if !chains.contains(&before) {
            chains.push(before);
        }
        let of_store = |other: &&str| **other == *before || follows(other) == Some(before);
        let last = chains.iter().rposition(of_store).unwrap_or(0);
        chains.insert(last + 1, chain);
    }
    chains
}

/// How far a run has come.
pub struct Schedule {
    end: Option<Instant>,
    growth: Duration,
    rounds: u32,
    round_began: Instant,
    round: u32,
    /// Whether there is no time for this round, and so for none after it.
    skips: bool,
    /// The cap of a phase, in this round.
    pub seconds: f64,
    /// Seconds of this round's phases that took as long as the cap allows.
    capped_seconds: f64,
    took: BTreeMap<(String, &'static str), Duration>,
}

impl Schedule {
    pub fn new(settings: &Settings) -> Schedule {
        let now = Instant::now();
        let whole = settings.minutes.map(|minutes| minutes * 60.0);
        let grows = settings.workloads.iter().any(|workload| workload == "W18");
        let growth = whole.filter(|_| grows).unwrap_or(0.0) * GROWTH_SHARE;
        Schedule {
            end: whole.map(|seconds| now + Duration::from_secs_f64(seconds)),
            growth: Duration::from_secs_f64(growth),
            rounds: settings.rounds,
            round_began: now,
            round: 0,
            skips: false,
            seconds: settings.seconds,
            capped_seconds: 0.0,
            took: BTreeMap::new(),
        }
    }

    /// Before a part: sets the cap anew where a round begins. Answers whether there is time for
    /// the part: a round that would not end in time is not begun.
    pub fn begin(&mut self, part: &Part) -> bool {
        if part.round > self.round {
            let round_took = self.round_began.elapsed();
            self.round = part.round;
            self.round_began = Instant::now();
            if let Some(left) = self.rounds_left() {
                let (took, left) = (round_took.as_secs_f64(), left.as_secs_f64());
                let before = self.seconds;
                self.seconds = self.fitting(took, left / f64::from(self.rounds - part.round));
                let saved = self.capped_seconds * (1.0 - self.seconds / before);
                self.skips |= took - saved > left;
            }
            self.capped_seconds = 0.0;
        }
        if !grows(part.chain) {
            return !self.skips;
        }
        self.left().is_none_or(|left| left > Duration::from_secs(1))
    }

    /// After a part.
    pub fn ended(&mut self, part: &Part, took: Duration, figures: &[Figure]) {
        self.took.insert((part.engine.clone(), part.chain), took);
        // Several figures of one phase follow each other with the same seconds.
        let mut seconds: Vec<f64> = figures.iter().map(|figure| figure.seconds).collect();
        seconds.dedup();
        let capped =
            |seconds: &&f64| **seconds >= 0.9 * self.seconds && **seconds < 1.5 * self.seconds;
        self.capped_seconds += seconds.iter().filter(capped).sum::<f64>();
    }

    /// The cap with which a round takes `each` seconds, when the last took `took`.
    fn fitting(&self, took: f64, each: f64) -> f64 {
        let fixed = took - self.capped_seconds;
        let share = (each - fixed) / self.capped_seconds.max(0.01);
        // Never more than was asked for at the beginning of the run, so that rounds differ little.
        (self.seconds * share.min(1.0)).max(SECONDS_MIN.min(self.seconds))
    }

    /// Time left until the end, if the run has one.
    pub fn left(&self) -> Option<Duration> {
        let end = self.end?;
        Some(end.saturating_duration_since(Instant::now()))
    }

    fn rounds_left(&self) -> Option<Duration> {
        Some(self.left()?.saturating_sub(self.growth))
    }

    /// Seconds that each of `chains` growth chains that are left may take.
    pub fn growth_seconds(&self, chains: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "few chains")]
        let share = chains.max(1) as f64;
        self.left()
            .map_or(f64::INFINITY, |left| left.as_secs_f64() / share)
    }

    /// What to tell of the time that `parts` will take: it is known once each was run before.
    pub fn told(&self, parts: &[Part]) -> String {
        let took = |part: &Part| self.took.get(&(part.engine.clone(), part.chain));
        let known: Option<Duration> = parts.iter().map(took).sum();
        let minutes = |time: Duration| time.as_secs_f64() / 60.0;
        match (known, self.left()) {
            (Some(known), _) => format!("; about {:.1} min left", minutes(known)),
            (None, Some(left)) => format!("; at most {:.1} min left", minutes(left)),
            (None, None) => String::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(workloads: &[&str]) -> Vec<String> {
        workloads.iter().map(|&name| name.to_owned()).collect()
    }

    fn settings(minutes: Option<f64>) -> Settings {
        Settings {
            engines: names(&["bolt", "lmdb"]),
            workloads: names(&["W5", "W13", "W18"]),
            rounds: 2,
            seconds: 1.0,
            minutes,
            ..Settings::default()
        }
    }

    #[test]
    fn a_chain_that_needs_a_store_follows_the_one_that_makes_it() {
        let chains = chains(&names(&["W13w", "W16", "W19", "W13"]));
        let wanted = [
            "main",
            "open-write",
            "open",
            "cold",
            "tight",
            "index",
            "reopen",
        ];
        let place = |name: &str| chains.iter().position(|chain| *chain == name);
        assert_eq!(chains.len(), wanted.len(), "{chains:?}");
        assert!(
            wanted.iter().all(|name| place(name).is_some()),
            "{chains:?}"
        );
        assert!(
            place("main") < place("open") && place("reopen") == place("index").map(|at| at + 1)
        );
        assert!(
            place("open-write") < Some(3) && place("open") < Some(3),
            "{chains:?}"
        );
    }

    #[test]
    fn each_round_begins_with_another_engine() {
        let parts = parts(&settings(None));
        let firsts: Vec<&str> = parts
            .iter()
            .filter(|part| part.chain == "main")
            .map(|part| part.engine.as_str())
            .collect();
        assert_eq!(firsts, ["bolt", "lmdb", "lmdb", "bolt"]);
    }

    #[test]
    fn a_run_with_an_end_grows_once_and_last() {
        let all = parts(&settings(Some(15.0)));
        let place = all.iter().position(|part| grows(part.chain));
        let growing = all.iter().skip(place.unwrap_or(0));
        assert_eq!(growing.clone().count(), 4, "two engines, keys and texts");
        assert!(growing.clone().all(|part| grows(part.chain)));
    }

    #[test]
    fn the_cap_shrinks_until_a_round_fits() {
        let mut schedule = Schedule::new(&settings(Some(15.0)));
        schedule.capped_seconds = 60.0;
        assert!((schedule.fitting(100.0, 70.0) - 0.5).abs() < 1e-9);
        assert!((schedule.fitting(100.0, 200.0) - 1.0).abs() < 1e-9);
        assert!((schedule.fitting(100.0, 10.0) - SECONDS_MIN).abs() < 1e-9);
    }
}
