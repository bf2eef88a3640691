//! Where in the value log a value is.

use crate::id::FileId;
use crate::wire::{Put, Read};

/// The place, length and checksum of a value in the value log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pointer {
    /// The file it was first written to. Collection may have moved the file's living values
    /// since, which the version knows.
    pub file: FileId,
    /// Bytes from the beginning of that file.
    pub offset: u64,
    pub len: u64,
    /// Of the value's bytes.
    pub checksum: u32,
}

/// Bytes of the longest code.
pub(crate) const POINTER_BYTES_MAX: usize = 34;

impl Pointer {
    pub fn put(&self, to: &mut Vec<u8>) {
        to.put_varint(self.file.0);
        to.put_varint(self.offset);
        to.put_varint(self.len);
        to.put_u32(self.checksum);
    }

    pub fn read(bytes: &[u8]) -> Option<Pointer> {
        let mut read = Read::new(bytes);
        let pointer = Pointer {
            file: FileId(read.varint()?),
            offset: read.varint()?,
            len: read.varint()?,
            checksum: read.u32()?,
        };
        read.is_empty().then_some(pointer)
    }
}

/// The checksum of a value in the value log.
pub(crate) fn value_checksum(value: &[u8]) -> u32 {
    crate::wire::low_u32(xxhash_rust::xxh3::xxh3_64(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_comes_back_whatever_its_numbers_and_is_the_same_bytes_on_every_machine() {
        let numbers = [0, 1, 127, 128, 1 << 31, 1 << 32, 5 << 40, u64::MAX];
        for (file, offset) in numbers.iter().flat_map(|a| numbers.map(|b| (*a, b))) {
            let pointer = Pointer {
                file: FileId(file),
                offset,
                len: file ^ offset,
                checksum: 0x0403_0201,
            };
            let mut code = Vec::new();
            pointer.put(&mut code);
            assert!(code.len() <= POINTER_BYTES_MAX);
            assert_eq!(Pointer::read(&code), Some(pointer));
            assert_eq!(
                code.split_last_chunk::<4>().map(|(_, sum)| *sum),
                Some([1, 2, 3, 4])
            );
            code.push(0);
            assert_eq!(Pointer::read(&code), None, "nothing may follow");
        }
    }
}
