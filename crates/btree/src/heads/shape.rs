//! The first word kept beside a page: what the page is like and what the words behind are.

use super::{HEADS, PREFIX_BYTES_MAX};

/// What the first word says of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Elements on the page.
    pub count: usize,
    /// Every so many elements have a head.
    pub stride: usize,
    /// Children stand behind the heads. Without them, what stands there is of another page.
    pub has_children: bool,
    /// Bytes all keys begin with, as far as they are kept.
    pub prefix_bytes: usize,
    /// The length of every key, where places are kept: see [`work_out`].
    pub key_bytes: Option<usize>,
    /// The children are leaves, as far as the first one tells.
    pub above_leaves: bool,
    /// Pages that a child takes, as far as the first one tells; 0 where nobody looked.
    pub child_pages: u64,
    /// Pages of the run.
    pub run_pages: u64,
}

/// What is longer is not told apart.
const CHILD_PAGES_MAX: u64 = 0xFFFF;

impl Shape {
    /// A page with children has no places, so what tells of either shares its bits.
    pub fn encode(self) -> u64 {
        let key_bytes = self.key_bytes.unwrap_or(0) as u64;
        self.count as u64
            | (self.stride as u64) << 16
            | u64::from(self.has_children) << 31
            | (self.prefix_bytes as u64) << 32
            | u64::from(self.above_leaves) << 37
            | (key_bytes | self.child_pages.min(CHILD_PAGES_MAX)) << 38
            | self.run_pages << 54
    }

    pub fn decode(word: u64) -> Shape {
        let part = |shift: u32, bits: u32| (word >> shift) & ((1 << bits) - 1);
        // Below 2^16 each, so no cast can cut.
        let small = |shift, bits| usize::try_from(part(shift, bits)).unwrap_or(0);
        let (has_children, shared) = (part(31, 1) == 1, small(38, 16));
        Shape {
            count: small(0, 16),
            stride: small(16, 15).max(1),
            has_children,
            prefix_bytes: small(32, 5).min(PREFIX_BYTES_MAX),
            above_leaves: part(37, 1) == 1,
            child_pages: if has_children { part(38, 16) } else { 0 },
            key_bytes: Some(shared).filter(|bytes| !has_children && *bytes > 0),
            run_pages: part(54, 10),
        }
    }

    pub fn heads(self) -> usize {
        match self.stride {
            // Most pages: a division takes as long as the rest of the search.
            1 => self.count,
            stride => self.count.div_ceil(stride),
        }
    }

    /// Words before the places.
    pub fn places_at(self) -> usize {
        HEADS + self.heads()
    }
}
