//! `put` and `del`: small changes by hand.

use std::ffi::OsString;

use clap::Args;
use kv_api::Error;

use super::Context;
use crate::arguments::{BucketPath, Word, bucket_path, word};
use crate::failure::{Failure, Outcome};
use crate::stores;

#[derive(Args, Debug)]
pub struct PutArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The bucket; / for the root
    #[arg(value_name = "PATH", value_parser = bucket_path)]
    path: BucketPath,
    /// The key
    #[arg(value_name = "KEY", value_parser = word)]
    key: Word,
    /// The value
    #[arg(value_name = "VALUE", value_parser = word)]
    value: Word,
    /// Commit with this index, unless it was applied before; flat stores only
    #[arg(long, value_name = "N")]
    commit_index: Option<u64>,
    /// Make the store and the buckets on the way where they do not exist
    #[arg(long)]
    create: bool,
}

#[derive(Args, Debug)]
pub struct DelArgs {
    /// The store
    #[arg(value_name = "STORE")]
    store: OsString,
    /// The bucket; / for the root
    #[arg(value_name = "PATH", value_parser = bucket_path)]
    path: BucketPath,
    /// The key; without one, the bucket itself goes with all it holds
    #[arg(value_name = "KEY", value_parser = word, required_unless_present = "bucket")]
    key: Option<Word>,
    /// Remove the bucket at PATH with all it holds
    #[arg(long, conflicts_with = "key")]
    bucket: bool,
}

pub fn put(args: &PutArgs, context: &Context) -> Outcome {
    let store = stores::writing(&args.store, context.timeout, args.create)?;
    let path = args.path.names();
    if !args.create && store.open_snapshot()?.bucket_at(&path)?.is_none() {
        return Err(Error::NotFound {
            what: "bucket (make it with --create)",
        }
        .into());
    }
    let mut change = match args.commit_index {
        Some(index) => store.begin_write_at(index)?,
        None => store.begin_write()?,
    };
    change.put_at(&path, &args.key.0, &args.value.0)?;
    change.commit_durably()?;
    Ok(store.shut_down()?)
}

pub fn del(args: &DelArgs, context: &Context) -> Outcome {
    let store = stores::writing(&args.store, context.timeout, false)?;
    let path = args.path.names();
    let mut change = store.begin_write()?;
    let (found, what) = match &args.key {
        Some(key) => (change.delete_at(&path, &key.0)?, "key"),
        None if path.is_empty() => {
            return Err(Failure::Usage("the root bucket cannot be removed".into()));
        }
        None => (change.drop_at(&path)?, "bucket"),
    };
    if !found {
        return Err(Error::NotFound { what }.into());
    }
    change.commit_durably()?;
    Ok(store.shut_down()?)
}
