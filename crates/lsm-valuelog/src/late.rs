//! How far records reach that came below newer ones.

use crate::id::Sequence;

/// What is known of records that came late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Late {
    /// The newest version of them.
    pub version: Sequence,
    /// The newest commit when the last of them came.
    pub seen: Sequence,
}
