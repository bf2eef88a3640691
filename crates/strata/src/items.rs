//! Pairs with what some engines keep beside them.

use kv_api::{Bytes, Result};

/// A pair with what is kept beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
    /// Seconds since 1970 from which on the pair is gone; 0 for never.
    pub expires_at: u64,
    /// A byte of the caller's own; 0 where none was given.
    pub user_meta: u8,
}

impl Item<'_> {
    /// Whether there is nothing beside the pair.
    pub fn is_plain(&self) -> bool {
        self.expires_at == 0 && self.user_meta == 0
    }
}

/// A snapshot of a store that keeps times to live and bytes of the caller's own beside its pairs.
///
/// Law: the items of a space are its pairs, in the same order.
pub trait Items {
    /// The names of all spaces but the default one, ascending.
    fn item_spaces(&self) -> Result<Vec<Bytes>>;

    /// Shows `visit` every pair of the space called `space`, the default one without a name, in
    /// key order. An error that it answers ends the walk.
    fn visit_items(
        &self,
        space: Option<&[u8]>,
        visit: &mut dyn FnMut(Item<'_>) -> Result<()>,
    ) -> Result<()>;
}
