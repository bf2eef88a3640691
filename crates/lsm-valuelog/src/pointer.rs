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
