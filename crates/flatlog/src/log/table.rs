//! The segments of one version, by id and in the order of replay.

use std::sync::Arc;

use kv_api::{Error, Place as Where, Result};

use crate::ids::SegmentId;
use crate::log::segment::Segment;

/// Segments, in the order in which replay reads them: a record counts for more than one of the
/// same key in an earlier segment, whatever their ids are.
#[derive(Clone, Debug, Default)]
pub(crate) struct SegmentTable {
    order: Vec<Arc<Segment>>,
    /// The segment with id `base + i`.
    by_id: Vec<Option<Arc<Segment>>>,
    base: u32,
}

impl SegmentTable {
    pub(crate) fn new(order: Vec<Arc<Segment>>) -> SegmentTable {
        let ids = || order.iter().map(|segment| segment.id().0);
        let base = ids().min().unwrap_or(0);
        let count = ids().max().map_or(0, |max| max - base + 1) as usize;
        let mut by_id = vec![None; count];
        for segment in &order {
            if let Some(slot) = by_id.get_mut((segment.id().0 - base) as usize) {
                *slot = Some(Arc::clone(segment));
            }
        }
        SegmentTable { order, by_id, base }
    }

    #[inline]
    pub(crate) fn find(&self, id: SegmentId) -> Option<&Arc<Segment>> {
        let index = id.0.wrapping_sub(self.base) as usize;
        self.by_id.get(index)?.as_ref()
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
