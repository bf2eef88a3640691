//! Where in the log a record lies.

use crate::ids::SegmentId;

/// A record's place, in 12 bytes.
///
/// The header's length is kept so that the value is found without reading the record: it begins
/// behind the header and the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The segment's number above, the header's length in the lowest six bits.
    packed: u32,
    /// Bytes from the segment's beginning.
    pub(crate) offset: u32,
    /// The whole record's length.
    pub(crate) len: u32,
}

impl Place {
    /// In no segment.
    pub(crate) const NOWHERE: Place = Place {
        packed: u32::MAX,
        offset: 0,
        len: 0,
    };

    pub(crate) fn new(segment: SegmentId, offset: u32, header_len: u32, len: u32) -> Place {
        debug_assert!(header_len < 64 && segment.0 < 1 << 26);
        Place {
            packed: segment.0 << 6 | header_len,
            offset,
            len,
        }
    }

    pub(crate) fn segment(self) -> SegmentId {
        SegmentId(self.packed >> 6)
    }

    pub(crate) fn header_len(self) -> u32 {
        self.packed & 63
    }
}
