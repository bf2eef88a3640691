//! A record in a frame: a head, which says what was changed, then the values that stay in the log.
//!
//! In an encrypted file the head's length stands first, and the head and each value are units of
//! their own, so that a value can be read without the rest.

use crate::crypt::cipher::{Opener, Sealer, UNIT_EXTRA_BYTES};
use crate::wire::{Put, low_u32};

/// Bytes of the length before a sealed head.
const LEN_BYTES: usize = 4;

/// Appends what `head` writes as a sealed head to `to`, which stands at `offset` of the file.
pub(crate) fn put_sealed_head(
    to: &mut Vec<u8>,
    offset: u64,
    sealer: &Sealer,
    head: impl FnOnce(&mut Vec<u8>),
) {
    let start = to.len();
    to.put_u32(0);
    let unit = Sealer::begin(to);
    head(to);
    sealer.finish(to, unit, offset + unit as u64);
    let len = low_u32((to.len() - unit) as u64);
    if let Some(place) = to.get_mut(start..unit) {
        place.copy_from_slice(&len.to_le_bytes());
    }
}

/// A record that was read, its head in clear.
#[derive(Debug)]
pub(crate) struct Record {
    /// The head; in a file in clear, the values too.
    bytes: Vec<u8>,
    /// The sealed values.
    sealed: Vec<u8>,
    /// The place in the file of the first of `sealed`, or of `bytes` if nothing is sealed.
    offset: u64,
    is_sealed: bool,
}

impl Record {
    /// The record that `bytes` at `offset` of the file are; `None` if they are not what was
    /// sealed there.
    pub fn open(bytes: &[u8], offset: u64, opener: Option<&Opener>) -> Option<Record> {
        let Some(opener) = opener else {
            return Some(Record {
                bytes: bytes.to_vec(),
                sealed: Vec::new(),
                offset,
                is_sealed: false,
            });
        };
        let (len, rest) = bytes.split_first_chunk::<LEN_BYTES>()?;
        let (head, sealed) = rest.split_at_checked(u32::from_le_bytes(*len) as usize)?;
        let place = offset + LEN_BYTES as u64;
        Some(Record {
            bytes: opener.open(place, head)?,
            sealed: sealed.to_vec(),
            offset: place + head.len() as u64,
            is_sealed: true,
        })
    }

    /// The head, and in a file in clear the values behind it.
    pub fn head(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes that it takes, about.
    pub fn len(&self) -> usize {
        self.bytes.len() + self.sealed.len()
    }

    /// The values behind a head of `head_len` bytes.
    pub fn values<'a>(&'a self, head_len: usize, opener: Option<&'a Opener>) -> Values<'a> {
        let (bytes, place) = if self.is_sealed {
            (self.sealed.as_slice(), self.offset)
        } else {
            let values = self.bytes.get(head_len..).unwrap_or_default();
            (values, self.offset + head_len as u64)
        };
        Values {
            bytes,
            place,
            opener: opener.filter(|_| self.is_sealed),
        }
    }
}

/// Values in a record, one after the other.
pub(crate) struct Values<'a> {
    bytes: &'a [u8],
    place: u64,
    opener: Option<&'a Opener>,
}

impl Values<'_> {
    /// The next value, `len` bytes long: its place in the file, and what `look` makes of it.
    pub fn next<T>(&mut self, len: usize, look: impl FnOnce(&[u8]) -> T) -> Option<(u64, T)> {
        let extra = if self.opener.is_some() {
            UNIT_EXTRA_BYTES
        } else {
            0
        };
        let (unit, rest) = self.bytes.split_at_checked(len.checked_add(extra)?)?;
        let place = self.place;
        let seen = match self.opener {
            Some(opener) => look(&opener.open(place, unit)?),
            None => look(unit),
        };
        self.bytes = rest;
        self.place += unit.len() as u64;
        Some((place, seen))
    }

    /// Whether there are no more.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
}
