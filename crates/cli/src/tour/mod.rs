//! The tour: the official names of all Unicode characters, loaded into each engine that exists,
//! read in every way, searched where the engine can, copied while in use, and checked.

mod backup;
mod levels;
mod names;
mod reading;
mod report;
mod search;
mod snapshot;
mod stream;
mod work;

use std::path::{Path, PathBuf};

use clap::Args;
use kv_api::{Error, Result};
use strata::{AnyStore, Engine, Location};

use names::Names;
use report::Report;

/// What the tour can be told.
#[derive(Args, Clone, Debug)]
pub struct TourArgs {
    /// Keep the stores in this directory, which must not hold any yet
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// Load only so many characters
    #[arg(long, value_name = "N", hide = true)]
    limit: Option<usize>,
}

/// Runs the tour through every engine of this build.
pub fn run(args: &TourArgs, json: bool) -> Result<()> {
    let mut report = Report::new(json);
    let names = Names::of_unicode(args.limit.unwrap_or(usize::MAX));
    report.say(&format!(
        "{} characters have an official name, {} bytes of text in all.",
        names.count(),
        names.bytes()
    ));
    let temporary;
    let directory = match &args.keep {
        Some(directory) => {
            std::fs::create_dir_all(directory)
                .map_err(|error| Error::io("making the directory", error))?;
            directory.as_path()
        }
        None => {
            temporary =
                tempfile::tempdir().map_err(|error| Error::io("making a directory", error))?;
            temporary.path()
        }
    };
    for engine in Engine::ALL
        .into_iter()
        .filter(|engine| engine.is_built_in())
    {
        tour_of(engine, directory, &names, &mut report)?;
    }
    report.table();
    if args.keep.is_some() {
        report.say(&format!("The stores stay in {}.", directory.display()));
    }
    Ok(())
}

fn tour_of(engine: Engine, directory: &Path, names: &Names, report: &mut Report) -> Result<()> {
    let path = directory.join(format!("tour.{engine}"));
    report.begin(engine.name());
    let location = Location::of(engine, &path);
    let options = strata::OpenOptions::new().create(true).value_index(true);
    let store = options.open_at(&location)?;
    if store.open_snapshot()?.digest()?.keys > 0 {
        return Err(Error::Exists {
            what: "a store in the directory to keep",
        });
    }
    work::load(&store, names, report)?;
    report.size("store after load", size_of(&path)?);
    reading::look_up(&store, names, report)?;
    reading::scan_prefixes(&store, names, report)?;
    reading::scan_range(&store, names, report)?;
    reading::scan_everything(&store, names, report)?;
    search::ask(&store, names, report)?;
    levels::tidy_up(&store, names, report)?;
    snapshot::hold(&store, report)?;
    stream::there_and_back(&store, engine, directory, report)?;
    let copy = directory.join(format!("tour-backup.{engine}"));
    backup::copy_while_writing(&store, engine, &copy, names, report)?;
    check(&store, "store", report)?;
    let digest = store.open_snapshot()?.digest()?;
    report.say(&format!("Its contents: {digest}"));
    store.shut_down()?;
    report.size("store at the end", size_of(&path)?);
    Ok(())
}

/// Checks a store and fails if anything is found.
fn check(store: &AnyStore, what: &str, report: &mut Report) -> Result<()> {
    let Some(checker) = store.as_check() else {
        return Ok(());
    };
    let mut first = None;
    let summary = report.timed(&format!("check of the {what}"), "units", || {
        let summary = checker.check(&mut |finding| {
            first.get_or_insert(finding);
        })?;
        Ok((summary.units, summary))
    })?;
    match first {
        Some(finding) => Err(Error::corrupt(finding.place, finding.what)),
        None => {
            report.say(&format!(
                "The {what} is sound: {} units accounted for.",
                summary.units
            ));
            Ok(())
        }
    }
}

fn size_of(path: &Path) -> Result<u64> {
    crate::targets::size_of(path).map_err(|error| Error::io("reading a size", error))
}
