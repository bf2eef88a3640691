//! What each engine must reach, and is to reach, from the file beside the sources.

use std::sync::LazyLock;

use crate::figure::workload_of;
use crate::report::{Comparison, Report};
use crate::statistics::Spread;

static TEXT: &str = include_str!("../targets.txt");

/// How far below a must the lower quartile may lie: noise of single rounds.
const QUARTILE_SHARE: f64 = 0.95;

/// One line of the table.
pub struct Target {
    pub engine: &'static str,
    pub figure: &'static str,
    /// None for a figure that is compared with nobody's.
    pub peer: Option<&'static str>,
    pub must: f64,
    pub goal: f64,
}

/// Every line of the table.
pub static TARGETS: LazyLock<Vec<Target>> =
    LazyLock::new(|| TEXT.lines().filter_map(parse).collect());

fn parse(line: &'static str) -> Option<Target> {
    let line = line.split('#').next()?;
    let mut words = line.split_whitespace();
    Some(Target {
        engine: words.next()?,
        figure: words.next()?,
        peer: words.next().filter(|peer| *peer != "-"),
        must: words.next()?.parse().ok()?,
        goal: words.next()?.parse().ok()?,
    })
}

/// The workloads whose figures have a target of `engine`: all of them, or those compared with
/// `peer`.
pub fn workloads_of_targets(engine: &str, peer: Option<&str>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for target in TARGETS.iter().filter(|target| target.engine == engine) {
        if peer.is_some() && target.peer != peer {
            continue;
        }
        let workload = workload_of(target.figure);
        // What is scanned after compaction must be compacted.
        let also = target.figure.ends_with("-compacted").then_some("W10");
        for name in also.into_iter().chain([workload]) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
    }
    names
}

/// How a target was met.
pub struct Verdict {
    /// A ratio to the peer's figure, or the figure itself.
    pub spread: Spread,
    pub rounds: usize,
    pub rate: f64,
    pub peer_rate: Option<f64>,
    pub less_is_better: bool,
    pub must_holds: bool,
    pub goal_holds: bool,
}

impl Target {
    /// What `report` says about it; none if it has no round that counts.
    pub fn judge(&self, report: &Report) -> Option<Verdict> {
        let Some(peer) = self.peer else {
            let (spread, rounds) = report.alone(self.figure)?;
            return Some(self.verdict(spread, rounds, spread.median, None, true));
        };
        let Comparison {
            ratio,
            rate,
            peer_rate,
            rounds,
            less_is_better,
            ..
        } = report.compare(self.figure, peer)?;
        Some(self.verdict(ratio?, rounds, rate?, peer_rate, less_is_better))
    }

    /// A limit holds if the median keeps it and the worse quartile nearly does.
    fn verdict(
        &self,
        spread: Spread,
        rounds: usize,
        rate: f64,
        peer_rate: Option<f64>,
        less_is_better: bool,
    ) -> Verdict {
        let holds = |limit: f64| match less_is_better {
            true => spread.median <= limit && spread.high <= limit / QUARTILE_SHARE,
            false => spread.median >= limit && spread.low >= limit * QUARTILE_SHARE,
        };
        Verdict {
            spread,
            rounds,
            rate,
            peer_rate,
            less_is_better,
            must_holds: holds(self.must),
            goal_holds: holds(self.goal),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        Target {
            engine: "bolt",
            figure: "W5",
            peer: Some("lmdb"),
            must: 1.0,
            goal: 1.5,
        }
    }

    fn must_holds(low: f64, median: f64, high: f64, less_is_better: bool) -> bool {
        let spread = Spread { low, median, high };
        target()
            .verdict(spread, 5, 1.0, Some(1.0), less_is_better)
            .must_holds
    }

    #[test]
    fn a_must_holds_with_the_median_above_and_the_lower_quartile_just_below() {
        assert!(must_holds(0.95, 1.0, 1.2, false));
        assert!(!must_holds(0.94, 1.1, 1.2, false));
        assert!(!must_holds(0.98, 0.99, 1.2, false));
    }

    #[test]
    fn where_less_is_better_a_must_is_the_most_allowed() {
        assert!(must_holds(0.5, 0.9, 1.05, true));
        assert!(!must_holds(0.5, 1.01, 1.02, true));
        assert!(!must_holds(0.5, 0.9, 1.06, true));
    }

    #[test]
    fn every_line_of_the_file_is_a_target() {
        let lines = TEXT
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        assert_eq!(lines.count(), TARGETS.len());
        let (bolt, all) = (|target: &&Target| target.engine == "bolt", TARGETS.iter());
        assert_eq!(all.filter(bolt).count(), 30);
    }
}
