//! `inspect`: the tree of buckets.

use kv_api::capability::BucketVisitor;
use serde_json::{Value, json};
use strata::AnySnapshot;
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

/// Spaces as buckets of the root.
fn spaces(snapshot: &AnySnapshot) -> Outcome<BucketTree> {
    let mut counts = Counts(vec![tree(b"root")]);
    snapshot.walk(&mut counts)?;
    Ok(counts.0.pop().unwrap_or_else(|| tree(b"root")))
}

fn tree(name: &[u8]) -> BucketTree {
    BucketTree {
        name: name.to_vec(),
        keys: 0,
        buckets: Vec::new(),
    }
}

/// Counts keys; the root first, then the buckets entered and not left.
struct Counts(Vec<BucketTree>);

impl BucketVisitor for Counts {
    fn enter(&mut self, name: &[u8], _sequence: u64) -> kv_api::Result<()> {
        self.0.push(tree(name));
        Ok(())
    }

    fn pair(&mut self, _key: &[u8], _value: &[u8]) -> kv_api::Result<()> {
        if let Some(open) = self.0.last_mut() {
            open.keys += 1;
        }
        Ok(())
    }

    fn leave(&mut self) -> kv_api::Result<()> {
        if let (Some(done), Some(outer)) = (self.0.pop(), self.0.last_mut()) {
            outer.keys += 1;
            outer.buckets.push(done);
        }
        Ok(())
    }
}

pub fn run(args: &StoreArgs, context: &Context, out: &mut Output) -> Outcome {
    let store = stores::reading(&args.store, context.timeout)?;
    let tree = match stores::bolt(&store) {
        Ok(bolt) => bolt.snapshot()?.inspect()?,
        Err(_) => spaces(&store.open_snapshot()?)?,
    };
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
