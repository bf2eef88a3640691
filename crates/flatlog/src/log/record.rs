//! One record of the log: what became of one key, or of one space.
//!
//! ```text
//! crc32 u32 | kind u8 | [space] | [index step] | key length | [value length] | key | value
//! ```
//!
//! Lengths and numbers are varints. The kind's flags say which of the optional parts are there.
//! The sum covers everything behind it, begun with the store's salt, so that a record of another
//! store is none of this one.

use crate::ids::SpaceId;
use crate::varint;

/// Bytes of the sum.
const SUM_BYTES: usize = 4;
/// A record has a space of its own; without it, it is of the default space.
const HAS_SPACE: u8 = 0x10;
/// A record's commit index is so many steps from its frame's, up or down; without it, it is the
/// same.
const HAS_INDEX: u8 = 0x20;

/// The longest key.
pub(crate) const KEY_BYTES_MAX: usize = 65_535;

/// What a record says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The key has this value.
    Put = 1,
    /// The key is gone.
    Delete = 2,
    /// The space has this name (the key).
    CreateSpace = 3,
    /// The space is gone with all it held.
    DropSpace = 4,
}

impl Kind {
    fn of(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Put),
            2 => Some(Kind::Delete),
            3 => Some(Kind::CreateSpace),
            4 => Some(Kind::DropSpace),
            _ => None,
        }
    }
}

/// A record, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: Kind,
    pub(crate) space: SpaceId,
    /// From its frame's commit index to its own.
    pub(crate) index_step: i64,
    pub(crate) key: &'a [u8],
    pub(crate) value: &'a [u8],
    /// Bytes before the key.
    pub(crate) header_len: u32,
    /// Bytes of the whole.
    pub(crate) len: u32,
    /// The sum it carries.
    pub(crate) sum: u32,
}

/// Where a record that was just written lies in its buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    pub(crate) header_len: u32,
    pub(crate) len: u32,
    pub(crate) sum: u32,
}

/// The sum of a record's bytes behind the sum itself.
#[inline]
fn sum_of(salt: u32, rest: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(rest);
    hasher.finalize()
}

/// Adds a record to `to`.
pub(crate) fn push(
    to: &mut Vec<u8>,
    salt: u32,
    kind: Kind,
    space: SpaceId,
    index_step: i64,
    key: &[u8],
    value: &[u8],
) -> Written {
    let start = to.len();
    to.reserve(key.len() + value.len() + 40);
    let has_space = if space == SpaceId::DEFAULT {
        0
    } else {
        HAS_SPACE
    };
    let has_index = if index_step == 0 { 0 } else { HAS_INDEX };
    to.extend_from_slice(&[0; SUM_BYTES]);
    to.push(kind as u8 | has_space | has_index);
    if has_space != 0 {
        varint::push(to, space.0.into());
    }
    if has_index != 0 {
        varint::push(to, zigzag(index_step));
    }
    varint::push(to, key.len() as u64);
    if kind == Kind::Put {
        varint::push(to, value.len() as u64);
    }
    let header_len = to.len() - start;
    to.extend_from_slice(key);
    to.extend_from_slice(value);
    let sum = sum_of(salt, to.get(start + SUM_BYTES..).unwrap_or_default());
    if let Some(place) = to.get_mut(start..start + SUM_BYTES) {
        place.copy_from_slice(&sum.to_le_bytes());
    }
    Written {
        header_len: u32::try_from(header_len).unwrap_or(u32::MAX),
        len: u32::try_from(to.len() - start).unwrap_or(u32::MAX),
        sum,
    }
}

/// Reads the record that `bytes` begins with. `None` if there is no whole one, or its sum is not
/// its own.
pub(crate) fn read(bytes: &[u8], salt: u32) -> Option<Record<'_>> {
    let record = parse(bytes)?;
    let rest = bytes.get(SUM_BYTES..record.len as usize)?;
    (sum_of(salt, rest) == record.sum).then_some(record)
}

/// Whether `bytes` are exactly one record with its own sum.
#[inline]
pub(crate) fn is_sound(bytes: &[u8], salt: u32) -> bool {
    match bytes.split_first_chunk::<SUM_BYTES>() {
        Some((sum, rest)) => sum_of(salt, rest) == u32::from_le_bytes(*sum),
        None => false,
    }
}

/// The value in a record, if the record says what this key of this space has.
#[inline]
pub(crate) fn value_of<'a>(
    bytes: &'a [u8],
    header_len: usize,
    space: SpaceId,
    key: &[u8],
) -> Option<&'a [u8]> {
    let (found, value) = bytes.get(header_len..)?.split_at_checked(key.len())?;
    if found != key {
        return None;
    }
    // The record's key may go on: the length before it tells.
    let mut rest = bytes.get(SUM_BYTES + 1..header_len)?;
    let code = *bytes.get(SUM_BYTES)?;
    let own_space = match code & HAS_SPACE {
        0 => SpaceId::DEFAULT,
        _ => SpaceId(varint::take_u32(&mut rest)?),
    };
    if code & HAS_INDEX != 0 {
        varint::take(&mut rest)?;
    }
    let is_put = code & !(HAS_SPACE | HAS_INDEX) == Kind::Put as u8;
    let is_own = is_put && own_space == space && varint::take(&mut rest)? == key.len() as u64;
    is_own.then_some(value)
}

fn parse(bytes: &[u8]) -> Option<Record<'_>> {
    let mut rest = bytes;
    let sum = varint::take_fixed_u32(&mut rest)?;
    let [code] = varint::take_array::<1>(&mut rest)?;
    let kind = Kind::of(code & !(HAS_SPACE | HAS_INDEX))?;
    let space = match code & HAS_SPACE {
        0 => SpaceId::DEFAULT,
        _ => SpaceId(varint::take_u32(&mut rest)?),
    };
    let index_step = match code & HAS_INDEX {
        0 => 0,
        _ => unzigzag(varint::take(&mut rest)?),
    };
    let key_len = usize::try_from(varint::take(&mut rest)?).ok()?;
    let value_len = match kind {
        Kind::Put => varint::take_u32(&mut rest)? as usize,
        _ => 0,
    };
    let header_len = bytes.len() - rest.len();
    let key = varint::take_bytes(&mut rest, key_len)?;
    let value = varint::take_bytes(&mut rest, value_len)?;
    Some(Record {
        kind,
        space,
        index_step,
        key,
        value,
        header_len: u32::try_from(header_len).ok()?,
        len: u32::try_from(bytes.len() - rest.len()).ok()?,
        sum,
    })
}

/// Small steps of either sign as small numbers.
fn zigzag(step: i64) -> u64 {
    ((step << 1) ^ (step >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// Joins the sums of a frame's records, in order: a record that is missing, or in another's place,
/// changes it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SumOfSums(pub(crate) u32);

impl SumOfSums {
    pub(crate) fn add(&mut self, sum: u32) {
        self.0 = (self.0.rotate_left(5) ^ sum).wrapping_mul(0x9E37_79B1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_of_its_own_key_in_its_own_space_and_of_no_other() {
        let (one, two) = (SpaceId::DEFAULT, SpaceId(300));
        for (space, other) in [(one, two), (two, one)] {
            for step in [0, -3] {
                let record = |kind, value: &[u8]| {
                    let mut bytes = Vec::new();
                    let written = push(&mut bytes, 7, kind, space, step, b"key\0\0", value);
                    (bytes, written.header_len as usize)
                };
                let (put, header) = record(Kind::Put, b"value");
                assert_eq!(
                    value_of(&put, header, space, b"key\0\0"),
                    Some(&b"value"[..])
                );
                // Heads of keys do not tell these apart.
                for key in [&b"key"[..], b"key\0", b"key\0\0\0", b"kez\0\0", b""] {
                    assert_eq!(value_of(&put, header, space, key), None, "{key:?}");
                }
                assert_eq!(value_of(&put, header, other, b"key\0\0"), None);
                for kind in [Kind::Delete, Kind::CreateSpace, Kind::DropSpace] {
                    let (bytes, header) = record(kind, b"");
                    assert_eq!(
                        value_of(&bytes, header, space, b"key\0\0"),
                        None,
                        "{kind:?}"
                    );
                }
            }
        }
    }
}
