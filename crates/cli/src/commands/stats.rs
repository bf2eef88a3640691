//! `stats`: the shape of buckets, or what a store does over time.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::json;
use strata::flat::{SegmentStatistics, Statistics};
use txn::{BucketStatistics, Ticker};

use super::Context;
use crate::arguments::{duration, pace};
use crate::failure::Outcome;
use crate::output::Output;
use crate::stores;

#[derive(Args, Debug)]
pub struct StatsArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// Only top-level buckets whose names begin with this
    #[arg(value_name = "PREFIX", default_value = "")]
    prefix: String,
    /// Scan the store over and over, and print to standard error at this pace, as JSON, what its
    /// counters counted since the last time
    #[arg(long, value_name = "TIME", value_parser = pace)]
    every: Option<Duration>,
    /// Stop after this time instead of going on until interrupted
    #[arg(long = "for", value_name = "TIME", value_parser = duration, requires = "every")]
    lasting: Option<Duration>,
}

pub fn run(args: &StatsArgs, context: &Context, out: &mut Output) -> Outcome {
    match args.every {
        Some(every) => watch(args, every, context),
        None => shape(args, context, out),
    }
}

/// Another process's counters cannot be seen, so the store is read here while they tick.
fn watch(args: &StatsArgs, every: Duration, context: &Context) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let db = stores::bolt(&store)?;
    let ticker = Ticker::start(db, every, |since| eprintln!("{}", since.to_json()));
    let began = Instant::now();
    while args.lasting.is_none_or(|lasting| began.elapsed() < lasting) {
        db.snapshot()?.inspect()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(ticker);
    Ok(())
}

fn percent(part: u64, whole: u64) -> u64 {
    (100 * part).checked_div(whole).unwrap_or(0)
}

fn shape(args: &StatsArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    if let Some(db) = stores::flat(&store) {
        return flat(&db.statistics()?, out);
    }
    if let Some(db) = stores::lsm(&store) {
        return lsm(db, out);
    }
    let snapshot = stores::bolt(&store)?.snapshot()?;
    let (mut sum, mut count) = (BucketStatistics::default(), 0_u64);
    snapshot.for_each_bucket(|name| {
        if name.starts_with(args.prefix.as_bytes()) {
            sum += snapshot.bucket(name)?.statistics()?;
            count += 1;
        }
        Ok(())
    })?;
    if out.is_json() {
        return out.object(&json!({
            "top_level_buckets": count, "buckets": sum.buckets, "keys": sum.keys,
            "depth": sum.depth, "branch_pages": sum.branch_pages,
            "branch_overflow_pages": sum.branch_overflow_pages, "leaf_pages": sum.leaf_pages,
            "leaf_overflow_pages": sum.leaf_overflow_pages,
            "branch_alloc_bytes": sum.branch_alloc_bytes,
            "branch_inuse_bytes": sum.branch_inuse_bytes,
            "leaf_alloc_bytes": sum.leaf_alloc_bytes, "leaf_inuse_bytes": sum.leaf_inuse_bytes,
            "inline_buckets": sum.inline_buckets,
            "inline_bucket_inuse_bytes": sum.inline_bucket_inuse_bytes,
        }));
    }
    for line in lines(&sum, count) {
        out.line(&line)?;
    }
    Ok(())
}

/// A store without pages: keys in memory, segments on disk.
fn flat(counted: &Statistics, out: &mut Output) -> Outcome {
    let segment = |segment: &SegmentStatistics| json!({"file": segment.file, "bytes": segment.bytes, "live_bytes": segment.live_bytes});
    if out.is_json() {
        return out.object(&json!({
            "keys": counted.keys, "key_bytes": counted.key_bytes,
            "index_bytes": counted.index_bytes, "chunks": counted.chunks,
            "memory_bytes_per_key": counted.memory_bytes_per_key(),
            "log_bytes": counted.log_bytes, "live_bytes": counted.live_bytes,
            "last_commit_index": counted.last_commit_index,
            "segments": counted.segments.iter().map(segment).collect::<Vec<_>>(),
        }));
    }
    let live = percent(counted.live_bytes, counted.log_bytes);
    for line in [
        "Keys".into(),
        format!("  keys:                  {}", counted.keys),
        format!("  bytes:                 {}", counted.key_bytes),
        format!("  last commit index:     {}", counted.last_commit_index),
        "Memory".into(),
        format!("  index:                 {} bytes", counted.index_bytes),
        format!("  chunks:                {}", counted.chunks),
        format!(
            "  beside each key:       {:.1} bytes",
            counted.memory_bytes_per_key()
        ),
        "Log".into(),
        format!("  segments:              {}", counted.segments.len()),
        format!("  bytes:                 {}", counted.log_bytes),
        format!("  live:                  {} ({live} %)", counted.live_bytes),
    ] {
        out.line(&line)?;
    }
    Ok(())
}

/// A tree of tables with a value log.
fn lsm(db: &strata::lsm::Db, out: &mut Output) -> Outcome {
    let (tables, files) = (db.tables(), db.value_files());
    let sum = |of: fn(&strata::lsm::TableInfo) -> u64| tables.iter().map(of).sum::<u64>();
    let (keys, records) = (sum(|table| table.keys), sum(|table| table.entries));
    let (tombstones, bytes) = (sum(|table| table.tombstones), sum(|table| table.bytes));
    let raw_bytes = sum(|table| table.raw_bytes);
    let value_bytes: u64 = files.iter().map(|file| file.value_bytes).sum();
    let living_bytes: u64 = files.iter().map(|file| file.living_bytes).sum();
    if out.is_json() {
        return out.object(&json!({
            "keys_in_tables": keys, "records": records, "tombstones": tombstones,
            "tables": tables.len(), "table_bytes": bytes, "raw_bytes": raw_bytes,
            "value_files": files.len(), "value_bytes": value_bytes,
            "living_value_bytes": living_bytes,
        }));
    }
    for line in [
        "Tables".into(),
        format!("  tables:                {}", tables.len()),
        format!("  bytes:                 {bytes}"),
        format!("  before compression:    {raw_bytes}"),
        "Records".into(),
        format!("  records:               {records}"),
        format!("  keys, by table:        {keys}"),
        format!("  deletions:             {tombstones}"),
        "Value log".into(),
        format!("  files:                 {}", files.len()),
        format!("  bytes:                 {value_bytes}"),
        format!(
            "  living:                {living_bytes} ({} %)",
            percent(living_bytes, value_bytes)
        ),
    ] {
        out.line(&line)?;
    }
    Ok(())
}

fn lines(sum: &BucketStatistics, count: u64) -> Vec<String> {
    vec![
        format!("Statistics of {count} top-level buckets and all in them"),
        String::new(),
        "Pages".into(),
        format!("  branch pages:          {}", sum.branch_pages),
        format!("  branch overflow pages: {}", sum.branch_overflow_pages),
        format!("  leaf pages:            {}", sum.leaf_pages),
        format!("  leaf overflow pages:   {}", sum.leaf_overflow_pages),
        "Tree".into(),
        format!("  keys:                  {}", sum.keys),
        format!("  depth:                 {}", sum.depth),
        "Bytes".into(),
        format!(
            "  branches:              {} allocated",
            sum.branch_alloc_bytes
        ),
        format!(
            "  branches in use:       {} ({} %)",
            sum.branch_inuse_bytes,
            percent(sum.branch_inuse_bytes, sum.branch_alloc_bytes)
        ),
        format!(
            "  leaves:                {} allocated",
            sum.leaf_alloc_bytes
        ),
        format!(
            "  leaves in use:         {} ({} %)",
            sum.leaf_inuse_bytes,
            percent(sum.leaf_inuse_bytes, sum.leaf_alloc_bytes)
        ),
        "Buckets".into(),
        format!("  buckets:               {}", sum.buckets),
        format!(
            "  inline:                {} ({} %)",
            sum.inline_buckets,
            percent(sum.inline_buckets, sum.buckets)
        ),
        format!("  bytes inline:          {}", sum.inline_bucket_inuse_bytes),
    ]
}
