//! Giving back what is not needed.

use crate::Result;

/// A store that can be put in order while it is in use.
///
/// Law: it shows what it showed before, to old readers and new ones.
pub trait Compact {
    /// Rewrites what is worth it, and gives back the space of what nobody can see any more. Takes
    /// as long as it takes; others read and write meanwhile.
    fn compact(&self) -> Result<()>;
}
