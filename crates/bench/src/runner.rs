//! The parent: starts a fresh process for every engine, chain and round, one engine after the
//! other within a round, and gathers what they print.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Args;

use crate::data::KeyShape;
use crate::engine::Result;
use crate::engines;
use crate::figure::Figure;
use crate::machine::Machine;
use crate::report::{self, Report, Settings, Turn};
use crate::steps::WORKLOADS;

/// Processes that each open the store once, for W13.
const OPENINGS: usize = 5;

/// What to run.
#[derive(Args)]
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
    /// One short round on a tenth of the keys.
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
        let workloads = if self.workloads.is_empty() {
            all_workloads()
        } else {
            self.workloads.clone()
        };
        let mut settings = Settings {
            engines,
            workloads,
            keys: self.keys,
            shape: self.shape,
            rounds: self.rounds,
            seconds: self.seconds,
            operations: self.operations,
            accept_noise: self.accept_noise,
        };
        if self.quick {
            settings.engines.truncate(2);
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
    for round in 0..report.settings.rounds {
        for engine in rotated(&report.settings.engines, round) {
            let turn = turn(&report.settings, &run.directory, &engine, round)?;
            report.turns.push(turn);
            // After every turn, so that a run that is cut short leaves what it has.
            std::fs::write(&json, serde_json::to_vec_pretty(&report)?)?;
        }
    }
    report::print(&report)
}

fn all_workloads() -> Vec<String> {
    let mut names: Vec<String> = WORKLOADS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    names.dedup();
    names
}

/// The chains to run for the workloads asked for. Opening follows the main chain, whose store it
/// needs; every other chain begins with an empty directory.
fn chains(settings: &Settings) -> Vec<&'static str> {
    let asked = |workload: &str| settings.workloads.iter().any(|name| name == workload);
    let mut chains: Vec<&str> = Vec::new();
    for (workload, chain) in WORKLOADS.iter().filter(|(workload, _)| asked(workload)) {
        if *workload == "W13" && !chains.contains(&"main") {
            chains.push("main");
        }
        if !chains.contains(chain) {
            chains.push(chain);
        }
    }
    chains.sort_by_key(|chain| match *chain {
        "main" => 0,
        "open" => 1,
        _ => 2,
    });
    chains
}

/// The engines, beginning with another one each round.
fn rotated(engines: &[String], round: u32) -> Vec<String> {
    let mut engines = engines.to_vec();
    let places = round as usize % engines.len();
    engines.rotate_left(places);
    engines
}

/// One engine's part of a round.
fn turn(settings: &Settings, root: &Path, engine: &str, round: u32) -> Result<Turn> {
    let directory = root.join(engine);
    let mut turn = Turn {
        round,
        engine: engine.to_owned(),
        figures: Vec::new(),
        failures: Vec::new(),
    };
    for chain in chains(settings) {
        if chain != "open" {
            remove(&directory)?;
            std::fs::create_dir_all(&directory)?;
        }
        let times = if chain == "open" { OPENINGS } else { 1 };
        report::complain(&format!(
            "round {} of {}: {engine} {chain}",
            round + 1,
            settings.rounds
        ));
        for _ in 0..times {
            if let Err(failure) = child(settings, &directory, engine, chain, &mut turn.figures) {
                report::complain(&format!("{engine}: {failure}"));
                turn.failures.push(failure.to_string());
            }
        }
    }
    remove(&directory)?;
    Ok(turn)
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
    directory: &Path,
    engine: &str,
    chain: &str,
    figures: &mut Vec<Figure>,
) -> Result<()> {
    let program = engines::named(engine)?.program;
    let mut command = Command::new(&program);
    if program == std::env::current_exe()? {
        command.arg("child");
    }
    let mut process = command
        .args(["--engine", engine, "--chain", chain])
        .arg("--directory")
        .arg(directory)
        .args(["--workloads", &settings.workloads.join(",")])
        .args(["--keys", &settings.keys.to_string()])
        .args(["--shape", &settings.shape.to_string()])
        .args(["--seconds", &settings.seconds.to_string()])
        .args(["--operations", &settings.operations.to_string()])
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
