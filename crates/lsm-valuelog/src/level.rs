//! How many levels the tree has.

/// Levels of the tree.
pub(crate) const LEVELS: usize = 7;
