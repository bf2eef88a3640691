//! `digest`: counts and a hash of everything a store holds.

use serde_json::json;

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::stores;

pub fn run(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let digest = store.open_snapshot()?.digest()?;
    out.put(
        || digest.to_string(),
        || {
            json!({"buckets": digest.buckets, "keys": digest.keys, "bytes": digest.bytes,
                   "sha256": digest.sha256_hex()})
        },
    )
}
