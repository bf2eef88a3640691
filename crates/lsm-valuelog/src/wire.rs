//! Numbers and byte strings as they stand in files: little-endian, varints, lengths checked.
//!
//! Invariant: a [`Read`] never allocates; whatever it lends lies inside what it was given.

/// Appends to a buffer.
pub(crate) trait Put {
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
    fn put_varint(&mut self, value: u64);
    /// A length, then the bytes.
    fn put_bytes(&mut self, bytes: &[u8]);
}

impl Put for Vec<u8> {
    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_le_bytes());
    }

    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.push(value.to_le_bytes()[0]);
    }

    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.extend_from_slice(bytes);
    }
}

/// A place in a byte string that moves on as values are taken; `None` where it ends too early.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read<'a> {
    bytes: &'a [u8],
}

impl<'a> Read<'a> {
    pub fn new(bytes: &'a [u8]) -> Read<'a> {
        Read { bytes }
    }

    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    #[inline]
    pub fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(*first)
    }

    pub fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(u32::from_le_bytes(*first))
    }

    pub fn u64(&mut self) -> Option<u64> {
        let (first, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(u64::from_le_bytes(*first))
    }

    #[inline]
    pub fn varint(&mut self) -> Option<u64> {
        let first = self.u8()?;
        if first < 0x80 {
            return Some(u64::from(first));
        }
        let mut value = u64::from(first & 0x7F);
        let mut shift = 7;
        loop {
            let next = self.u8()?;
            // The tenth byte has room for one bit only.
            if shift == 63 && next > 1 {
                return None;
            }
            value |= u64::from(next & 0x7F) << shift;
            if next < 0x80 {
                return Some(value);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// A varint that is a length or a place in memory.
    #[inline]
    pub fn length(&mut self) -> Option<usize> {
        usize::try_from(self.varint()?).ok()
    }

    #[inline]
    pub fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.bytes.split_at_checked(len)?;
        self.bytes = rest;
        Some(first)
    }

    /// A length, then the bytes.
    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.length()?;
        self.take(len)
    }
}

/// A length in memory, which on every platform we build for fits 64 bits; the reverse is checked.
pub(crate) fn to_usize(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}

/// The low half.
pub(crate) const fn low_u32(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_varint_comes_back() {
        for value in (0..64)
            .flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, (1 << bit) + 1])
            .chain([u64::MAX])
        {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            let mut read = Read::new(&bytes);
            assert_eq!(read.varint(), Some(value));
            assert!(read.is_empty());
        }
    }

    #[test]
    fn a_varint_too_long_or_cut_short_is_none() {
        assert_eq!(Read::new(&[0xFF; 9]).varint(), None);
        assert_eq!(Read::new(&[0xFF; 11]).varint(), None);
        let mut over = [0xFF; 10];
        over[9] = 2;
        assert_eq!(Read::new(&over).varint(), None);
        assert_eq!(Read::new(&[5, 1, 2]).bytes(), None);
    }
}
