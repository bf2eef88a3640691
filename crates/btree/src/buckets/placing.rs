//! Where pages go: leaves that move along with a change, and how full splits leave them.

use pager::{PageId, PageSource};

use super::{BucketId, Buckets};
use crate::error::Result;
use crate::split::Fill;

impl Buckets {
    /// The changed bucket that has most nodes in memory, the one opened first among equals.
    pub fn most_changed(&self) -> Option<BucketId> {
        let mut most = (0, None);
        for (index, bucket) in self.list.iter().enumerate() {
            let changed = bucket.as_ref().filter(|bucket| bucket.tree.is_modified());
            let nodes = changed.map_or(0, |bucket| bucket.tree.nodes_in_memory());
            if nodes > most.0 {
                most = (nodes, u32::try_from(index).ok().map(BucketId));
            }
        }
        most.1
    }

    /// Lets leaf page `leaf` of the changed bucket `id`, whose first key is `key`, go to another
    /// page with the change; answers whether the bucket has it there. The contents stay as they
    /// are, and damage met on the way spoils nothing.
    pub fn rewrite_leaf<S: PageSource>(
        &mut self,
        source: &S,
        id: BucketId,
        key: &[u8],
        leaf: PageId,
    ) -> Result<bool> {
        let bucket = self.bucket_mut(id)?;
        if bucket.tree.has_no_pages() {
            return Ok(false);
        }
        let tree = bucket.tree.change(source.page_bytes());
        let located = tree.read(source).locate(key)?;
        let there = located.is_some_and(|(elements, _)| elements.id() == leaf);
        if there && tree.is_modified() {
            tree.rewrite(source, key)?;
        }
        Ok(there)
    }

    /// Packs what is put into bucket `id` in key order as tightly as it goes, for files that are
    /// read more than changed.
    pub fn set_packed<S: PageSource>(&mut self, source: &S, id: BucketId) -> Result<()> {
        self.set_fill(source, id, Fill::Packed)
    }

    /// How full splits leave pages of bucket `id`: bbolt's fill percent, as a share.
    pub fn set_fill_share<S: PageSource>(
        &mut self,
        source: &S,
        id: BucketId,
        share: f64,
    ) -> Result<()> {
        self.set_fill(source, id, Fill::Share(share))
    }

    fn set_fill<S: PageSource>(&mut self, source: &S, id: BucketId, fill: Fill) -> Result<()> {
        let tree = &mut self.bucket_mut(id)?.tree;
        tree.change(source.page_bytes()).fill = fill;
        Ok(())
    }
}
