//! Where a range of keys is cut so that each part holds about as much.

use std::ops::Bound;

use kv_api::{KeyRange, Result, Space};

use crate::key::{StoredRange, space_code_bytes};
use crate::snapshot::Snapshot;

/// Blocks of a table whose first keys are places to cut at.
const BLOCKS_PER_TABLE: usize = 16;

impl Snapshot {
    /// Cuts `keys` of `space` into at most `count` ranges, each of about as much, for whoever reads
    /// with threads of their own: they ascend, none meets another, and together they are `keys`, so
    /// the first begins and the last ends as it does. Fewer come where there are too few keys, or
    /// they lie in too few blocks, to be told apart without reading them. Takes time by the number of
    /// tables that hold any of `keys`, and by the records of memtables where these are all there is.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{Reader, Space, Store, Transaction};
    ///
    /// let db = lsm_valuelog::Db::open(directory.path().join("store"))?;
    /// db.update(|tx| (0..200_u8).try_for_each(|n| tx.put(Space::DEFAULT, &[n], b"v")))?;
    /// let snapshot = db.snapshot()?;
    /// let ranges = snapshot.ranges(Space::DEFAULT, .., 4)?;
    /// assert_eq!(ranges.len(), 4);
    /// let count = |range| Ok(snapshot.range(Space::DEFAULT, range)?.count());
    /// let counts = std::thread::scope(|scope| {
    ///     let each = ranges.into_iter().map(|range| scope.spawn(|| count(range)));
    ///     let threads: Vec<_> = each.collect();
    ///     let counts = threads.into_iter().map(|thread| thread.join().expect("nothing panics"));
    ///     counts.collect::<kv_api::Result<Vec<usize>>>()
    /// })?;
    /// assert_eq!(counts.iter().sum::<usize>(), 200);
    /// # Ok(())
    /// # }
    /// ```
    pub fn ranges(
        &self,
        space: Space,
        keys: impl Into<KeyRange>,
        count: usize,
    ) -> Result<Vec<KeyRange>> {
        let keys = keys.into();
        let whole = StoredRange::of(self.number(space)?, &keys);
        if whole.start >= whole.end {
            return Ok(Vec::new());
        }
        let cut = splits(self, &whole, count)?;
        let unstored = |key: &[u8]| {
            key.get(space_code_bytes(key)..)
                .unwrap_or_default()
                .to_vec()
        };
        let range = |range: &StoredRange| {
            let start = match range.start == whole.start {
                true => keys.start().map(<[u8]>::to_vec),
                false => Bound::Included(unstored(&range.start)),
            };
            let end = match range.end == whole.end {
                true => keys.end().map(<[u8]>::to_vec),
                false => Bound::Excluded(unstored(&range.end)),
            };
            KeyRange::from((start, end))
        };
        Ok(cut.iter().map(range).collect())
    }
}

/// Keys of a memtable that are places to cut at, for each part asked for.
const PLACES_PER_PART: usize = 16;

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
    places.retain(|place| whole.start < place.key && place.key < whole.end);
    places.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    let parts = count.max(1) as u128;
    let all: u128 = places.iter().map(|place| place.bytes).sum();
    let mut ranges = Vec::with_capacity(count.max(1));
    let mut start = whole.start.clone();
    let mut before = 0;
    for place in places {
        // The next part begins where those before it have their share.
        let begun = ranges.len() as u128 + 1;
        if begun < parts && before * parts >= all * begun && place.key > start {
            ranges.push(StoredRange {
                start: std::mem::replace(&mut start, place.key.clone()),
                end: place.key,
            });
        }
        before += place.bytes;
    }
    ranges.push(StoredRange {
        start,
        end: whole.end.clone(),
    });
    Ok(ranges)
}

/// A key to cut at, and the bytes from it on to the next one of the same table.
struct Place {
    key: Vec<u8>,
    bytes: u128,
}

/// First keys of blocks, as many for each table.
fn places_in_tables(snapshot: &Snapshot, whole: &StoredRange) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for (_, table) in snapshot.state().version.tables() {
        if !table.meta.overlaps(&whole.start, &whole.end) {
            continue;
        }
        let blocks = table.blocks()?;
        let step = blocks.div_ceil(BLOCKS_PER_TABLE).max(1);
        let table_bytes = u128::from(table.meta.bytes + table.meta.referenced_bytes());
        let bytes = table_bytes * step as u128 / blocks.max(1) as u128;
        for number in (0..blocks).step_by(step) {
            let block = table.block(number)?;
            let first = block.record(0, table.base());
            let first = first.ok_or_else(|| table.malformed(number))?;
            let key = [block.prefix(), block.part(first.suffix)].concat();
            places.push(Place { key, bytes });
        }
    }
    Ok(places)
}

/// Keys of memtables, evenly.
fn places_in_memory(snapshot: &Snapshot, whole: &StoredRange, count: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for memtable in snapshot.state().memtables() {
        let entries = usize::try_from(memtable.entries()).unwrap_or(usize::MAX);
        let step = (entries / (count.max(1) * PLACES_PER_PART)).max(1);
        let held = memtable.used_bytes() as u128 + u128::from(memtable.separated_bytes());
        let bytes = held * step as u128 / entries.max(1) as u128;
        let mut node = memtable
            .list()
            .seek(&whole.start, crate::id::Sequence(u64::MAX));
        let mut at = 0;
        while let Some(current) = node.filter(|node| node.entry().key < &whole.end[..]) {
            if at % step == 0 {
                let key = current.entry().key.to_vec();
                places.push(Place { key, bytes });
            }
            at += 1;
            node = current.next();
        }
    }
    places
}
