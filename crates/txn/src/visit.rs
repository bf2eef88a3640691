//! Walking every bucket of a snapshot in key order.
//!
//! Nesting is followed with a stack of cursors, not by recursion. A root page is followed once, so
//! buckets of a damaged file that contain each other end in an error, not in a loop; and no more
//! is lent than the file holds, so neither do trees that share their pages.

use std::collections::BTreeSet;

use kv_api::capability::BucketVisitor;
use kv_api::{Error, Place, Result};

use crate::bucket::Bucket;
use crate::cursor::Cursor;
use crate::snapshot::Snapshot;

/// Bytes of an entry beside its key and value.
const ELEMENT_BYTES: usize = 16;

/// Shows `visitor` every pair and bucket of `snapshot`.
pub(crate) fn visit(snapshot: &Snapshot, visitor: &mut dyn BucketVisitor) -> Result<()> {
    let mut roots = BTreeSet::new();
    let mut open = vec![enter(snapshot.root(), &mut roots)?];
    let mut bytes_left = snapshot.size_bytes();
    loop {
        let Some((cursor, begun)) = open.last_mut() else {
            return Ok(());
        };
        let entry = if std::mem::replace(begun, true) {
            cursor.next()?
        } else {
            cursor.first()?
        };
        if let Some((key, value)) = entry {
            // What is inside a bucket is counted when it is lent.
            let lent = ELEMENT_BYTES + key.len() + value.map_or(0, <[u8]>::len);
            bytes_left = bytes_left.checked_sub(lent as u64).ok_or_else(|| {
                let what = "buckets hold more than the file: they share their pages";
                Error::corrupt(Place::Store, what)
            })?;
        }
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
