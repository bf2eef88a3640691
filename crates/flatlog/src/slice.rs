//! Bytes that a reader lends.

use std::fmt;
use std::ops::Deref;

use kv_api::Bytes;

/// A key or a value: lent from the index or from a mapping, or owned where the store reads without
/// mapping.
#[derive(Clone)]
pub enum Slice<'a> {
    /// Lent without copying.
    Lent(&'a [u8]),
    /// Shared with the value cache.
    Owned(Bytes),
}

impl Deref for Slice<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Slice::Lent(bytes) => bytes,
            Slice::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Slice<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Slice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.escape_ascii().to_string(), f)
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Slice<'_> {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}
