//! Making changed buckets ready, and writing them: inner ones before those that hold them, because
//! a bucket's entry names its root.

use std::collections::BTreeSet;

use pager::{PageId, PageSink, PageSource};

use super::{Bucket, BucketId, Buckets};
use crate::bucket::{BUCKET_FLAGS, BucketHeader, fits_inline, inline_value};
use crate::child::Child;
use crate::emit;
use crate::error::{Error, Result};
use crate::settle::settle;

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
    pub fn settle<S: PageSource>(&mut self, source: &S) -> Result<u64> {
        self.refuse_spoiled()?;
        let page_bytes = source.page_bytes();
        let mut pages = 0;
        for id in self.innermost_first() {
            let bucket = self.bucket_mut(id)?;
            if bucket.tree.is_modified() {
                settle(&mut bucket.tree, source)?;
            } else if !bucket.entry_changed {
                continue;
            }
            let Some(parent) = bucket.parent else {
                pages += emit::pages_needed(&bucket.tree, page_bytes);
                continue;
            };
            let value = bucket.entry_value(page_bytes)?;
            if !bucket.inline {
                pages += emit::pages_needed(&bucket.tree, page_bytes);
            }
            let name = bucket.name.clone();
            self.bucket_mut(parent)?
                .tree
                .put(source, &name, &value, BUCKET_FLAGS)?;
        }
        Ok(pages)
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
                for (id, pages) in bucket.tree.take_orphans() {
                    sink.free(id, pages)?;
                }
                continue;
            }
            if !changed && bucket.parent.is_some() {
                continue;
            }
            let root = emit::write(&mut bucket.tree, sink, page_bytes)?;
            let (parent, name) = (bucket.parent, bucket.name.clone());
            let header = BucketHeader {
                root,
                sequence: bucket.sequence,
            };
            match parent {
                Some(parent) => {
                    let tree = &mut self.bucket_mut(parent)?.tree;
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
        let root = match self.tree.root() {
            Child::Page(_) => None,
            Child::Node(index) => self.tree.node(index).map(|node| (index, node)),
        };
        self.inline = root.is_some_and(|(_, node)| fits_inline(node, page_bytes));
        match root.filter(|_| self.inline) {
            Some((index, node)) => {
                let value = inline_value(node, self.sequence)?;
                let origin = node.origin;
                if let Some(node) = self.tree.node_mut(index) {
                    node.origin = None;
                }
                self.tree.orphan(origin);
                Ok(value)
            }
            None => {
                let header = BucketHeader {
                    root: ROOT_TO_COME,
                    sequence: self.sequence,
                };
                Ok(header.encode().to_vec())
            }
        }
    }
}
