//! What finds blocks in a table: its index, its filter and what opens it.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::caches::Weighed;
use crate::crypt::cipher::Opener;
use crate::table::footer::Part;
use crate::table::index::Index;

/// What is read when the table is first asked for something, and kept by it or by the cache.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub index: Index,
    pub index_part: Part,
    pub filter: FilterBits,
    /// The index as it is in the file, where that must be unsealed or read to be looked into.
    pub index_bytes: Option<Bytes>,
    pub opener: Option<Opener>,
}

impl Weighed for Arc<Loaded> {
    fn counted_bytes(&self) -> u64 {
        let filter = match &self.filter {
            FilterBits::Mapped(_) => 0,
            FilterBits::Held(bits) => bits.len(),
        };
        let index_bytes = self.index_bytes.as_ref().map_or(0, Bytes::len);
        // An opener has two dozen expanded round keys.
        let opener = if self.opener.is_some() { 1024 } else { 0 };
        (size_of::<Loaded>() + self.index.held_bytes() + index_bytes + filter + opener) as u64
    }
}

/// What was loaded, lent by the table that keeps it or shared by the cache.
pub(crate) enum LoadedRef<'a> {
    Lent(&'a Loaded),
    Shared(Arc<Loaded>),
}

impl Deref for LoadedRef<'_> {
    type Target = Loaded;

    #[inline]
    fn deref(&self) -> &Loaded {
        match self {
            LoadedRef::Lent(loaded) => loaded,
            LoadedRef::Shared(loaded) => loaded,
        }
    }
}

#[derive(Debug)]
pub(crate) enum FilterBits {
    Mapped(Part),
    Held(Bytes),
}
