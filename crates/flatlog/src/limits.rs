//! What a key, a name and a value may be.

use kv_api::{Error, Result};

use crate::log::record::KEY_BYTES_MAX;

/// The refusal of something with so many bytes.
pub(crate) fn too_large(what: &'static str, bytes: usize, bytes_max: u64) -> Error {
    Error::TooLarge {
        what,
        bytes: bytes as u64,
        bytes_max,
    }
}

/// Refuses what no key and no name is.
pub(crate) fn refuse_key(key: &[u8], what: &'static str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::Invalid {
            what: "an empty key or name",
        });
    }
    if key.len() > KEY_BYTES_MAX {
        return Err(too_large(what, key.len(), KEY_BYTES_MAX as u64));
    }
    Ok(())
}
