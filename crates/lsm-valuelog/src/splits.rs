//! Where a range of keys is cut so that each part holds about as much.

use kv_api::Result;

use crate::key::StoredRange;
use crate::snapshot::Snapshot;

/// Blocks of a table whose first keys are places to cut at.
const BLOCKS_PER_TABLE: usize = 16;

/// Cuts `whole` into at most `count` parts, which ascend and cover it.
pub(crate) fn splits(
    snapshot: &Snapshot,
    whole: &StoredRange,
    count: usize,
) -> Result<Vec<StoredRange>> {
    let mut places = places_in_tables(snapshot, whole)?;
    if places.len() < count {
        places.extend(places_in_memory(snapshot, whole, count));
    }
    places.retain(|place| whole.start < *place && *place < whole.end);
    places.sort_unstable();
    places.dedup();
    let parts = count.max(1);
    let mut ranges = Vec::with_capacity(parts);
    let mut start = whole.start.clone();
    for part in 1..parts {
        let place = places.get(part * places.len() / parts);
        if let Some(place) = place.filter(|place| **place > start) {
            let end = place.clone();
            ranges.push(StoredRange {
                start: std::mem::replace(&mut start, end.clone()),
                end,
            });
        }
    }
    ranges.push(StoredRange {
        start,
        end: whole.end.clone(),
    });
    Ok(ranges)
}

/// First keys of blocks, as many for each table.
fn places_in_tables(snapshot: &Snapshot, whole: &StoredRange) -> Result<Vec<Vec<u8>>> {
    let mut places = Vec::new();
    for (_, table) in snapshot.state().version.tables() {
        if !table.meta.overlaps(&whole.start, &whole.end) {
            continue;
        }
        let blocks = table.blocks()?;
        let step = blocks.div_ceil(BLOCKS_PER_TABLE).max(1);
        for number in (0..blocks).step_by(step) {
            let block = table.block(number)?;
            let first = block.record(0, table.base());
            let first = first.ok_or_else(|| table.malformed(number))?;
            places.push([block.prefix(), block.part(first.suffix)].concat());
        }
    }
    Ok(places)
}

/// Keys of memtables, evenly.
fn places_in_memory(snapshot: &Snapshot, whole: &StoredRange, count: usize) -> Vec<Vec<u8>> {
    let mut places = Vec::new();
    for memtable in snapshot.state().memtables() {
        let entries = usize::try_from(memtable.entries()).unwrap_or(usize::MAX);
        let step = (entries / count.max(1)).max(1);
        let mut node = memtable
            .list()
            .seek(&whole.start, crate::id::Sequence(u64::MAX));
        let mut at = 0;
        while let Some(current) = node.filter(|node| node.entry().key < &whole.end[..]) {
            if at % step == 0 {
                places.push(current.entry().key.to_vec());
            }
            at += 1;
            node = current.next();
        }
    }
    places
}
