//! Buckets inside buckets: the model keeps every bucket by its path, and a space is a path of one.

use std::sync::Arc;

use bytes::Bytes;
use kv_api::capability::{BucketVisitor, NestedReader, NestedWriter};
use kv_api::{Error, Result};

use super::reader::MemorySnapshot;
use super::transaction::MemoryTransaction;
use super::version::{Bucket, Path, Version, path_of};

impl NestedReader for MemorySnapshot {
    fn visit(&self, visitor: &mut dyn BucketVisitor) -> Result<()> {
        visit_inside(&self.version, &mut Path::new(), visitor)
    }
}

/// Pairs and buckets of one bucket, merged by name.
fn visit_inside(version: &Version, path: &mut Path, visitor: &mut dyn BucketVisitor) -> Result<()> {
    let bucket = at(version, path)?;
    let mut pairs = bucket.pairs.iter().peekable();
    let here = path.clone();
    for (name, child) in version.children(&here) {
        while let Some((key, value)) = pairs.next_if(|(key, _)| *key < name) {
            visitor.pair(key, value)?;
        }
        visitor.enter(name, child.sequence)?;
        path.push(name.clone());
        visit_inside(version, path, visitor)?;
        path.pop();
        visitor.leave()?;
    }
    pairs.try_for_each(|(key, value)| visitor.pair(key, value))
}

fn at<'a>(version: &'a Version, path: &[Bytes]) -> Result<&'a Bucket> {
    version
        .buckets
        .get(path)
        .ok_or(Error::NotFound { what: "bucket" })
}

impl MemoryTransaction {
    fn bucket_mut(&mut self, path: &[&[u8]]) -> Result<&mut Bucket> {
        self.changed = true;
        self.version
            .buckets
            .get_mut(&path_of(path))
            .ok_or(Error::NotFound { what: "bucket" })
    }
}

impl NestedWriter for MemoryTransaction {
    fn create_bucket(&mut self, path: &[&[u8]]) -> Result<()> {
        let path = path_of(path);
        if path.iter().any(Bytes::is_empty) {
            return Err(Error::Invalid {
                what: "a bucket's name must not be empty",
            });
        }
        for depth in 1..=path.len() {
            let (name, parent) = (&path[depth - 1], &path[..depth - 1]);
            if at(&self.version, parent)?.pairs.contains_key(name) {
                return Err(Error::Incompatible {
                    what: "a pair has the bucket's name",
                });
            }
            self.version.bucket_at_or_new(path[..depth].to_vec());
            self.changed = true;
        }
        Ok(())
    }

    fn delete_bucket(&mut self, path: &[&[u8]]) -> Result<bool> {
        if path.is_empty() {
            return Err(Error::Invalid {
                what: "the root cannot be deleted",
            });
        }
        self.changed = true;
        Ok(self.version.remove_bucket(&path_of(path)))
    }

    fn put_in(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() {
            return Err(Error::Invalid {
                what: "a key must not be empty",
            });
        }
        let inside = [path, &[key]].concat();
        if self.version.buckets.contains_key(&path_of(&inside)) {
            return Err(Error::Incompatible {
                what: "a bucket has the pair's key",
            });
        }
        let pairs = Arc::make_mut(&mut self.bucket_mut(path)?.pairs);
        pairs.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        Ok(())
    }

    fn set_sequence(&mut self, path: &[&[u8]], sequence: u64) -> Result<()> {
        self.bucket_mut(path)?.sequence = sequence;
        Ok(())
    }
}
