//! The segments of one version, by id and in the order of replay.

use std::sync::Arc;

use kv_api::{Error, Place as Where, Result};

use crate::ids::SegmentId;
use crate::log::segment::Segment;

/// How many ids the part found by index spans beside one for each segment.
const SPAN_BESIDE: usize = 1024;

/// Segments, in the order in which replay reads them: a record counts for more than one of the
/// same key in an earlier segment, whatever their ids are.
///
/// Ids come from a file, and an old segment that stays alive is far from the newest one, so memory
/// is by the number of segments and never by an id.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentTable {
    order: Vec<Arc<Segment>>,
    /// The segment with id `base + i`: the newest ones.
    by_id: Vec<Option<Arc<Segment>>>,
    base: u32,
    /// Those with smaller ids, which ascend.
    old: Vec<Arc<Segment>>,
}

impl SegmentTable {
    pub(crate) fn new(order: Vec<Arc<Segment>>) -> SegmentTable {
        let ids = || order.iter().map(|segment| segment.id().0);
        let end = ids().max().map_or(0, |max| u64::from(max) + 1);
        let span_max = (2 * order.len() + SPAN_BESIDE) as u64;
        let smallest = ids().min().unwrap_or(0);
        let base = smallest.max(u32::try_from(end.saturating_sub(span_max)).unwrap_or(0));
        let span = usize::try_from(end.saturating_sub(base.into())).unwrap_or(0);
        let mut by_id = vec![None; span];
        let mut old = Vec::new();
        for segment in &order {
            let index = segment.id().0.checked_sub(base);
            match index.and_then(|index| by_id.get_mut(index as usize)) {
                Some(slot) => *slot = Some(Arc::clone(segment)),
                None => old.push(Arc::clone(segment)),
            }
        }
        old.sort_by_key(|segment| segment.id());
        SegmentTable {
            order,
            by_id,
            base,
            old,
        }
    }

    #[inline]
    pub(crate) fn find(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        match id.0.checked_sub(self.base) {
            Some(index) => self.by_id.get(index as usize)?.as_ref(),
            None => self.find_old(id),
        }
    }

    #[cold]
    fn find_old(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        let at = self.old.binary_search_by_key(&id, |segment| segment.id());
        self.old.get(at.ok()?)
    }

    #[inline]
    pub(crate) fn get(&self, id: SegmentId) -> Result<&Arc<Segment>> {
        self.find(id).ok_or_else(|| {
            Error::corrupt(
                Where::Store,
                format!("the index names segment {}, which is not there", id.0),
            )
        })
    }

    pub(crate) fn order(&self) -> &[Arc<Segment>] {
        &self.order
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::PathBuf;

    use disk::{Create, Disk, OpenOptions, OsDisk};

    use super::*;
    use crate::log::cache::Cache;
    use crate::log::frame::Seal;

    fn segments(ids: &[u32]) -> Vec<Arc<Segment>> {
        let directory = tempfile::tempdir().unwrap();
        let how = OpenOptions {
            create: Create::IfMissing,
            ..OpenOptions::READ_WRITE
        };
        let file = OsDisk.open(&directory.path().join("file"), &how).unwrap();
        let cache = Arc::new(Cache::new(0));
        let segment = |id: &u32| {
            let seal = Seal {
                store: [0; 16],
                segment: SegmentId(*id),
                epoch: 1,
            };
            let file = Arc::clone(&file);
            Segment::new(seal, PathBuf::new(), file, 64, 64, Some(&cache)).map(Arc::new)
        };
        ids.iter().map(|id| segment(id).unwrap()).collect()
    }

    #[test]
    fn a_table_grows_with_the_number_of_segments_and_never_with_an_id() {
        let last = SegmentId::UNWRITTEN - 1;
        for ids in [&[1, last][..], &[last, 1, 7, 900_000], &[last], &[3, 4, 5]] {
            let table = SegmentTable::new(segments(ids));
            let slots = table.by_id.len() + table.old.len();
            assert!(slots <= 3 * ids.len() + SPAN_BESIDE, "{slots} for {ids:?}");
            for id in ids {
                let found = table.find(SegmentId(*id)).map(|segment| segment.id());
                assert_eq!(found, Some(SegmentId(*id)));
                for beside in [id - 1, id + 1] {
                    let found = table.find(SegmentId(beside)).map(|segment| segment.id().0);
                    assert_eq!(found, Some(beside).filter(|id| ids.contains(id)));
                }
            }
        }
    }
}
