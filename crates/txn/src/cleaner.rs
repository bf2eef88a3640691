//! Keeping long runs of free pages: a large commit also rewrites what is left of the sparsest
//! regions of the file, as a log-structured file system cleans its segments.
//!
//! Random changes leave free pages scattered over the file, each alone. A commit that has many
//! pages to write anyway takes the few live leaves of the emptiest regions along, so that these
//! regions are wholly free for the commit after the next. It does so only where the file may not
//! grow instead, and never rewrites more than [`COPIED_SHARE`] of what it writes itself.

use btree::{Buckets, Elements};
use pager::{Extents, PageId, PageSource, PageView};

use crate::grant::{LONG_RUN_PAGES, may_extend};
use crate::writer::Writer;

/// Commits of fewer changed nodes clean nothing.
const CLEANING_NODES_MIN: u64 = 128;
/// One page is rewritten for so many that the commit writes anyway.
const COPIED_SHARE: u64 = 2;
/// Regions that cleaning is about.
const REGION_PAGES: u64 = LONG_RUN_PAGES;

/// A region and how many of its pages are free.
#[derive(Clone, Copy, Debug)]
struct Region {
    number: u64,
    free: u64,
}

/// Adds leaves of sparse regions to what `buckets` is about to write.
pub(crate) fn clean(writer: &Writer, buckets: &mut Buckets) {
    let nodes = buckets.nodes_in_memory() as u64;
    if nodes < CLEANING_NODES_MIN {
        return;
    }
    let high_water = writer.current.meta.high_water;
    let waiting = writer.free.pages() + writer.pending.blocked().pages();
    let live = high_water.0.saturating_sub(waiting);
    if may_extend(high_water, nodes, live) {
        return;
    }
    let regions = regions(high_water, &writer.free, writer.pending.blocked());
    let whole = regions.iter().filter(|region| region.free == REGION_PAGES);
    let supply = whole.count() as u64 * REGION_PAGES;
    // What this commit takes, and the next.
    let wanted = (2 * nodes).saturating_sub(supply);
    for region in chosen(regions, wanted, nodes / COPIED_SHARE) {
        let start = region.number * REGION_PAGES;
        for id in (start..start + REGION_PAGES).map(PageId) {
            if !writer.free.contains(id) {
                rewrite(&writer.current.pages, buckets, id);
            }
        }
    }
}

/// Every region that is below the high-water mark as a whole and has no page that someone pins.
fn regions(high_water: PageId, free: &Extents, pinned: &Extents) -> Vec<Region> {
    let mut regions: Vec<Region> = (0..high_water.0 / REGION_PAGES)
        .map(|number| Region { number, free: 0 })
        .collect();
    let mut add = |extents: &Extents, weight: fn(&mut Region, u64)| {
        for (start, len) in extents.iter() {
            let (mut at, end) = (start.0, start.0.saturating_add(len));
            while at < end {
                let number = at / REGION_PAGES;
                let next = end.min((number + 1) * REGION_PAGES);
                let region = usize::try_from(number).ok();
                if let Some(region) = region.and_then(|number| regions.get_mut(number)) {
                    weight(region, next - at);
                }
                at = next;
            }
        }
    };
    add(free, |region, pages| region.free += pages);
    add(pinned, |region, _| region.free = 0);
    regions
}

/// The emptiest regions that are not empty, as many as give `wanted` pages by copying no more
/// than `copied_max`.
fn chosen(mut regions: Vec<Region>, wanted: u64, copied_max: u64) -> Vec<Region> {
    regions.retain(|region| region.free < REGION_PAGES && region.free * 2 > REGION_PAGES);
    regions.sort_by_key(|region| std::cmp::Reverse(region.free));
    let (mut gained, mut copied) = (0, 0);
    let enough = regions.iter().position(|region| {
        let done = gained >= wanted || copied + REGION_PAGES - region.free > copied_max;
        gained += region.free;
        copied += REGION_PAGES - region.free;
        done
    });
    regions.truncate(enough.unwrap_or(regions.len()));
    regions
}

/// Takes leaf `id` along, if it is one of the bucket that changes most. Anything else stays:
/// branches are rewritten by the changes below them anyway, and damage is not looked for here.
fn rewrite(pages: &PageView, buckets: &mut Buckets, id: PageId) {
    let Some(bucket) = buckets.most_changed() else {
        return;
    };
    let leaf = pages.page(id).and_then(Elements::of);
    let Ok(leaf) = leaf else { return };
    if leaf.is_leaf()
        && leaf.count() > 0
        && let Ok(key) = leaf.key(0)
    {
        drop(buckets.rewrite_leaf(pages, bucket, key, id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extents(runs: &[(u64, u64)]) -> Extents {
        let mut extents = Extents::new();
        for (start, pages) in runs {
            assert!(extents.insert(PageId(*start), *pages));
        }
        extents
    }

    #[test]
    fn the_emptiest_regions_are_chosen_within_what_may_be_copied() {
        // Whole, three quarters, nearly all, half, nearly all but pinned, and the file's rest.
        let free = extents(&[(0, 64), (64, 48), (129, 63), (192, 32), (257, 62), (320, 9)]);
        let pinned = extents(&[(256, 1)]);
        let regions = regions(PageId(329), &free, &pinned);
        let numbers = |wanted, copied_max| -> Vec<u64> {
            let chosen = chosen(regions.clone(), wanted, copied_max);
            chosen.iter().map(|region| region.number).collect()
        };
        assert_eq!(regions.len(), 5);
        assert_eq!(numbers(1000, 1000), [2, 1]);
        assert_eq!(numbers(63, 1000), [2]);
        assert_eq!(numbers(64, 16), [2]);
        assert_eq!(numbers(64, 17), [2, 1]);
        assert_eq!(numbers(0, 1000), []);
    }
}
