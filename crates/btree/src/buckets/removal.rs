//! Deleting and moving buckets: what becomes of their pages, and of the changes made to them.

use pager::{PageId, PageSource};

use super::{BucketId, Buckets};
use crate::bucket::{BUCKET_FLAGS, BucketHeader, EntryKind, entry_kind};
use crate::error::{Error, Result};
use crate::node::{Child, Node};
use crate::walk::Walk;

impl Buckets {
    /// Removes the bucket called `name` inside `parent`, with every bucket in it.
    pub fn delete<S: PageSource>(
        &mut self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<()> {
        let Some(id) = self.open(source, parent, name)? else {
            return Err(self.not_a_bucket(source, parent, name)?);
        };
        self.release(source, id)?;
        let parent = self.bucket_mut(parent)?;
        parent.children.remove(name);
        parent.tree.delete(source, name)?;
        Ok(())
    }

    fn not_a_bucket<S: PageSource>(
        &self,
        source: &S,
        parent: BucketId,
        name: &[u8],
    ) -> Result<Error> {
        Ok(match self.tree(source, parent)?.get(name)? {
            Some(_) => Error::Incompatible("the name is a key's"),
            None => Error::NotFound("bucket"),
        })
    }

    /// Forgets bucket `id` and every bucket below it; all their pages are to be freed.
    fn release<S: PageSource>(&mut self, source: &S, id: BucketId) -> Result<()> {
        let mut open = vec![id];
        let mut unopened = Vec::new();
        while let Some(id) = open.pop() {
            let bucket = self.list.get_mut(id.0 as usize).and_then(Option::take);
            let mut bucket = bucket.ok_or(Error::NotFound("bucket"))?;
            open.extend(bucket.children.values());
            self.orphans.extend(bucket.tree.take_orphans());
            let known = |name: &[u8]| bucket.children.contains_key(name);
            let mut roots = vec![bucket.tree.root()];
            while let Some(child) = roots.pop() {
                match child {
                    Child::Page(root) => {
                        collect_runs(source, root, &known, &mut self.orphans, &mut unopened)?;
                    }
                    Child::Node(index) => {
                        let Some(node) = bucket.tree.node(index) else {
                            continue;
                        };
                        self.orphans.extend(node.origin);
                        let children = (0..node.count()).filter_map(|place| node.child(place));
                        roots.extend(children.filter(|_| !node.is_leaf()));
                        collect_node_buckets(node, &known, &mut unopened)?;
                    }
                }
            }
        }
        while let Some(root) = unopened.pop() {
            collect_runs(source, root, &|_| false, &mut self.orphans, &mut unopened)?;
            // Each run is at least one page, and no honest file has more pages than it has.
            if self.orphans.len() as u64 > source.high_water().0 {
                return Err(pager::Error::page(root, "buckets that contain each other").into());
            }
        }
        Ok(())
    }

    /// Moves the bucket called `name` from `from` into `to`, with all that was done to it.
    ///
    /// # Errors
    ///
    /// `NotFound`, `Exists`, `Incompatible` for names that are not as they must be, `Invalid` for
    /// moving a bucket to where it is, or into itself.
    pub fn rename<S: PageSource>(
        &mut self,
        source: &S,
        from: BucketId,
        name: &[u8],
        to: BucketId,
    ) -> Result<()> {
        let Some(id) = self.open(source, from, name)? else {
            return Err(self.not_a_bucket(source, from, name)?);
        };
        if from == to {
            return Err(Error::Invalid("the source and target are the same bucket"));
        }
        let mut above = Some(to);
        while let Some(bucket) = above {
            if bucket == id {
                return Err(Error::Invalid("a bucket cannot be moved into itself"));
            }
            above = self.bucket(bucket)?.parent;
        }
        if let Some(entry) = self.tree(source, to)?.get(name)? {
            return Err(match entry_kind(entry.flags) {
                EntryKind::Bucket => Error::Exists("bucket"),
                EntryKind::Pair => Error::Incompatible("a key has that name"),
            });
        }
        let value = self
            .tree(source, from)?
            .get(name)?
            .map(|entry| entry.value.to_vec());
        let value = value.ok_or(Error::NotFound("bucket"))?;
        self.bucket_mut(to)?
            .tree
            .put(source, name, &value, BUCKET_FLAGS)?;
        self.bucket_mut(to)?.children.insert(name.to_vec(), id);
        let from = self.bucket_mut(from)?;
        from.children.remove(name);
        from.tree.delete(source, name)?;
        self.bucket_mut(id)?.parent = Some(to);
        Ok(())
    }
}

/// Collects the runs below `root`, and the roots of buckets in it that are not `known`.
fn collect_runs<S: PageSource>(
    source: &S,
    root: PageId,
    known: &dyn Fn(&[u8]) -> bool,
    runs: &mut Vec<(PageId, u64)>,
    buckets: &mut Vec<PageId>,
) -> Result<()> {
    for step in Walk::new(source, root) {
        let step = step?;
        runs.push((step.id, step.pages));
        for index in 0..if step.elements.is_leaf() {
            step.elements.count()
        } else {
            0
        } {
            if entry_kind(step.elements.flags(index)?) == EntryKind::Bucket
                && !known(step.elements.key(index)?)
            {
                let header = BucketHeader::decode(step.elements.value(index)?)?;
                buckets.extend(Some(header.root).filter(|_| !header.is_inline()));
            }
        }
    }
    Ok(())
}

/// Collects the roots of buckets in a leaf in memory that are not `known`.
fn collect_node_buckets(
    node: &Node,
    known: &dyn Fn(&[u8]) -> bool,
    buckets: &mut Vec<PageId>,
) -> Result<()> {
    for index in 0..if node.is_leaf() { node.count() } else { 0 } {
        if entry_kind(node.flags(index)) == EntryKind::Bucket && !known(node.key(index)) {
            let header = BucketHeader::decode(node.value(index))?;
            buckets.extend(Some(header.root).filter(|_| !header.is_inline()));
        }
    }
    Ok(())
}
