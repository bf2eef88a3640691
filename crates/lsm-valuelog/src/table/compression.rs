//! Compression of blocks.

use std::io;

/// How blocks are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Not at all: blocks are read where they are mapped.
    #[default]
    None,
    /// LZ4: the fastest.
    Lz4,
    /// Snappy.
    Snappy,
    /// Zstandard at this level: the densest.
    Zstd(i32),
}

impl Compression {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Compression::None => 0,
            Compression::Lz4 => 1,
            Compression::Snappy => 2,
            Compression::Zstd(_) => 3,
        }
    }

    /// Compresses, unless that gains nothing: `None` then.
    pub(crate) fn compress(self, bytes: &[u8]) -> Option<Vec<u8>> {
        let packed = match self {
            Compression::None => return None,
            Compression::Lz4 => lz4_flex::block::compress(bytes),
            Compression::Snappy => snap::raw::Encoder::new().compress_vec(bytes).ok()?,
            Compression::Zstd(level) => zstd::bulk::compress(bytes, level).ok()?,
        };
        (packed.len() < bytes.len() - bytes.len() / 16).then_some(packed)
    }
}

/// Unpacks what was compressed by the method with this code, to exactly `len` bytes.
pub(crate) fn decompress(code: u8, packed: &[u8], len: usize) -> io::Result<Vec<u8>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a block does not unpack");
    let bytes = match code {
        1 => lz4_flex::block::decompress(packed, len).map_err(|_| wrong())?,
        2 => {
            if snap::raw::decompress_len(packed).map_err(|_| wrong())? != len {
                return Err(wrong());
            }
            let unpacked = snap::raw::Decoder::new().decompress_vec(packed);
            unpacked.map_err(|_| wrong())?
        }
        3 => zstd::bulk::decompress(packed, len)?,
        _ => return Err(wrong()),
    };
    (bytes.len() == len).then_some(bytes).ok_or_else(wrong)
}
