//! How long keys and values may be.

use kv_api::{Error, Result};

/// The longest key.
pub(crate) const KEY_BYTES_MAX: usize = 65_535;

/// The longest value.
pub(crate) const VALUE_BYTES_MAX: usize = 1 << 30;

/// Refuses what is longer than it may be.
pub(crate) fn refuse_longer(what: &'static str, bytes: usize, bytes_max: usize) -> Result<()> {
    if bytes > bytes_max {
        return Err(Error::TooLarge {
            what,
            bytes: bytes as u64,
            bytes_max: bytes_max as u64,
        });
    }
    Ok(())
}

/// Refuses what cannot be a key.
pub(crate) fn refuse_key(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Invalid {
            what: "the empty key",
        });
    }
    refuse_longer("key", key.len(), KEY_BYTES_MAX)
}
