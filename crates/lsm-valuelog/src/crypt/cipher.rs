//! Sealing the parts of one file, and opening them.
//!
//! A sealed part is a *unit*: its number, the ciphertext and a tag over both and the place of the
//! unit in the file, so that no unit passes for another.
//!
//! No nonce is used twice under a key. A file's key is 32 random bytes drawn for that file and
//! that one opening of the store, and only the [`Sealer`] made with it seals under it; a sealer
//! cannot be cloned nor made again from the file. It numbers its units upwards and never goes
//! back, not even where a refused write is taken back, and the number is the nonce. So two units
//! share key and nonce only if two draws of 256 random bits were equal. Keys of files are sealed
//! under a data key with random nonces of 96 bits: after 2^32 files under one data key, which is
//! two lifetimes of a data key at 2,000 files a second, any two are equal with a chance below
//! 2^-33.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::{AeadInOut, Aes256Gcm, KeyInit};

use crate::wire::Put;

/// Bytes of a data key and of a file's key.
pub(crate) const KEY_BYTES: usize = 32;

/// Bytes of a nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes of a tag.
pub(crate) const TAG_BYTES: usize = 16;

/// Bytes of a unit's number.
const NUMBER_BYTES: usize = 8;

/// Bytes that a unit has besides what it holds.
pub(crate) const UNIT_EXTRA_BYTES: usize = NUMBER_BYTES + TAG_BYTES;

/// AES-GCM with a key of any length.
pub(crate) trait Cipher:
    AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>
{
}

impl<A> Cipher for A where
    A: AeadInOut<NonceSize = aes_gcm::aead::consts::U12, TagSize = aes_gcm::aead::consts::U16>
{
}

/// Seals `bytes` in place and answers the tag.
pub(crate) fn seal_with(
    cipher: &impl Cipher,
    nonce: [u8; NONCE_BYTES],
    context: &[u8],
    bytes: &mut [u8],
) -> Option<[u8; TAG_BYTES]> {
    let tag = cipher.encrypt_inout_detached(&nonce.into(), context, bytes.into());
    tag.ok().map(Into::into)
}

/// Opens `bytes` in place; answers whether they are what was sealed.
pub(crate) fn open_with(
    cipher: &impl Cipher,
    nonce: [u8; NONCE_BYTES],
    context: &[u8],
    bytes: &mut [u8],
    tag: [u8; TAG_BYTES],
) -> bool {
    let opened = cipher.decrypt_inout_detached(&nonce.into(), context, bytes.into(), &tag.into());
    opened.is_ok()
}

fn nonce_of(number: u64) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    if let Some(low) = nonce.first_chunk_mut() {
        *low = number.to_le_bytes();
    }
    nonce
}

/// Writes the units of one file.
pub(crate) struct Sealer {
    cipher: Aes256Gcm,
    next: AtomicU64,
}

impl Sealer {
    /// The only sealer under a key that was drawn for it.
    pub fn new(key: &[u8; KEY_BYTES]) -> Sealer {
        Sealer {
            cipher: Aes256Gcm::new(&(*key).into()),
            next: AtomicU64::new(0),
        }
    }

    /// Makes room in `to` for a unit's number; what follows is to be sealed. Answers where.
    pub fn begin(to: &mut Vec<u8>) -> usize {
        let start = to.len();
        to.put_u64(0);
        start
    }

    /// Seals what stands in `to` behind the number at `start`, for `place` of the file.
    pub fn finish(&self, to: &mut Vec<u8>, start: usize, place: u64) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let Some((head, body)) = to
            .get_mut(start..)
            .and_then(|unit| unit.split_at_mut_checked(NUMBER_BYTES))
        else {
            return;
        };
        head.copy_from_slice(&number.to_le_bytes());
        let context = place.to_le_bytes();
        match seal_with(&self.cipher, nonce_of(number), &context, body) {
            Some(tag) => to.extend_from_slice(&tag),
            // Only what is larger than 64 GiB is refused: nothing that fits a part is. Better
            // nothing than anything in clear.
            None => body.fill(0),
        }
    }

    /// Appends `bytes` as a unit for `place` of the file.
    pub fn seal(&self, to: &mut Vec<u8>, place: u64, bytes: &[u8]) {
        let start = Sealer::begin(to);
        to.extend_from_slice(bytes);
        self.finish(to, start, place);
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

/// Reads the units of one file.
pub(crate) struct Opener(Aes256Gcm);

impl Opener {
    /// Opens what was sealed under `key`.
    pub fn new(key: &[u8; KEY_BYTES]) -> Opener {
        Opener(Aes256Gcm::new(&(*key).into()))
    }

    /// What the unit at `place` of the file holds; `None` if it is not what was sealed there.
    pub fn open(&self, place: u64, unit: &[u8]) -> Option<Vec<u8>> {
        let (number, rest) = unit.split_first_chunk::<NUMBER_BYTES>()?;
        let (body, tag) = rest.split_last_chunk::<TAG_BYTES>()?;
        let mut bytes = body.to_vec();
        let nonce = nonce_of(u64::from_le_bytes(*number));
        open_with(&self.0, nonce, &place.to_le_bytes(), &mut bytes, *tag).then_some(bytes)
    }
}

impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opener")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_opens_at_its_place_under_its_key_and_nowhere_else() {
        let (sealer, opener) = (Sealer::new(&[7; 32]), Opener::new(&[7; 32]));
        let mut file = vec![1, 2, 3];
        sealer.seal(&mut file, 3, b"a few words");
        let unit = file.get(3..).unwrap_or_default();
        assert_eq!(unit.len(), 11 + UNIT_EXTRA_BYTES);
        assert_eq!(opener.open(3, unit).as_deref(), Some(&b"a few words"[..]));
        assert_eq!(opener.open(4, unit), None);
        assert_eq!(Opener::new(&[8; 32]).open(3, unit), None);
        for at in 0..unit.len() {
            let mut damaged = unit.to_vec();
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 1;
            }
            assert_eq!(opener.open(3, &damaged), None, "byte {at}");
        }
        assert_eq!(opener.open(3, &[0; UNIT_EXTRA_BYTES - 1]), None);
    }

    #[test]
    fn equal_bytes_at_one_place_are_sealed_under_different_numbers() {
        let sealer = Sealer::new(&[7; 32]);
        let units: Vec<Vec<u8>> = (0..100)
            .map(|_| {
                let mut unit = Vec::new();
                sealer.seal(&mut unit, 0, b"same");
                unit
            })
            .collect();
        let distinct: std::collections::BTreeSet<_> = units.iter().collect();
        assert_eq!(distinct.len(), 100);
    }
}
