//! Pairs that are gone once their time has come.
//!
//! Times are seconds since 1970. A reader's time stands still: what it shows once, it shows for as
//! long as it lives.

use crate::{Result, Space};

/// A transaction that may say when what it puts is gone.
pub trait PutExpiring {
    /// Sets the value of `key`, gone from `expires_at_secs` on for every reader made then; 0 for
    /// never. A later put of any kind replaces value and time.
    fn put_expiring(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at_secs: u64,
    ) -> Result<()>;
}

/// A snapshot that knows when its pairs are gone.
pub trait Expiry {
    /// When the pair `key` of `space` is gone: 0 for never; `None` if there is no such pair.
    fn expires_at_secs(&self, space: Space, key: &[u8]) -> Result<Option<u64>>;
}
