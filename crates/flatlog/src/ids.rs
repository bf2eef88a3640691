//! Small numbers that name things, each with a type of its own.

/// A segment of the log. Never used twice in the life of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SegmentId(pub(crate) u32);

impl SegmentId {
    /// Ids from here on name the unwritten batches that a transaction builds on, not files.
    pub(crate) const UNWRITTEN: u32 = (1 << 26) - (1 << 12);

    /// Whether this names a batch that is not in the log yet.
    pub(crate) fn is_unwritten(self) -> bool {
        self.0 >= SegmentId::UNWRITTEN
    }
}

/// A space: in every record, never used twice in the life of a store. 0 is the default space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SpaceId(pub(crate) u32);

impl SpaceId {
    /// The space every store has.
    pub(crate) const DEFAULT: SpaceId = SpaceId(0);
}

/// A live key, for as long as it lives: what an index over values names it by. 0 where the store
/// keeps none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);
