//! Keys and values: computed, never stored, and every value can be checked by itself.
//!
//! Invariant: a value belongs to exactly one key, because its little-endian words add up to a
//! token of that key. So a read is checked by reading every byte of it, whatever version it is,
//! and the check costs a few nanoseconds, the same for every engine.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::random::{mix, mixed};

/// Bytes of every key.
pub const KEY_BYTES: usize = 24;

/// A key.
pub type Key = [u8; KEY_BYTES];

/// Indices from here on are never written: keys that are missing.
pub const MISSING: u64 = 1 << 40;

/// What keys look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyShape {
    /// 24 random bytes.
    #[default]
    Random,
    /// `user:00000000` and 11 random letters and digits.
    User,
    /// `tenant-` and one of a thousand numbers, then 13 random letters and digits.
    Tenant,
}

impl FromStr for KeyShape {
    type Err = String;

    fn from_str(text: &str) -> Result<KeyShape, String> {
        match text {
            "random" => Ok(KeyShape::Random),
            "user" => Ok(KeyShape::User),
            "tenant" => Ok(KeyShape::Tenant),
            _ => Err(format!("{text} is none of random, user, tenant")),
        }
    }
}

impl fmt::Display for KeyShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KeyShape::Random => "random",
            KeyShape::User => "user",
            KeyShape::Tenant => "tenant",
        })
    }
}

/// The data of one run.
#[derive(Clone, Copy, Debug)]
pub struct Data {
    /// Sets the keys of one run apart from those of another.
    pub seed: u64,
    /// What keys look like.
    pub shape: KeyShape,
    /// Bytes of every value; at least 16.
    pub value_bytes: usize,
}

impl Data {
    /// Bytes of a key and its value.
    pub fn entry_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }

    /// The key numbered `index`.
    pub fn key(&self, index: u64) -> Key {
        let base = mixed(self.seed, index);
        let words = [base, mix(base ^ 1), mix(base ^ 2)];
        let mut key = [0; KEY_BYTES];
        for (bytes, word) in key.chunks_exact_mut(8).zip(words) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        let prefix = match self.shape {
            KeyShape::Random => return key,
            KeyShape::User => "user:00000000".to_owned(),
            KeyShape::Tenant => format!("tenant-{:03}/", base % 1000),
        };
        for byte in &mut key {
            *byte = b"0123456789abcdefghijklmnopqrstuv"
                .get(usize::from(*byte & 31))
                .copied()
                .unwrap_or(b'0');
        }
        for (byte, wanted) in key.iter_mut().zip(prefix.bytes()) {
            *byte = wanted;
        }
        key
    }

    /// Fills `value` with what `key` holds in `version`.
    pub fn fill(&self, key: &Key, version: u64, value: &mut Vec<u8>) {
        value.resize(self.value_bytes, 0);
        let token = token(key);
        let mut state = token ^ mix(version);
        let (tail, body) = value.split_at_mut(8);
        let mut sum = 0_u64;
        for chunk in body.chunks_mut(8) {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let bytes = mix(state).to_le_bytes();
            for (byte, random) in chunk.iter_mut().zip(bytes) {
                *byte = random;
            }
        }
        for chunk in body.chunks(8) {
            sum = sum.wrapping_add(word(chunk));
        }
        tail.copy_from_slice(&token.wrapping_sub(sum).to_le_bytes());
    }
}

/// Whether `value` belongs to `key`. Reads all of it.
pub fn belongs(key: &[u8], value: &[u8]) -> bool {
    let chunks = value.chunks_exact(8);
    let rest = word(chunks.remainder());
    let whole = chunks.map(word).fold(0_u64, u64::wrapping_add);
    whole.wrapping_add(rest) == token(key) && !value.is_empty()
}

fn token(key: &[u8]) -> u64 {
    mix(key
        .chunks(8)
        .map(word)
        .fold(0, |sum, word| sum.rotate_left(7) ^ word))
}

/// Up to eight bytes as a number.
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes
            .iter()
            .rev()
            .fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(value_bytes: usize) -> Data {
        Data {
            seed: 1,
            shape: KeyShape::Random,
            value_bytes,
        }
    }

    #[test]
    fn a_value_belongs_to_its_key_and_to_no_other() {
        for value_bytes in [16, 150, 4096] {
            let data = data(value_bytes);
            let (key, other) = (data.key(7), data.key(8));
            let mut value = Vec::new();
            data.fill(&key, 3, &mut value);
            assert!(belongs(&key, &value));
            assert!(!belongs(&other, &value));
            for place in 0..value.len() {
                let mut damaged = value.clone();
                damaged
                    .iter_mut()
                    .skip(place)
                    .take(1)
                    .for_each(|byte| *byte ^= 1);
                assert!(!belongs(&key, &damaged), "byte {place}");
            }
        }
    }

    #[test]
    fn shapes_have_their_prefixes_and_full_length() {
        let with = |shape| Data { shape, ..data(150) }.key(5);
        assert!(with(KeyShape::User).starts_with(b"user:00000000"));
        assert!(with(KeyShape::Tenant).starts_with(b"tenant-"));
        assert_ne!(with(KeyShape::Random), data(150).key(6));
    }
}
