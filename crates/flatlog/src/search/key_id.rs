//! The number that stands for a live key in posting lists.

/// A live key, for as long as it lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(pub u32);
