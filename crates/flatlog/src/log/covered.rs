//! A place in the log where reading may begin.

use crate::ids::SegmentId;
use crate::log::segment::SEGMENT_HEADER_BYTES;

/// A place between two frames of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) segment: SegmentId,
    pub(crate) at: u32,
    /// The sum of the head before it; 0 at the beginning.
    pub(crate) head_sum: u32,
}

impl Covered {
    /// Where a segment's frames begin.
    pub(crate) fn nothing_of(segment: SegmentId) -> Covered {
        Covered {
            segment,
            at: SEGMENT_HEADER_BYTES,
            head_sum: 0,
        }
    }
}
