//! Which keys a table may hold: a Bloom filter whose bits for one key share a cache line.
//!
//! Sized by the number of distinct keys, ten bits each by default: at most one absent key in
//! fifty costs a look.

/// Bytes of a line.
const LINE_BYTES: usize = 64;

/// Bits set per key.
const PROBES: u32 = 6;

/// The hash that filters and blocks know a key by.
#[inline]
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    xxhash_rust::xxh3::xxh3_64(key)
}

fn line_of(hash: u64, lines: usize) -> usize {
    // The high half scaled to the number of lines: no division, no bias worth naming.
    let scaled = (u128::from(hash >> 32) * lines as u128) >> 32;
    usize::try_from(scaled).unwrap_or(0)
}

/// Byte and bit of each probe inside a line.
fn probes(hash: u64) -> impl Iterator<Item = (usize, u8)> {
    let mixed = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 10;
    (0..PROBES).map(move |probe| {
        let bit = mixed >> (9 * probe) & 0x1FF;
        (usize::try_from(bit / 8).unwrap_or(0), 1 << (bit % 8))
    })
}

/// The filter of keys with these hashes.
pub(crate) fn build(hashes: &[u64], bits_per_key: usize) -> Vec<u8> {
    if bits_per_key == 0 || hashes.is_empty() {
        return Vec::new();
    }
    let lines = (hashes.len() * bits_per_key).div_ceil(8 * LINE_BYTES);
    let mut filter = vec![0; lines * LINE_BYTES];
    for hash in hashes {
        let start = line_of(*hash, lines) * LINE_BYTES;
        let Some(line) = filter.get_mut(start..start + LINE_BYTES) else {
            continue;
        };
        for (byte, bit) in probes(*hash) {
            if let Some(byte) = line.get_mut(byte) {
                *byte |= bit;
            }
        }
    }
    filter
}

/// Whether a key with this hash may be among those the filter was built of.
#[inline]
pub(crate) fn may_hold(filter: &[u8], hash: u64) -> bool {
    let lines = filter.len() / LINE_BYTES;
    if lines == 0 {
        return true;
    }
    let start = line_of(hash, lines) * LINE_BYTES;
    let Some(line) = filter.get(start..start + LINE_BYTES) else {
        return true;
    };
    probes(hash).all(|(byte, bit)| line.get(byte).is_none_or(|byte| byte & bit != 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_is_denied_and_few_strangers_pass() {
        let hash = |i: u64| key_hash(&i.to_le_bytes());
        let hashes: Vec<u64> = (0..20_000).map(hash).collect();
        let filter = build(&hashes, 10);
        assert!(hashes.iter().all(|hash| may_hold(&filter, *hash)));
        let passing = (20_000..120_000)
            .filter(|i| may_hold(&filter, hash(*i)))
            .count();
        assert!(passing < 2_000, "{passing} of 100,000");
        assert!(
            passing > 100,
            "{passing} of 100,000 is too good to be a filter"
        );
    }

    #[test]
    fn no_filter_denies_nothing() {
        assert!(may_hold(&[], 7));
        assert!(build(&[1, 2], 0).is_empty());
    }
}
