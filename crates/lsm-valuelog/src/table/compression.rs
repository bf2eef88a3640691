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
        let is_gain = packed.len() < bytes.len() - bytes.len() / 16;
        (is_gain && is_believable(packed.len(), bytes.len())).then_some(packed)
    }
}

/// Blocks beyond this size are only packed this many times over, so that what a damaged or hostile
/// length makes a reader allocate is bounded by what it has read.
const BELIEVED_BYTES: usize = 1 << 20;
const BELIEVED_TIMES: usize = 1024;

const fn is_believable(packed: usize, unpacked: usize) -> bool {
    unpacked <= BELIEVED_BYTES || unpacked / BELIEVED_TIMES <= packed
}

/// Unpacks what was compressed by the method with this code, to exactly `len` bytes.
pub(crate) fn decompress(code: u8, packed: &[u8], len: usize) -> io::Result<Vec<u8>> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidData, "a block does not unpack");
    if !is_believable(packed.len(), len) {
        return Err(wrong());
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const METHODS: [Compression; 4] = [
        Compression::Lz4,
        Compression::Snappy,
        Compression::Zstd(1),
        Compression::Zstd(19),
    ];

    #[test]
    fn what_was_packed_unpacks_to_itself_and_to_no_other_length() {
        let bytes: Vec<u8> = (0..5_000_u32).flat_map(|i| (i / 7).to_le_bytes()).collect();
        for method in METHODS {
            let packed = method.compress(&bytes).unwrap_or_default();
            assert!(
                !packed.is_empty() && packed.len() < bytes.len(),
                "{method:?}"
            );
            let unpack = |len| decompress(method.code(), &packed, len);
            assert_eq!(unpack(bytes.len()).ok().as_ref(), Some(&bytes));
            for len in [0, 1, bytes.len() - 1, bytes.len() + 1, 1 << 20] {
                assert!(unpack(len).is_err(), "{method:?} to {len}");
            }
        }
    }

    #[test]
    fn a_length_beyond_belief_is_refused_before_anything_is_allocated() {
        let packed = [0; 100];
        for code in 0..=255 {
            for len in [2 << 20, 1 << 40, usize::MAX] {
                assert!(decompress(code, &packed, len).is_err(), "method {code}");
            }
        }
    }

    #[test]
    fn what_packs_beyond_belief_is_left_as_it_is() {
        let zeros = vec![0; 64 << 20];
        assert_eq!(Compression::Zstd(1).compress(&zeros), None);
        let packed = Compression::Zstd(1).compress(&vec![0; 1 << 20]);
        let packed = packed.unwrap_or_default();
        let unpacked = decompress(3, &packed, 1 << 20);
        assert_eq!(unpacked.map(|bytes| bytes.len()).ok(), Some(1 << 20));
    }

    #[test]
    fn what_does_not_shrink_by_a_sixteenth_is_left_as_it_is() {
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            state.to_be_bytes()[0]
        })
        .take(4096)
        .collect();
        for method in METHODS {
            assert_eq!(method.compress(&noise), None, "{method:?}");
        }
        assert_eq!(Compression::None.compress(&[0; 4096]), None);
    }
}
