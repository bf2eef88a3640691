//! Namespaces that are banned: eight bytes at one place of every key say which it is of.
//!
//! Invariants:
//! * a ban is never lifted;
//! * keys too short for a namespace, and the engine's own records, are of none.

use std::collections::BTreeSet;

use kv_api::Error;

use crate::key::{is_reserved, space_code_bytes};

/// Bytes of a namespace in a key.
const NAMESPACE_BYTES: usize = 8;

/// Where namespaces stand in keys, and those that are banned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Banned {
    /// Bytes of the caller's key before its namespace.
    pub offset: usize,
    pub namespaces: BTreeSet<u64>,
}

impl Banned {
    /// Whether the stored key is of a banned namespace.
    pub fn hides(&self, stored: &[u8]) -> bool {
        if is_reserved(stored) {
            return false;
        }
        let start = space_code_bytes(stored).saturating_add(self.offset);
        let namespace = stored.get(start..start.saturating_add(NAMESPACE_BYTES));
        let Some(Ok(bytes)) = namespace.map(<[u8; NAMESPACE_BYTES]>::try_from) else {
            return false;
        };
        self.namespaces.contains(&u64::from_be_bytes(bytes))
    }
}

/// What whoever asks for a key of a banned namespace is told.
pub(crate) fn banned_key() -> Error {
    Error::NotFound {
        what: "namespace: it is banned",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{DEFAULT_SPACE, SYSTEM_SPACE, stored};

    #[test]
    fn a_key_is_of_the_namespace_that_stands_at_the_place_and_short_keys_are_of_none() {
        let banned = Banned {
            offset: 2,
            namespaces: BTreeSet::from([0x0102]),
        };
        let key =
            |namespace: u64, rest: &[u8]| [&b"xy"[..], &namespace.to_be_bytes(), rest].concat();
        for space in [DEFAULT_SPACE, 300] {
            assert!(banned.hides(&stored(space, &key(0x0102, b"rest"))));
            assert!(banned.hides(&stored(space, &key(0x0102, b""))));
            assert!(!banned.hides(&stored(space, &key(0x0103, b"rest"))));
            let mut short = key(0x0102, b"");
            short.pop();
            assert!(!banned.hides(&stored(space, &short)));
        }
        assert!(!banned.hides(&stored(SYSTEM_SPACE, &key(0x0102, b""))));
        assert!(!banned.hides(&stored(u64::MAX - 2, &key(0x0102, b""))));
    }
}
