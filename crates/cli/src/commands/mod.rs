//! The verbs, and what each is given.

mod badger;
mod bank;
mod change;
mod check;
mod copies;
mod digest;
mod export;
mod import;
mod info;
mod inspect;
mod levels;
mod pages;
mod read;
mod search;
mod stats;
mod streams;
mod tidy;
mod versions;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::arguments;
use crate::failure::Outcome;
use crate::output::Output;
use crate::tour;

/// Embedded key-value stores: look into them, check them, copy them, change them.
///
/// A store is named by its path, or by engine and path as in bolt:my.db, lsm:my-store or flat:my-state. Verbs that only read
/// open it for reading only. Bucket paths are names parted by slashes; names, keys and values
/// that are no text are written as 0x and hexadecimal digits.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 damage, 4 locked or open elsewhere,
/// 5 not found.
#[derive(Debug, Parser)]
#[command(name = "strata", version)]
pub struct CommandLine {
    #[command(subcommand)]
    verb: Verb,
    /// Print one JSON object a line
    #[arg(long, global = true)]
    json: bool,
    /// Wait so long for a store that another process holds
    #[arg(long, global = true, value_name = "TIME", default_value = "1s", value_parser = arguments::duration)]
    timeout: Duration,
}

/// A store.
#[derive(Args, Debug)]
pub struct StoreArgs {
    /// The store: a path, or engine:path
    #[arg(value_name = "STORE")]
    pub store: OsString,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Load every Unicode character name into each engine and show what it can do
    Tour(tour::TourArgs),
    /// What a store is: engine, page size, versions, sizes
    Info(StoreArgs),
    /// The names of buckets
    Buckets(read::BucketsArgs),
    /// The keys of a bucket
    Keys(read::KeysArgs),
    /// The value of a key
    Get(read::GetArgs),
    /// Set the value of a key
    Put(change::PutArgs),
    /// Remove a key or a bucket
    Del(change::DelArgs),
    /// Pairs of a bucket, by range or prefix, from either end
    Scan(read::ScanArgs),
    /// Look for damage
    Check(check::CheckArgs),
    /// The shape of buckets, or what a store does over time
    Stats(stats::StatsArgs),
    /// A table of pages
    Pages(StoreArgs),
    /// What stands on a page
    Page(pages::PageArgs),
    /// The bytes of a page
    Dump(pages::PageArgs),
    /// The tree of buckets with their numbers of keys
    Inspect(StoreArgs),
    /// Counts and a hash of everything a store holds
    Digest(StoreArgs),
    /// Copy a store, tightly packed, into a new one; of an lsm store the newest versions only
    Compact(copies::CompactArgs),
    /// Copy a store while it may be in use; of an lsm store the newest versions only, or with
    /// `--format badger` every version that it shows
    Backup(copies::BackupArgs),
    /// Find pairs by words about keys, values and commit indexes
    Query(search::SearchArgs),
    /// Run a query and tell by which way it was answered
    Explain(search::SearchArgs),
    /// Write a flat or lsm store's contents to one file, with all that is kept beside pairs; of an lsm
    /// store the newest versions only
    Snapshot(streams::SnapshotArgs),
    /// Replace a flat or lsm store's contents by those of a snapshot, whole or not at all; or load
    /// a backup that Badger wrote
    Restore(streams::RestoreArgs),
    /// The levels of an lsm store
    Levels(StoreArgs),
    /// The tables and value-log files of an lsm store
    Tables(StoreArgs),
    /// Give back the space of an lsm store's dead values, as it does by itself
    Gc(StoreArgs),
    /// Merge all levels of an lsm store into one
    Flatten(StoreArgs),
    /// Move money between accounts with many threads and audit: does the store keep its word?
    Bank(bank::BankArgs),
    /// Write everything as lines of JSON; of an lsm store the newest versions only
    Export(export::ExportArgs),
    /// Read what export wrote
    Import(import::ImportArgs),
}

/// What every command is given beside its own arguments.
pub struct Context {
    pub timeout: Duration,
}

/// Runs a command.
pub fn run(line: CommandLine) -> Outcome {
    let context = Context {
        timeout: line.timeout,
    };
    let mut output = Output::new(line.json);
    let (context, out) = (&context, &mut output);
    match &line.verb {
        Verb::Tour(args) => tour::run(args, line.json)?,
        Verb::Info(args) => info::run(args, context, out)?,
        Verb::Buckets(args) => read::buckets(args, context, out)?,
        Verb::Keys(args) => read::keys(args, context, out)?,
        Verb::Get(args) => read::get(args, context, out)?,
        Verb::Put(args) => change::put(args, context)?,
        Verb::Del(args) => change::del(args, context)?,
        Verb::Scan(args) => read::scan(args, context, out)?,
        Verb::Check(args) => check::run(args, context, out)?,
        Verb::Stats(args) => stats::run(args, context, out)?,
        Verb::Pages(args) => pages::table(args, context, out)?,
        Verb::Page(args) => pages::show(args, context, out)?,
        Verb::Dump(args) => pages::dump(args, context, out)?,
        Verb::Inspect(args) => inspect::run(args, context, out)?,
        Verb::Digest(args) => digest::run(args, context, out)?,
        Verb::Compact(args) => copies::compact(args, context, out)?,
        Verb::Backup(args) => copies::backup(args, context, out)?,
        Verb::Query(args) => search::query(args, context, out)?,
        Verb::Explain(args) => search::explain(args, context, out)?,
        Verb::Snapshot(args) => streams::snapshot(args, context, out)?,
        Verb::Restore(args) => streams::restore(args, context, out)?,
        Verb::Levels(args) => levels::levels(args, context, out)?,
        Verb::Tables(args) => levels::tables(args, context, out)?,
        Verb::Gc(args) => tidy::gc(args, context, out)?,
        Verb::Flatten(args) => tidy::flatten(args, context, out)?,
        Verb::Bank(args) => bank::run(args, context, out)?,
        Verb::Export(args) => export::run(args, context, out)?,
        Verb::Import(args) => import::run(args, context, out)?,
    }
    output.finish()
}
