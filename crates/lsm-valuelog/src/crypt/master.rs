//! The master key: it seals the registry of data keys and nothing else.

use aes_gcm::aead::consts::U12;
use aes_gcm::aes::Aes192;
use aes_gcm::{Aes128Gcm, Aes256Gcm, AesGcm, KeyInit};
use kv_api::{Error, Result};
use zeroize::Zeroizing;

use crate::crypt::cipher::{NONCE_BYTES, TAG_BYTES, open_with, seal_with};

/// A key of 16, 24 or 32 bytes, for AES-128, AES-192 or AES-256; wiped when dropped.
#[derive(Clone)]
pub(crate) struct MasterKey(Zeroizing<Vec<u8>>);

impl MasterKey {
    pub fn new(key: &[u8]) -> Result<MasterKey> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(Error::Invalid {
                what: "an encryption key that has not 16, 24 or 32 bytes",
            });
        }
        Ok(MasterKey(Zeroizing::new(key.to_vec())))
    }

    /// Seals `bytes` in place; answers the tag.
    pub fn seal(
        &self,
        nonce: [u8; NONCE_BYTES],
        context: &[u8],
        bytes: &mut [u8],
    ) -> Option<[u8; TAG_BYTES]> {
        match self.0.len() {
            16 => seal_with(
                &Aes128Gcm::new_from_slice(&self.0).ok()?,
                nonce,
                context,
                bytes,
            ),
            24 => {
                let cipher = AesGcm::<Aes192, U12>::new_from_slice(&self.0).ok()?;
                seal_with(&cipher, nonce, context, bytes)
            }
            _ => seal_with(
                &Aes256Gcm::new_from_slice(&self.0).ok()?,
                nonce,
                context,
                bytes,
            ),
        }
    }

    /// Opens `bytes` in place; answers whether this key sealed them.
    pub fn open(
        &self,
        nonce: [u8; NONCE_BYTES],
        context: &[u8],
        bytes: &mut [u8],
        tag: [u8; TAG_BYTES],
    ) -> bool {
        match self.0.len() {
            16 => Aes128Gcm::new_from_slice(&self.0)
                .is_ok_and(|cipher| open_with(&cipher, nonce, context, bytes, tag)),
            24 => AesGcm::<Aes192, U12>::new_from_slice(&self.0)
                .is_ok_and(|cipher| open_with(&cipher, nonce, context, bytes, tag)),
            _ => Aes256Gcm::new_from_slice(&self.0)
                .is_ok_and(|cipher| open_with(&cipher, nonce, context, bytes, tag)),
        }
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MasterKey")
    }
}
