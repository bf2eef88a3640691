//! `inspect`: the tree of buckets.

use serde_json::{Value, json};
use txn::BucketTree;

use super::{Context, StoreArgs};
use crate::failure::Outcome;
use crate::output::Output;
use crate::{show, stores};

fn value(tree: &BucketTree) -> Value {
    let mut object = json!({"name": show::value(&tree.name), "keyN": tree.keys});
    if let Some(object) = object.as_object_mut().filter(|_| !tree.buckets.is_empty()) {
        object.insert("buckets".into(), tree.buckets.iter().map(value).collect());
    }
    object
}

pub fn run(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let tree = stores::bolt(&store)?.snapshot()?.inspect()?;
    if out.is_json() {
        return out.object(&value(&tree));
    }
    // Depth first, without recursion: buckets nest as deep as someone liked.
    let mut open = vec![(&tree, 0)];
    while let Some((bucket, depth)) = open.pop() {
        let indent = "  ".repeat(depth);
        out.line(&format!(
            "{indent}{} ({} keys)",
            show::text(&bucket.name),
            bucket.keys
        ))?;
        open.extend(bucket.buckets.iter().rev().map(|inner| (inner, depth + 1)));
    }
    Ok(())
}
