//! The strata command line.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damage, 4 locked or open elsewhere, 5 not found.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program speaks to whoever runs it"
)]

mod arguments;
mod commands;
mod failure;
mod output;
mod show;
mod stores;
mod targets;
mod tour;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let line = commands::CommandLine::parse();
    match commands::run(line) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
