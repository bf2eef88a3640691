//! Names of spaces: records of the system's own space, each with a number as its value.

use kv_api::{Error, Place, Result};

use crate::key::{SYSTEM_SPACE, stored};

/// The longest name of a space.
pub(crate) const NAME_BYTES_MAX: usize = 65_535;

/// The record of the space called `name`.
pub(crate) fn record_key(name: &[u8]) -> Vec<u8> {
    stored(SYSTEM_SPACE, name)
}

/// A space's number as its record's value.
pub(crate) fn encode(space: u64) -> [u8; 8] {
    space.to_be_bytes()
}

pub(crate) fn decode(value: &[u8]) -> Result<u64> {
    let bytes = <[u8; 8]>::try_from(value);
    let damaged = |_| Error::corrupt(Place::Store, "the record of a space is malformed");
    bytes.map(u64::from_be_bytes).map_err(damaged)
}
