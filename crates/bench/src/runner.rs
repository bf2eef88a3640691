//! The parent: starts a fresh process for every engine, chain and round, one engine after the
//! other within a round, and gathers what they print.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;

use crate::data::KeyShape;
use crate::engine::Result;
use crate::engines;
use crate::figure::Figure;
use crate::machine::Machine;
use crate::report::{self, Found, Report, Settings};
use crate::schedule::{self, Part, Schedule};
use crate::steps::{WORKLOADS, follows};
use crate::targets::workloads_of_targets;

/// Processes that each open a store once, for W13 and W19.
const OPENINGS: usize = 5;

/// What to run. An option that is given twice counts the second time.
#[derive(Args)]
#[command(args_override_self = true)]
pub struct Run {
    /// The engine in question.
    #[arg(long, default_value = "bolt")]
    engine: String,
    /// Engines to compare it with.
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// Workloads to run; all if none is named.
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// Keys to load.
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// What keys look like: random, user or tenant.
    #[arg(long, default_value_t = KeyShape::Random)]
    shape: KeyShape,
    /// Rounds; figures to be reported need five.
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Seconds after which a phase stops.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Operations after which a phase stops.
    #[arg(long, default_value_t = 20_000_000)]
    operations: u64,
    /// Runs what targets name, and each peer only for the figures that are compared with it.
    #[arg(long)]
    targets_only: bool,
    /// Minutes in which to be done: phases are shortened to that end, and W18 runs once.
    #[arg(long)]
    minutes: Option<f64>,
    /// One short round on a tenth of the keys, with the first peer.
    #[arg(long)]
    quick: bool,
    /// Counts rounds too in which others kept more than a tenth of a core busy.
    #[arg(long)]
    accept_noise: bool,
    /// Where stores are made; it should lie on the device in question.
    #[arg(long, default_value = "target/bench")]
    directory: PathBuf,
    /// Where to write the report; `report.json` in that directory if it is not said.
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Run {
    fn settings(&self) -> Settings {
        let mut engines = vec![self.engine.clone()];
        engines.extend(self.peers.iter().cloned());
        let workloads = if !self.workloads.is_empty() {
            self.workloads.clone()
        } else if self.targets_only {
            let mut all = workloads_of_targets(&self.engine, None);
            // Search has a run of its own: making FTS5's indexes takes as long as all the rest.
            all.retain(|workload| !workload.starts_with('S'));
            all.push("W18".to_owned());
            all
        } else {
            all_workloads()
        };
        let only_of = |peer: &String| {
            let mut only = workloads_of_targets(&self.engine, Some(peer));
            only.retain(|workload| workloads.contains(workload));
            (peer.clone(), only)
        };
        let only = self.peers.iter().filter(|_| self.targets_only).map(only_of);
        let mut settings = Settings {
            engines,
            only: only.filter(|(_, only)| !only.is_empty()).collect(),
            workloads,
            minutes: self.minutes,
            keys: self.keys,
            shape: self.shape,
            rounds: self.rounds,
            seconds: self.seconds,
            operations: self.operations,
            accept_noise: self.accept_noise,
        };
        if self.quick {
            for left_out in settings.engines.drain(2.min(settings.engines.len())..) {
                report::complain(&format!("skipped: {left_out}, --quick takes one peer"));
            }
            settings.keys = settings.keys.min(100_000);
            settings.rounds = 1;
            settings.seconds = settings.seconds.min(1.0);
        }
        settings
    }
}

/// Runs everything, prints the comparison and writes the report.
pub fn run(run: &Run) -> Result<()> {
    let settings = run.settings();
    let known = all_workloads();
    let unknown = |name: &&String| !known.contains(name);
    if let Some(name) = settings.workloads.iter().find(unknown) {
        return Err(format!("no workload is called {name}").into());
    }
    std::fs::create_dir_all(&run.directory)?;
    let default = || run.directory.join("report.json");
    let json = run.json.clone().unwrap_or_else(default);
    let mut report = Report::new(Machine::here(&run.directory), settings)?;
    let parts = schedule::parts(&report.settings);
    let mut schedule = Schedule::new(&report.settings);
    for (place, part) in parts.iter().enumerate() {
        let rest = parts.get(place..).unwrap_or_default();
        if schedule.begin(part) {
            report::complain(&announced(part, &schedule, rest, report.settings.rounds));
            let began = Instant::now();
            let caps = ChildCaps {
                seconds: schedule.seconds,
                growth_seconds: schedule.growth_seconds(rest.len()),
            };
            let directory = run.directory.join(&part.engine);
            let found = run_part(&report.settings, caps, &directory, part)?;
            schedule.ended(part, began.elapsed(), &found.figures);
            report.add(part, schedule.seconds, found);
            let next = rest.get(1);
            if next.is_none_or(|next| next.engine != part.engine || follows(next.chain).is_none()) {
                remove(&directory)?;
            }
        } else {
            let failure = format!("no time left for {}", part.chain);
            report::complain(&format!("{}: {failure}", part.engine));
            let mut found = Found::default();
            found.failures.push(failure);
            report.add(part, schedule.seconds, found);
        }
        // After every part, so that a run that is cut short leaves what it has.
        std::fs::write(&json, serde_json::to_vec(&report)?)?;
    }
    report::print(&report)?;
    let differing: Vec<&str> = report.disagreements().into_iter().collect();
    if differing.is_empty() {
        return Ok(());
    }
    Err(format!("the engines' answers differ: {}", differing.join(", ")).into())
}

/// What to tell whoever watches.
fn announced(part: &Part, schedule: &Schedule, rest: &[Part], rounds: u32) -> String {
    let Part {
        round,
        engine,
        chain,
    } = part;
    let left = schedule.told(rest);
    let cap = schedule.seconds;
    format!(
        "round {} of {rounds}: {engine} {chain}, phases of {cap:.2} s{left}",
        round + 1
    )
}

fn all_workloads() -> Vec<String> {
    let mut names: Vec<String> = WORKLOADS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.dedup();
    names
}

/// What bounds a child's phases.
#[derive(Clone, Copy)]
struct ChildCaps {
    seconds: f64,
    growth_seconds: f64,
}

/// Runs one chain, as often as it takes.
fn run_part(settings: &Settings, caps: ChildCaps, directory: &Path, part: &Part) -> Result<Found> {
    let mut found = Found::default();
    if follows(part.chain).is_none() {
        remove(directory)?;
        std::fs::create_dir_all(directory)?;
    }
    let times = if follows(part.chain).is_some() {
        OPENINGS
    } else {
        1
    };
    for _ in 0..times {
        if let Err(failure) = child(settings, caps, directory, part, &mut found.figures) {
            report::complain(&format!("{}: {failure}", part.engine));
            found.failures.push(failure.to_string());
        }
    }
    Ok(found)
}

fn remove(directory: &Path) -> Result<()> {
    match std::fs::remove_dir_all(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => Ok(removed?),
    }
}

/// Runs one chain in a process of its own.
fn child(
    settings: &Settings,
    caps: ChildCaps,
    directory: &Path,
    part: &Part,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let (engine, chain) = (part.engine.as_str(), part.chain);
    let program = engines::named(engine)?.program;
    let mut command = Command::new(&program);
    if program == std::env::current_exe()? {
        command.arg("child");
    }
    let mut process = command
        .args(["--engine", engine, "--chain", chain])
        .arg("--directory")
        .arg(directory)
        .args(["--workloads", &settings.workloads_of(engine).join(",")])
        .args(["--keys", &settings.keys.to_string()])
        .args(["--shape", &settings.shape.to_string()])
        .args(["--seconds", &caps.seconds.to_string()])
        .args(["--operations", &settings.operations.to_string()])
        .args(["--growth-seconds", &caps.growth_seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let printed = process.stdout.take().ok_or("a child without output")?;
    for line in BufReader::new(printed).lines() {
        figures.push(serde_json::from_str(&line?)?);
    }
    let status = process.wait()?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("chain {chain} ended with {status}").into())
    }
}
