//! Giving back everything a bucket holds: its pages, and those of every bucket in it.

use pager::{PageId, PageSource};

use super::{BucketId, Buckets};
use crate::bucket::{BucketHeader, EntryKind, entry_kind};
use crate::child::Child;
use crate::error::{Error, Result};
use crate::node::Node;
use crate::walk::Walk;

impl Buckets {
    /// Forgets bucket `id` and every bucket below it; all their pages are to be freed.
    pub(crate) fn release<S: PageSource>(&mut self, source: &S, id: BucketId) -> Result<()> {
        let mut open = vec![id];
        let mut found = Found {
            runs: Vec::new(),
            buckets: Vec::new(),
            pages_left: source.high_water().0,
        };
        while let Some(id) = open.pop() {
            let bucket = self.list.get_mut(id.0 as usize).and_then(Option::take);
            let mut bucket = bucket.ok_or(Error::NotFound("bucket"))?;
            open.extend(bucket.children.values());
            let tree = bucket.tree.forget_puts();
            found.runs.extend(tree.take_orphans());
            let known = |name: &[u8]| bucket.children.contains_key(name);
            let mut roots = vec![tree.root()];
            while let Some(child) = roots.pop() {
                match child {
                    Child::Page(root) => found.below(source, root, &known)?,
                    Child::Node(index) => {
                        let Some(node) = tree.node(index) else {
                            continue;
                        };
                        found.runs.extend(node.origin);
                        let children = (0..node.count()).filter_map(|place| node.child(place));
                        roots.extend(children.filter(|_| !node.is_leaf()));
                        found.buckets_of(node, &known)?;
                    }
                }
            }
        }
        while let Some(root) = found.buckets.pop() {
            found.below(source, root, &|_| false)?;
        }
        self.orphans.append(&mut found.runs);
        Ok(())
    }
}

/// What a bucket holds, as far as it has been followed.
struct Found {
    runs: Vec<(PageId, u64)>,
    /// Roots of buckets that have not been followed.
    buckets: Vec<PageId>,
    /// Pages that may still come: no sound bucket has more of them than the file, and one that
    /// contains itself has no end.
    pages_left: u64,
}

impl Found {
    /// Adds the runs below `root`, and the buckets in it that are not `known`.
    fn below<S: PageSource>(
        &mut self,
        source: &S,
        root: PageId,
        known: &dyn Fn(&[u8]) -> bool,
    ) -> Result<()> {
        for step in Walk::new(source, root) {
            let step = step?;
            self.pages_left = self.pages_left.checked_sub(step.pages).ok_or_else(|| {
                pager::Error::page(step.id, "buckets that share pages or contain each other")
            })?;
            self.runs.push((step.id, step.pages));
            let leaf = Some(step.elements).filter(|elements| elements.is_leaf());
            for index in 0..leaf.map_or(0, |elements| elements.count()) {
                if entry_kind(step.elements.flags(index)?) == EntryKind::Bucket
                    && !known(step.elements.key(index)?)
                {
                    self.bucket(step.elements.value(index)?)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the buckets in a leaf in memory that are not `known`.
    fn buckets_of(&mut self, node: &Node, known: &dyn Fn(&[u8]) -> bool) -> Result<()> {
        for index in 0..if node.is_leaf() { node.count() } else { 0 } {
            if entry_kind(node.flags(index)) == EntryKind::Bucket && !known(node.key(index)) {
                self.bucket(node.value(index))?;
            }
        }
        Ok(())
    }

    fn bucket(&mut self, value: &[u8]) -> Result<()> {
        let header = BucketHeader::decode(value)?;
        self.buckets
            .extend(Some(header.root).filter(|_| !header.is_inline()));
        Ok(())
    }
}
