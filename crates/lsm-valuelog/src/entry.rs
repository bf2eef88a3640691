//! One record of a key: what it says and of which version it is.
//!
//! In a log and in a table a record begins with one byte: its kind in the low half, flags above.

use crate::id::Sequence;
use crate::wire::{Put, Read};

/// What a record says about its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Here is its value.
    Put,
    /// It has none.
    Delete,
    /// Its value is in the value log, and here is where.
    Pointer,
}

const KIND_MASK: u8 = 0x0F;
const HAS_EXPIRY: u8 = 0x10;
const HAS_META: u8 = 0x20;
const DISCARDS_EARLIER: u8 = 0x40;

impl Kind {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Kind::Put => 0,
            Kind::Delete => 1,
            Kind::Pointer => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Kind> {
        match code & KIND_MASK {
            0 => Some(Kind::Put),
            1 => Some(Kind::Delete),
            2 => Some(Kind::Pointer),
            _ => None,
        }
    }
}

/// What a record carries besides key and value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extra {
    /// Seconds since 1970 from which on the record counts as a deletion; 0 for never.
    pub expires: u64,
    /// The caller's own byte.
    pub meta: u8,
    /// Whether versions below this one are garbage, however many are kept.
    pub discards_earlier: bool,
}

impl Extra {
    pub(crate) fn first_byte(&self, kind: Kind) -> u8 {
        let mut byte = kind.code();
        if self.expires != 0 {
            byte |= HAS_EXPIRY;
        }
        if self.meta != 0 {
            byte |= HAS_META;
        }
        if self.discards_earlier {
            byte |= DISCARDS_EARLIER;
        }
        byte
    }

    /// Appends what the first byte announces.
    pub(crate) fn put(&self, to: &mut Vec<u8>) {
        if self.expires != 0 {
            to.put_varint(self.expires);
        }
        if self.meta != 0 {
            to.push(self.meta);
        }
    }

    #[inline]
    pub(crate) fn read(first: u8, from: &mut Read<'_>) -> Option<Extra> {
        if first & !KIND_MASK == 0 {
            return Some(Extra::default());
        }
        let expires = if first & HAS_EXPIRY != 0 {
            from.varint()?
        } else {
            0
        };
        let meta = if first & HAS_META != 0 { from.u8()? } else { 0 };
        Some(Extra {
            expires,
            meta,
            discards_earlier: first & DISCARDS_EARLIER != 0,
        })
    }

    /// Whether the record's time has passed.
    #[inline]
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires != 0 && self.expires <= now
    }
}

/// A record lent by a memtable, a block or a log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub key: &'a [u8],
    pub sequence: Sequence,
    pub kind: Kind,
    pub extra: Extra,
    /// The value, or the code of a [`Pointer`](crate::pointer::Pointer), or nothing.
    pub value: &'a [u8],
}

impl<'a> Entry<'a> {
    /// A deletion in its place.
    pub fn buried(&self) -> Entry<'a> {
        Entry {
            kind: Kind::Delete,
            extra: Extra::default(),
            value: &[],
            ..*self
        }
    }
}
