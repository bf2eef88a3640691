//! Bytes lent by a reader.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;

/// Bytes lent by a snapshot or a transaction: straight from a mapped file or a memtable where
/// that is possible, otherwise a shared copy.
#[derive(Clone)]
pub struct Slice<'a>(Held<'a>);

#[derive(Clone)]
enum Held<'a> {
    Lent(&'a [u8]),
    /// In a box, so that a slice is two words: cursors pass many from hand to hand.
    Shared(Box<Bytes>),
}

const _: () = assert!(size_of::<Slice<'_>>() == 2 * size_of::<usize>());

impl<'a> Slice<'a> {
    pub(crate) fn lent(bytes: &'a [u8]) -> Slice<'a> {
        Slice(Held::Lent(bytes))
    }

    pub(crate) fn shared(bytes: Bytes) -> Slice<'a> {
        Slice(Held::Shared(Box::new(bytes)))
    }

    pub(crate) fn copied(bytes: &[u8]) -> Slice<'a> {
        Slice::shared(Bytes::copy_from_slice(bytes))
    }

    /// A part of it. Past its end there is nothing.
    pub(crate) fn part(&self, start: usize, end: usize) -> Slice<'a> {
        match &self.0 {
            Held::Lent(bytes) => Slice::lent(bytes.get(start..end).unwrap_or_default()),
            Held::Shared(bytes) if start <= end && end <= bytes.len() => {
                Slice::shared(bytes.slice(start..end))
            }
            Held::Shared(_) => Slice::lent(&[]),
        }
    }

    /// The bytes for as long as their reader lives, where they are lent and not shared.
    pub(crate) fn lent_bytes(&self) -> Option<&'a [u8]> {
        match &self.0 {
            Held::Lent(bytes) => Some(bytes),
            Held::Shared(_) => None,
        }
    }

    /// An owned form: no copy where the bytes are shared already.
    pub(crate) fn into_bytes(self) -> Bytes {
        match self.0 {
            Held::Lent(bytes) => Bytes::copy_from_slice(bytes),
            Held::Shared(bytes) => *bytes,
        }
    }
}

impl Deref for Slice<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Held::Lent(bytes) => bytes,
            Held::Shared(bytes) => bytes,
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
        write!(f, "\"{}\"", self.escape_ascii())
    }
}
