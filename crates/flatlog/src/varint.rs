//! Numbers in as few bytes as they need: seven bits a byte, lowest first.
//!
//! Only the shortest form is read, so that no two byte strings mean the same number.

/// Adds `number` to `to`.
pub(crate) fn push(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    to.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes().first().copied().unwrap_or(0) & 0x7F
}

/// Takes a number from the front of `from`; `None` if there is no whole one in its shortest form.
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        let bits = u64::from(byte & 0x7F);
        if shift == 63 && bits > 1 {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            let shortest = *byte != 0 || shift == 0;
            return shortest.then_some(number);
        }
    }
    None
}

/// Takes a number that fits 32 bits.
pub(crate) fn take_u32(from: &mut &[u8]) -> Option<u32> {
    u32::try_from(take(from)?).ok()
}

/// Takes `len` bytes.
pub(crate) fn take_bytes<'a>(from: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (bytes, rest) = from.split_at_checked(len)?;
    *from = rest;
    Some(bytes)
}

/// Takes `N` bytes.
pub(crate) fn take_array<const N: usize>(from: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, rest) = from.split_first_chunk::<N>()?;
    *from = rest;
    Some(*bytes)
}

/// Takes a number of four bytes, lowest first.
pub(crate) fn take_fixed_u32(from: &mut &[u8]) -> Option<u32> {
    take_array(from).map(u32::from_le_bytes)
}

/// Takes a number of eight bytes, lowest first.
pub(crate) fn take_fixed_u64(from: &mut &[u8]) -> Option<u64> {
    take_array(from).map(u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_comes_back_and_no_longer_form_is_read() {
        for number in [0, 1, 127, 128, 300, 1 << 14, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            push(&mut bytes, number);
            assert_eq!(take(&mut bytes.as_slice()), Some(number));
            assert_eq!(
                take(&mut bytes.get(..bytes.len() - 1).unwrap_or_default()),
                None
            );
        }
        assert_eq!(take(&mut [0x80, 0].as_slice()), None);
        assert_eq!(take(&mut [0xFF; 10].as_slice()), None);
    }
}
