//! What a run found: every turn of every engine, and the comparison of engine and peers.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use serde::{Deserialize, Serialize};

use crate::data::KeyShape;
use crate::engine::{Class, Result};
use crate::engines;
use crate::figure::{Figure, workload_of};
use crate::machine::Machine;
use crate::schedule::Part;
use crate::statistics::Spread;
use crate::{plot, table};

/// What W18 times.
const GROWING: [&str; 8] = [
    "load",
    "commit",
    "read",
    "scan-start",
    "range",
    "index",
    "search",
    "search-row",
];

/// Cores that others may keep busy before a figure is refused.
const FOREIGN_CORES_MAX: f64 = 0.1;

/// How a run was set up.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    /// The engine in question, then its peers.
    pub engines: Vec<String>,
    pub workloads: Vec<String>,
    pub keys: u64,
    pub shape: KeyShape,
    pub rounds: u32,
    pub seconds: f64,
    pub operations: u64,
    pub accept_noise: bool,
    /// Minutes in which the run had to end.
    #[serde(default)]
    pub minutes: Option<f64>,
    /// Engines that ran some of the workloads only.
    #[serde(default)]
    pub only: BTreeMap<String, Vec<String>>,
}

impl Settings {
    /// The workloads that `engine` runs.
    pub fn workloads_of(&self, engine: &str) -> Vec<String> {
        self.only.get(engine).unwrap_or(&self.workloads).clone()
    }
}

/// One engine's part of one round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Turn {
    pub round: u32,
    pub engine: String,
    /// The cap of its phases.
    #[serde(default)]
    pub seconds: f64,
    pub figures: Vec<Figure>,
    /// Why chains ended early, where they did.
    pub failures: Vec<String>,
}

/// What a part of a turn found.
#[derive(Default)]
pub struct Found {
    pub figures: Vec<Figure>,
    pub failures: Vec<String>,
}

/// A whole run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    pub machine: Machine,
    pub versions: BTreeMap<String, String>,
    /// What an engine's commits of W4 and W12 survive.
    pub unsynced: BTreeMap<String, Class>,
    pub settings: Settings,
    pub turns: Vec<Turn>,
}

impl Report {
    /// A report without turns.
    pub fn new(machine: Machine, settings: Settings) -> Result<Report> {
        let (mut versions, mut unsynced) = (BTreeMap::new(), BTreeMap::new());
        for name in &settings.engines {
            let named = engines::named(name)?;
            versions.insert(name.clone(), named.version);
            unsynced.insert(name.clone(), named.unsynced);
        }
        Ok(Report {
            machine,
            versions,
            unsynced,
            settings,
            turns: Vec::new(),
        })
    }

    /// Adds to the turn that `part` belongs to; it begins if it has not.
    pub fn add(&mut self, part: &Part, seconds: f64, found: Found) {
        let is_it = |turn: &&mut Turn| turn.round == part.round && turn.engine == part.engine;
        if let Some(turn) = self.turns.iter_mut().find(is_it) {
            turn.figures.extend(found.figures);
            turn.failures.extend(found.failures);
            return;
        }
        self.turns.push(Turn {
            round: part.round,
            engine: part.engine.clone(),
            seconds,
            figures: found.figures,
            failures: found.failures,
        });
    }

    /// Figures that must be the same for every engine and round, and are not.
    pub fn disagreements(&self) -> BTreeSet<&str> {
        let figures = self.turns.iter().flat_map(|turn| &turn.figures);
        let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
        let mut differing = BTreeSet::new();
        for figure in figures.filter(|figure| figure.unit == "rows") {
            let value = figure.value.to_bits();
            if *seen.entry(&figure.name).or_insert(value) != value {
                differing.insert(figure.name.as_str());
            }
        }
        differing
    }

    /// The engine in question.
    pub fn engine(&self) -> &str {
        self.settings.engines.first().map_or("", String::as_str)
    }

    /// The section of the page that shows it: search has one of its own.
    pub fn section(&self) -> String {
        let searches = |workload: &String| workload.starts_with('S');
        let suffix = if self.settings.workloads.iter().all(searches) {
            "-search"
        } else {
            ""
        };
        format!("{}{suffix}", self.engine())
    }

    /// Cores that others kept busy in the median phase.
    pub fn foreign_cores(&self) -> f64 {
        let figures = self.turns.iter().flat_map(|turn| &turn.figures);
        let timed = figures.filter(|figure| figure.seconds > 0.1);
        let cores: Vec<f64> = timed.map(|figure| figure.foreign_cores).collect();
        Spread::of(&cores).map_or(0.0, |spread| spread.median)
    }

    /// The figure `name` of the engine in question, over all rounds, and how many there were.
    pub fn alone(&self, name: &str) -> Option<(Spread, usize)> {
        let values: Vec<f64> = (0..self.settings.rounds)
            .filter_map(|round| self.reached(self.engine(), round, name))
            .map(|figure| figure.value)
            .collect();
        Some((Spread::of(&values)?, values.len()))
    }

    /// The points of W18: keys, and the median time of one operation with so many.
    pub fn growth(&self, engine: &str, what: &str) -> Vec<(f64, f64)> {
        let prefix = format!("W18-{what}-");
        let point = |name: &String| {
            let keys = name.strip_prefix(&prefix)?.parse().ok()?;
            let rounds = 0..self.settings.rounds;
            let times = rounds.filter_map(|round| self.reached(engine, round, name));
            let times: Vec<f64> = times.map(|figure| figure.value).collect();
            Some((keys, Spread::of(&times)?.median))
        };
        self.figure_names().iter().filter_map(point).collect()
    }

    /// The names of all figures, in the order the engine in question reported them.
    pub fn figure_names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for figure in self.turns.iter().flat_map(|turn| &turn.figures) {
            if !names.contains(&figure.name) {
                names.push(figure.name.clone());
            }
        }
        names
    }

    /// What `engine` reached in `round` for the figure `name`: the median if it gave several.
    fn reached(&self, engine: &str, round: u32, name: &str) -> Option<Figure> {
        let turns = self.turns.iter();
        let turns = turns.filter(|turn| turn.engine == engine && turn.round == round);
        let figures: Vec<&Figure> = turns
            .flat_map(|turn| &turn.figures)
            .filter(|figure| figure.name == name)
            .collect();
        let values: Vec<f64> = figures.iter().map(|figure| figure.value).collect();
        let median = Spread::of(&values)?.median;
        Some(Figure {
            value: median,
            ..(*figures.first()?).clone()
        })
    }

    /// Whether the engine in question promised less than `peer` for this figure.
    fn promised_less(&self, name: &str, peer: &str) -> bool {
        let unsynced = ["W4", "W12", "W18"].contains(&workload_of(name));
        unsynced && self.unsynced.get(self.engine()) < self.unsynced.get(peer)
    }

    /// Compares the engine in question with `peer`; none where one of them has no such figure,
    /// or promised less for it than the peer did.
    pub fn compare(&self, name: &str, peer: &str) -> Option<Comparison> {
        // Counts of rows are there to be the same, not to be more.
        if self.promised_less(name, peer) || name.ends_with("-rows") {
            return None;
        }
        let engine = self.settings.engines.first()?;
        let (mut rates, mut peer_rates, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        let (mut refused, mut less_is_better) = (0, false);
        for round in 0..self.settings.rounds {
            let Some(ours) = self.reached(engine, round, name) else {
                continue;
            };
            let Some(theirs) = self.reached(peer, round, name) else {
                continue;
            };
            less_is_better = ours.less_is_better();
            let foreign = ours.foreign_cores.max(theirs.foreign_cores);
            if foreign > FOREIGN_CORES_MAX && !self.settings.accept_noise {
                refused += 1;
                continue;
            }
            rates.push(ours.value);
            peer_rates.push(theirs.value);
            ratios.push(ours.value / theirs.value);
        }
        Some(Comparison {
            rate: Spread::of(&rates).map(|spread| spread.median),
            peer_rate: Spread::of(&peer_rates).map(|spread| spread.median),
            ratio: Spread::of(&ratios),
            rounds: ratios.len(),
            refused,
            less_is_better,
        })
        .filter(|comparison| comparison.rounds + comparison.refused > 0)
    }
}

/// An engine and a peer on one figure.
pub struct Comparison {
    pub rate: Option<f64>,
    pub peer_rate: Option<f64>,
    /// Ours over the peer's, round by round. None if every round was refused.
    pub ratio: Option<Spread>,
    /// Rounds that count.
    pub rounds: usize,
    /// Rounds refused for noise.
    pub refused: usize,
    pub less_is_better: bool,
}

/// What to make of reports.
#[derive(Args)]
pub struct Plot {
    /// Reports that runs have written.
    #[arg(default_value = "target/bench/report.json")]
    reports: Vec<PathBuf>,
    /// Where plots go.
    #[arg(long, default_value = "docs/performance")]
    plots: PathBuf,
    /// The page whose marked section gets the table.
    #[arg(long, default_value = "docs/performance.md")]
    page: PathBuf,
    /// The front page, whose marked section tells of the reports kept beside the plots.
    #[arg(long, default_value = "README.md")]
    front: PathBuf,
}

/// Makes the plots and the tables.
pub fn plot(plot: &Plot) -> Result<()> {
    std::fs::create_dir_all(&plot.plots)?;
    for path in &plot.reports {
        let report: Report = serde_json::from_slice(&std::fs::read(path)?)?;
        let engine = report.engine();
        table::write_section(&plot.page, &report.section(), &table::table(&report)?)?;
        for peer in report.settings.engines.iter().skip(1) {
            let file = plot.plots.join(format!("{engine}-over-{peer}.svg"));
            std::fs::write(file, plot::ratios(&report, peer)?)?;
        }
        for what in GROWING {
            if let Some(svg) = plot::growth(&report, what)? {
                std::fs::write(plot.plots.join(format!("{engine}-growth-{what}.svg")), svg)?;
            }
        }
    }
    front(plot)
}

/// Writes the front page's table, if there are reports to tell of.
fn front(plot: &Plot) -> Result<()> {
    let mut reports: Vec<Report> = Vec::new();
    for engine in ["bolt", "lsm", "flat"] {
        if let Ok(bytes) = std::fs::read(plot.plots.join(format!("{engine}.json"))) {
            reports.push(serde_json::from_slice(&bytes)?);
        }
    }
    match reports.is_empty() {
        true => Ok(()),
        false => table::write_section(&plot.front, "ratios", &table::front_table(&reports)?),
    }
}

/// Prints one line for each figure and peer.
pub fn print(report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let Some((engine, peers)) = report.settings.engines.split_first() else {
        return Ok(());
    };
    for name in report.figure_names() {
        if let Some((spread, rounds)) = report.alone(&name).filter(|_| peers.is_empty()) {
            let (rate, share) = (rounded(spread.median), spread.share());
            write!(out, "bench workload={name} engine={engine} rate={rate} ")?;
            writeln!(out, "spread={share:.2} rounds={rounds}")?;
        }
        for peer in peers {
            if let Some(comparison) = report.compare(&name, peer) {
                write!(out, "bench workload={name} engine={engine} ")?;
                writeln!(out, "{}", line(&comparison, peer))?;
            }
        }
    }
    Ok(())
}

fn line(comparison: &Comparison, peer: &str) -> String {
    let (Some(ratio), Some(rate), Some(peer_rate)) =
        (comparison.ratio, comparison.rate, comparison.peer_rate)
    else {
        return format!("peer={peer} refused={} reason=noise", comparison.refused);
    };
    let mut line = format!(
        "rate={} peer={peer} peer_rate={} ratio={:.2} spread={:.2} low={:.2} high={:.2} rounds={}",
        rounded(rate),
        rounded(peer_rate),
        ratio.median,
        ratio.share(),
        ratio.low,
        ratio.high,
        comparison.rounds,
    );
    if comparison.less_is_better {
        line.push_str(" better=less");
    }
    if comparison.refused > 0 {
        line.push_str(&format!(" refused={}", comparison.refused));
    }
    line
}

/// A figure with as many digits as mean something.
pub fn rounded(value: f64) -> String {
    match value {
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// Prints the engines that are built in.
pub fn engines() -> Result<()> {
    let mut out = std::io::stdout().lock();
    for kind in engines::KINDS {
        let (version, class) = ((kind.version)(), kind.unsynced.name());
        writeln!(out, "{} {version}, an unsynced commit {class}", kind.name)?;
    }
    Ok(())
}

/// Says something to whoever watches the run.
pub fn complain(text: &str) {
    // If there is no one to tell, there is nothing to do about it.
    drop(writeln!(std::io::stderr().lock(), "bench: {text}"));
}
