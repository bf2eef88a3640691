//! Filling a space from pairs that come in order.

use crate::{Bytes, Result};

/// Answers the next pair, each with a greater key than the one before, and `None` behind the last.
pub type NextPair<'a> = &'a mut dyn FnMut() -> Result<Option<(Bytes, Bytes)>>;

/// A store that takes many sorted pairs faster than a transaction that puts them.
///
/// Law: once loaded, the pairs are there as if one transaction had put them, and durable; a load
/// that fails anywhere leaves the store as it was.
pub trait SortedLoad {
    /// Puts all pairs that `next` answers into a space, the default one without a name, which is
    /// made if it is not there and there are pairs; answers how many. What is there stays, but for
    /// values of the same keys. All pairs become visible in one step.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`](crate::Error::Invalid) for the empty key and for one that is not greater
    /// than the one before; what `next` answers;
    /// [`Error::Conflict`](crate::Error::Conflict) where others may write meanwhile, and did.
    fn load_sorted(&self, space: Option<&[u8]>, next: NextPair<'_>) -> Result<u64>;
}
