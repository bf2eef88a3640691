//! The bench: Strata's engines beside their peers, in one run.

mod data;
mod engine;
mod engines;
mod figure;
mod machine;
mod measure;
mod plot;
mod random;
mod report;
mod runner;
mod schedule;
mod statistics;
mod steps;
mod table;
mod targets;
mod texts;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::data::{Data, KeyShape};
use crate::engine::Result;
use crate::measure::Caps;
use crate::steps::{Chain, Plan};

#[derive(Parser)]
#[command(about = "Runs Strata's engines beside their peers and compares the rates")]
struct Command {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs workloads on an engine and its peers, rounds interleaved.
    Run(runner::Run),
    /// Makes plots and tables of reports.
    Plot(report::Plot),
    /// Names the engines that are built in.
    Engines,
    /// Runs one engine's chain of phases; what `run` starts for each engine and round.
    #[command(hide = true)]
    Child(Child),
}

/// What a child is told. The Go program for bbolt and badger takes the same.
#[derive(Args)]
struct Child {
    #[arg(long)]
    engine: String,
    #[arg(long)]
    directory: PathBuf,
    #[arg(long)]
    chain: String,
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    #[arg(long)]
    keys: u64,
    #[arg(long)]
    shape: KeyShape,
    #[arg(long)]
    seconds: f64,
    #[arg(long)]
    operations: u64,
    /// Seconds that W18 may take.
    #[arg(long, default_value_t = f64::INFINITY)]
    growth_seconds: f64,
}

fn child(told: Child) -> Result<()> {
    let data = Data {
        seed: 1,
        shape: told.shape,
        value_bytes: 150,
    };
    let caps = Caps {
        seconds: told.seconds,
        operations: told.operations,
    };
    let plan = Plan {
        kind: engines::find(&told.engine)?,
        directory: told.directory,
        data,
        keys: told.keys,
        caps,
        growth_seconds: told.growth_seconds,
        workloads: told.workloads,
    };
    Chain::new(plan).run(&told.chain)
}

fn main() -> ExitCode {
    let done = match Command::parse().verb {
        Verb::Run(run) => runner::run(&run),
        Verb::Plot(plot) => report::plot(&plot),
        Verb::Engines => report::engines(),
        Verb::Child(told) => child(told),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report::complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}
