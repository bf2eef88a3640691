//! Copying a store while it is in use.

use std::io::Write;

use crate::Result;

/// A store whose newest version can be written out while others read and write.
///
/// Law: what was written, opened as a store, holds exactly the version that was newest when
/// `backup` was called, and passes its check.
pub trait Backup {
    /// Writes the newest version to `to` and answers the number of bytes.
    ///
    /// Pins that version for as long as it runs.
    fn backup(&self, to: &mut dyn Write) -> Result<u64>;
}
