//! What can be measured about a bucket at rest.

use std::ops::AddAssign;

use pager::PageSource;

use crate::bucket::{BucketHeader, EntryKind, entry_kind, inline_elements};
use crate::error::Result;
use crate::layout::{Elements, packed_bytes};
use crate::walk::Walk;

/// The shape of a bucket and of every bucket in it, as its pages stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketStatistics {
    /// Branch pages, overflow not counted.
    pub branch_pages: u64,
    /// Overflow pages of branches.
    pub branch_overflow_pages: u64,
    /// Leaf pages, overflow not counted.
    pub leaf_pages: u64,
    /// Overflow pages of leaves.
    pub leaf_overflow_pages: u64,
    /// Entries: keys, and buckets as one each.
    pub keys: u64,
    /// Pages from root to leaf, with those of the deepest bucket inside.
    pub depth: u64,
    /// Bytes of branch pages.
    pub branch_alloc_bytes: u64,
    /// Bytes used on branch pages.
    pub branch_inuse_bytes: u64,
    /// Bytes of leaf pages.
    pub leaf_alloc_bytes: u64,
    /// Bytes used on leaf pages.
    pub leaf_inuse_bytes: u64,
    /// Buckets, this one included.
    pub buckets: u64,
    /// Buckets that live inside their parent's leaf.
    pub inline_buckets: u64,
    /// Bytes such buckets use.
    pub inline_bucket_inuse_bytes: u64,
}

impl AddAssign for BucketStatistics {
    /// Sums all but the depth, which becomes the greater.
    fn add_assign(&mut self, other: BucketStatistics) {
        self.branch_pages += other.branch_pages;
        self.branch_overflow_pages += other.branch_overflow_pages;
        self.leaf_pages += other.leaf_pages;
        self.leaf_overflow_pages += other.leaf_overflow_pages;
        self.keys += other.keys;
        self.depth = self.depth.max(other.depth);
        self.branch_alloc_bytes += other.branch_alloc_bytes;
        self.branch_inuse_bytes += other.branch_inuse_bytes;
        self.leaf_alloc_bytes += other.leaf_alloc_bytes;
        self.leaf_inuse_bytes += other.leaf_inuse_bytes;
        self.buckets += other.buckets;
        self.inline_buckets += other.inline_buckets;
        self.inline_bucket_inuse_bytes += other.inline_bucket_inuse_bytes;
    }
}

impl BucketStatistics {
    /// How the shape changed since `earlier`: figures that shrank are 0; the depth is as it is now.
    pub fn since(&self, earlier: &BucketStatistics) -> BucketStatistics {
        let grown = |now: u64, then: u64| now.saturating_sub(then);
        BucketStatistics {
            branch_pages: grown(self.branch_pages, earlier.branch_pages),
            branch_overflow_pages: grown(self.branch_overflow_pages, earlier.branch_overflow_pages),
            leaf_pages: grown(self.leaf_pages, earlier.leaf_pages),
            leaf_overflow_pages: grown(self.leaf_overflow_pages, earlier.leaf_overflow_pages),
            keys: grown(self.keys, earlier.keys),
            depth: self.depth,
            branch_alloc_bytes: grown(self.branch_alloc_bytes, earlier.branch_alloc_bytes),
            branch_inuse_bytes: grown(self.branch_inuse_bytes, earlier.branch_inuse_bytes),
            leaf_alloc_bytes: grown(self.leaf_alloc_bytes, earlier.leaf_alloc_bytes),
            leaf_inuse_bytes: grown(self.leaf_inuse_bytes, earlier.leaf_inuse_bytes),
            buckets: grown(self.buckets, earlier.buckets),
            inline_buckets: grown(self.inline_buckets, earlier.inline_buckets),
            inline_bucket_inuse_bytes: grown(
                self.inline_bucket_inuse_bytes,
                earlier.inline_bucket_inuse_bytes,
            ),
        }
    }
}

/// Header, table, keys and values of a page.
fn used_bytes(elements: Elements<'_>) -> Result<u64> {
    let mut payload = Vec::with_capacity(elements.count());
    for index in 0..elements.count() {
        payload.push(elements.key(index)?.len() + elements.value(index)?.len());
    }
    Ok(packed_bytes(payload.into_iter()) as u64)
}

/// Measures the bucket whose entry has this value, with every bucket in it. Nesting is followed
/// without recursion, and no further than the file has pages.
pub fn bucket_statistics<S: PageSource>(source: &S, value: &[u8]) -> Result<BucketStatistics> {
    let mut sum = BucketStatistics::default();
    // Each open bucket with the depth of the pages above it.
    let mut open: Vec<(Vec<u8>, u64)> = vec![(value.to_vec(), 0)];
    let mut pages_left = source.high_water().0;
    while let Some((value, above)) = open.pop() {
        let mut own = measure_one(source, &value, above, &mut open)?;
        let overflow_pages = own.branch_overflow_pages + own.leaf_overflow_pages;
        let pages = own.branch_pages + own.leaf_pages + overflow_pages;
        pages_left = pages_left
            .checked_sub(pages)
            .ok_or_else(|| pager::Error::file("buckets that contain each other"))?;
        own.depth += above;
        sum += own;
    }
    Ok(sum)
}

fn measure_one<S: PageSource>(
    source: &S,
    value: &[u8],
    above: u64,
    open: &mut Vec<(Vec<u8>, u64)>,
) -> Result<BucketStatistics> {
    let header = BucketHeader::decode(value)?;
    let mut own = BucketStatistics {
        buckets: 1,
        ..BucketStatistics::default()
    };
    if header.is_inline() {
        let elements = inline_elements(value)?;
        own.inline_buckets = 1;
        own.inline_bucket_inuse_bytes = used_bytes(elements)?;
        own.keys = elements.count() as u64;
        own.depth = 1;
        return Ok(own);
    }
    let page_bytes = source.page_bytes() as u64;
    let mut inside = Vec::new();
    for step in Walk::new(source, header.root) {
        let step = step?;
        own.depth = own.depth.max(step.depth as u64 + 1);
        let (overflow, alloc) = (step.pages - 1, step.pages * page_bytes);
        let inuse = used_bytes(step.elements)?;
        if !step.elements.is_leaf() {
            own.branch_pages += 1;
            own.branch_overflow_pages += overflow;
            own.branch_alloc_bytes += alloc;
            own.branch_inuse_bytes += inuse;
            continue;
        }
        own.leaf_pages += 1;
        own.leaf_overflow_pages += overflow;
        own.leaf_alloc_bytes += alloc;
        own.leaf_inuse_bytes += inuse;
        own.keys += step.elements.count() as u64;
        for index in 0..step.elements.count() {
            if entry_kind(step.elements.flags(index)?) == EntryKind::Bucket {
                inside.push(step.elements.value(index)?.to_vec());
            }
        }
    }
    let below = above + own.depth;
    open.extend(inside.into_iter().map(|value| (value, below)));
    Ok(own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_what_came_and_keeps_the_depth() {
        let then = BucketStatistics {
            keys: 10,
            leaf_pages: 4,
            depth: 1,
            ..BucketStatistics::default()
        };
        let now = BucketStatistics {
            keys: 25,
            leaf_pages: 3,
            depth: 2,
            ..BucketStatistics::default()
        };
        let since = now.since(&then);
        assert_eq!((since.keys, since.leaf_pages, since.depth), (15, 0, 2));
    }
}
