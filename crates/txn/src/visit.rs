//! Walking every bucket of a snapshot in key order.
//!
//! Nesting is followed with a stack of cursors, not by recursion, and a root page is followed
//! once: buckets of a damaged file that contain each other end in an error, not in a loop.

use std::collections::BTreeSet;

use kv_api::capability::BucketVisitor;
use kv_api::{Error, Place, Result};

use crate::bucket::Bucket;
use crate::cursor::Cursor;
use crate::snapshot::Snapshot;

/// Shows `visitor` every pair and bucket of `snapshot`.
pub(crate) fn visit(snapshot: &Snapshot, visitor: &mut dyn BucketVisitor) -> Result<()> {
    let mut roots = BTreeSet::new();
    let mut open = vec![enter(snapshot.root(), &mut roots)?];
    loop {
        let Some((cursor, begun)) = open.last_mut() else {
            return Ok(());
        };
        let entry = if std::mem::replace(begun, true) {
            cursor.next()?
        } else {
            cursor.first()?
        };
        match entry {
            Some((key, Some(value))) => visitor.pair(key, value)?,
            Some((name, None)) => {
                if let Some(bucket) = cursor.bucket()? {
                    visitor.enter(name, bucket.sequence())?;
                    open.push(enter(bucket, &mut roots)?);
                }
            }
            None => {
                open.pop();
                if !open.is_empty() {
                    visitor.leave()?;
                }
            }
        }
    }
}

/// A cursor over `bucket`, and whether it has been moved.
fn enter<'a>(bucket: Bucket<'a>, roots: &mut BTreeSet<u64>) -> Result<(Cursor<'a>, bool)> {
    let root = bucket.root_page();
    if root != 0 && !roots.insert(root) {
        return Err(Error::corrupt(
            Place::Page(root),
            "the root of more than one bucket",
        ));
    }
    Ok((bucket.cursor(), false))
}
