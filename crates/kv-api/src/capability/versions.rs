//! Versions that are kept after newer ones came.
//!
//! Every commit has a version, higher than any before. A store with history can be read as of any
//! version from its oldest one on.

use crate::{Result, Space};

/// One version of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyVersion<'a> {
    /// The commit that wrote it.
    pub version: u64,
    /// The value it gave the key; none where it removed it.
    pub value: Option<&'a [u8]>,
}

/// Sees versions of a key; answers whether to go on.
pub type VisitVersion<'a> = &'a mut dyn FnMut(KeyVersion<'_>) -> Result<bool>;

/// Sees pairs; answers whether to go on.
pub type VisitPair<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<bool>;

/// A snapshot that knows the versions of its keys.
pub trait Versions {
    /// The newest commit that this snapshot shows; 0 before the first.
    fn version(&self) -> u64;

    /// Shows `visit` the versions of `key` that this snapshot can see and that are kept, newest
    /// first, removals too, until it answers `false`.
    fn versions_of(&self, space: Space, key: &[u8], visit: VisitVersion<'_>) -> Result<()>;
}

/// A store that can be read as of an older version.
pub trait History {
    /// The newest commit.
    fn newest_version(&self) -> u64;

    /// The oldest version that may be asked for.
    fn oldest_version(&self) -> u64;

    /// Shows `visit` the pairs of a space, the default one without a name, as they were when
    /// `version` was the newest commit, ascending by key, until it answers `false`. A version
    /// above the newest stands for the newest; a space that was not there then is empty.
    ///
    /// # Errors
    ///
    /// `NotFound` for a version before the oldest.
    fn visit_at(&self, version: u64, space: Option<&[u8]>, visit: VisitPair<'_>) -> Result<()>;

    /// Gives up what only versions before `version` show. Snapshots that are open stay what they
    /// are.
    ///
    /// # Errors
    ///
    /// `Invalid` for a version above the newest.
    fn discard_before(&self, version: u64) -> Result<()>;
}
