//! Making changed buckets ready, and writing them: inner ones before those that hold them, because
//! a bucket's entry names its root.

use std::collections::BTreeSet;

use pager::{PageId, PageSink, PageSource, PagesNeeded};

use super::{Bucket, BucketId, Buckets};
use crate::bucket::{BucketHeader, fits_inline, inline_value};
use crate::child::Child;
use crate::error::{Error, Result};

/// A root that stands in a bucket's entry until the real one is known.
const ROOT_TO_COME: PageId = PageId(u64::MAX);

impl Buckets {
    /// Opened buckets, those furthest from the top first.
    fn innermost_first(&self) -> Vec<BucketId> {
        let mut order = BTreeSet::new();
        for (index, bucket) in self.list.iter().enumerate() {
            let Some(bucket) = bucket else { continue };
            let mut depth = 0_u32;
            let mut above = bucket.parent;
            while let Some(parent) = above {
                depth += 1;
                above = self.bucket(parent).ok().and_then(|parent| parent.parent);
            }
            // `index` was made from a u32.
            order.insert((u32::MAX - depth, u32::try_from(index).unwrap_or(u32::MAX)));
        }
        order
            .into_iter()
            .map(|(_, index)| BucketId(index))
            .collect()
    }

    /// Makes every changed bucket ready to be written; answers how many pages that will take.
    pub fn settle<S: PageSource>(&mut self, source: &S) -> Result<PagesNeeded> {
        self.refuse_spoiled()?;
        let page_bytes = source.page_bytes();
        let mut needed = PagesNeeded::default();
        for id in self.innermost_first() {
            let bucket = self.bucket_mut(id)?;
            if bucket.tree.is_modified() {
                bucket.tree.settle(source)?;
            } else if !bucket.entry_changed {
                continue;
            }
            let Some(parent) = bucket.parent else {
                needed += bucket.tree.pages_needed(page_bytes);
                continue;
            };
            let value = bucket.entry_value(page_bytes)?;
            if !bucket.inline {
                needed += bucket.tree.pages_needed(page_bytes);
            }
            let name = bucket.name.clone();
            self.put_bucket(source, parent, &name, &value)?;
        }
        Ok(needed)
    }

    /// Writes every changed bucket and answers the top bucket's root page.
    pub fn write<S: PageSource, K: PageSink>(
        &mut self,
        source: &S,
        sink: &mut K,
    ) -> Result<PageId> {
        let page_bytes = source.page_bytes();
        let mut top = None;
        for id in self.innermost_first() {
            let bucket = self.bucket_mut(id)?;
            let changed = bucket.tree.is_modified() || bucket.entry_changed;
            if bucket.inline {
                for (id, pages) in bucket.tree.change(page_bytes).take_orphans() {
                    sink.free(id, pages)?;
                }
                continue;
            }
            if !changed && bucket.parent.is_some() {
                continue;
            }
            let root = bucket.tree.write(sink, page_bytes)?;
            let (parent, name) = (bucket.parent, bucket.name.clone());
            let header = BucketHeader {
                root,
                sequence: bucket.sequence,
            };
            match parent {
                Some(parent) => {
                    let tree = self.bucket_mut(parent)?.tree.change(page_bytes);
                    tree.patch_value(source, &name, &header.encode())?;
                }
                None => top = Some(root),
            }
        }
        for (id, pages) in std::mem::take(&mut self.orphans) {
            sink.free(id, pages)?;
        }
        top.ok_or(Error::NotFound("top bucket"))
    }
}

impl Bucket {
    /// The value of this bucket's entry, with the root still to come where it will be a page.
    fn entry_value(&mut self, page_bytes: usize) -> Result<Vec<u8>> {
        self.inline = false;
        if let Some(tree) = self.tree.settled()
            && let Child::Node(index) = tree.root()
            && let Some(node) = tree.node(index)
            && fits_inline(node, page_bytes)
        {
            self.inline = true;
            let value = inline_value(node, self.sequence)?;
            let origin = tree.node_mut(index).and_then(|node| node.origin.take());
            tree.orphan(origin);
            return Ok(value);
        }
        let header = BucketHeader {
            root: ROOT_TO_COME,
            sequence: self.sequence,
        };
        Ok(header.encode().to_vec())
    }
}
