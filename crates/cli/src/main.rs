//! The strata command line.
#![allow(clippy::print_stdout, reason = "a program prints")]
mod tour;
use clap::Parser;
#[derive(Parser)]
enum Cli {
    Tour(tour::TourArgs),
}
fn main() -> std::process::ExitCode {
    let Cli::Tour(args) = Cli::parse();
    match tour::run(&args) {
        Ok(()) => 0.into(),
        Err(e) => {
            eprintln!("{e}");
            1.into()
        }
    }
}
