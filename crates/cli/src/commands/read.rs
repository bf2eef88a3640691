//! `buckets`, `keys`, `get` and `scan`: what a store holds.

use std::ffi::OsString;

use clap::Args;
use kv_api::{Error, KeyRange};
use serde_json::json;
use std::ops::Bound;
use strata::{AnyBucket, AnySnapshot, BucketEntry, Order};

use super::Context;
use crate::arguments::{BucketPath, Word, bucket_path, word};
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::show::{self, Format};
use crate::stores;

#[derive(Args, Debug)]
pub struct BucketsArgs {
    /// The store
    #[arg(value_name = "STORE")]
    pub store: OsString,
    /// The bucket whose buckets are meant; the root by default
    #[arg(value_name = "PATH", default_value = "/", value_parser = bucket_path)]
    pub path: BucketPath,
}

#[derive(Args, Debug)]
pub struct KeysArgs {
    #[command(flatten)]
    bucket: BucketsArgs,
    /// Only keys that begin with this
    #[arg(long, value_parser = word)]
    prefix: Option<Word>,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// How keys are shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
pub struct GetArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The bucket; / for the root
    #[arg(value_name = "PATH", value_parser = bucket_path)]
    path: BucketPath,
    /// The key
    #[arg(value_name = "KEY", value_parser = word)]
    key: Word,
    /// How the value is shown
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
pub struct ScanArgs {
    #[command(flatten)]
    bucket: BucketsArgs,
    /// Only keys that begin with this
    #[arg(long, value_parser = word, conflicts_with_all = ["from", "to"])]
    prefix: Option<Word>,
    /// Only keys at or after this one
    #[arg(long, value_parser = word)]
    from: Option<Word>,
    /// Only keys before this one
    #[arg(long, value_parser = word)]
    to: Option<Word>,
    /// Highest key first
    #[arg(long)]
    reverse: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Every version that is still there, deletions too, with what is kept beside them; lsm only
    #[arg(long, conflicts_with = "reverse")]
    versions: bool,
}

fn bucket_at<'s>(snapshot: &'s AnySnapshot, path: &BucketPath) -> Outcome<AnyBucket<'s>> {
    let bucket = snapshot.bucket_at(&path.names())?;
    Ok(bucket.ok_or(Error::NotFound { what: "bucket" })?)
}

fn keys_with(prefix: Option<&Word>) -> KeyRange {
    prefix.map_or_else(|| KeyRange::from(..), |prefix| KeyRange::prefix(&prefix.0))
}

/// Calls `show` with the entries of a bucket.
fn each(
    args: &BucketsArgs,
    context: &Context,
    keys: KeyRange,
    order: Order,
    mut show: impl FnMut(BucketEntry) -> Outcome<bool>,
) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = store.open_snapshot()?;
    for entry in bucket_at(&snapshot, &args.path)?.entries(keys, order)? {
        if !show(entry?)? {
            break;
        }
    }
    Ok(())
}

pub fn buckets(args: &BucketsArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = store.open_snapshot()?;
    let parent = bucket_at(&snapshot, &args.path)?;
    for entry in parent.entries(.., Order::Ascending)? {
        let BucketEntry { key, value: None } = entry? else {
            continue;
        };
        let mut path = args.path.names();
        path.push(&key);
        let sequence = snapshot
            .bucket_at(&path)?
            .map_or(0, |bucket| bucket.sequence());
        let object = || json!({"bucket": show::value(&key), "sequence": sequence});
        out.put(|| show::text(&key), object)?;
    }
    Ok(())
}

pub fn keys(args: &KeysArgs, context: &Context, out: &mut Output) -> Outcome {
    let mut left = args.limit.unwrap_or(usize::MAX);
    each(
        &args.bucket,
        context,
        keys_with(args.prefix.as_ref()),
        Order::Ascending,
        |entry| {
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            if out.is_json() {
                let bucket = entry.value.is_none();
                out.object(&json!({"key": show::value(&entry.key), "is_bucket": bucket}))?;
            } else {
                out.bytes(&show::formatted(&entry.key, args.format))?;
                out.bytes(b"\n")?;
            }
            Ok(true)
        },
    )
}

pub fn get(args: &GetArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let snapshot = store.open_snapshot()?;
    let value = bucket_at(&snapshot, &args.path)?.value_of(&args.key.0)?;
    let value = value.ok_or(Error::NotFound { what: "key" })?;
    if out.is_json() {
        let object = json!({"key": show::value(&args.key.0), "value": show::value(&value)});
        return out.object(&object);
    }
    out.bytes(&show::formatted(&value, args.format))?;
    if args.format == Format::Raw {
        Ok(())
    } else {
        out.bytes(b"\n")
    }
}

pub fn scan(args: &ScanArgs, context: &Context, out: &mut Output) -> Outcome {
    let own = |word: &Option<Word>| word.as_ref().map(|word| word.0.clone());
    let keys = match &args.prefix {
        Some(prefix) => keys_with(Some(prefix)),
        None => KeyRange::new(
            own(&args.from).map_or(Bound::Unbounded, Bound::Included),
            own(&args.to).map_or(Bound::Unbounded, Bound::Excluded),
        ),
    };
    if let (Some(from), Some(to)) = (&args.from, &args.to)
        && from.0 > to.0
    {
        return Err(Failure::Usage("--from is behind --to".into()));
    }
    let order = if args.reverse {
        Order::Descending
    } else {
        Order::Ascending
    };
    let mut left = args.limit.unwrap_or(usize::MAX);
    if args.versions {
        return super::versions::scan(&args.bucket, keys, left, context, out);
    }
    each(&args.bucket, context, keys, order, |entry| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        let key = &entry.key;
        match &entry.value {
            Some(value) => out.put(
                || format!("{}: {}", show::text(key), show::text(value)),
                || json!({"key": show::value(key), "value": show::value(value)}),
            )?,
            None => out.put(
                || format!("{}/", show::text(key)),
                || json!({"bucket": show::value(key)}),
            )?,
        }
        Ok(true)
    })
}
