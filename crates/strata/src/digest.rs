//! One line that says whether two stores hold the same.
//!
//! The hash goes over the tree in key order: for each entry the length of its key and the key;
//! then for a bucket the bytes `bucket`, its sequence, its entries and the bytes `end`, for a pair
//! the length of its value and the value. Lengths and sequences are 8 bytes, big-endian. In an
//! engine without nested buckets a space counts as a bucket with sequence 0.

use std::fmt;

use kv_api::Result;
use kv_api::capability::{BucketVisitor, NestedReader};
use sha2::{Digest as _, Sha256};

/// What a store holds, in one line: `buckets=N keys=N bytes=N sha256=H`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest {
    /// Buckets, the root not counted.
    pub buckets: u64,
    /// Pairs.
    pub keys: u64,
    /// Bytes of the pairs' keys and values.
    pub bytes: u64,
    /// The hash over everything, names, sequences and order included.
    pub sha256: [u8; 32],
}

impl Digest {
    /// The digest of everything `reader` shows.
    pub fn of(reader: &dyn NestedReader) -> Result<Digest> {
        let mut digester = Digester::new();
        reader.visit(&mut digester)?;
        Ok(digester.finish())
    }

    /// The hash in hexadecimal digits.
    pub fn sha256_hex(&self) -> String {
        self.sha256
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Digest {
            buckets,
            keys,
            bytes,
            ..
        } = self;
        let hash = self.sha256_hex();
        write!(
            f,
            "buckets={buckets} keys={keys} bytes={bytes} sha256={hash}"
        )
    }
}

/// Computes a [`Digest`] from a walk.
#[derive(Clone, Debug, Default)]
pub struct Digester {
    hash: Sha256,
    buckets: u64,
    keys: u64,
    bytes: u64,
}

impl Digester {
    /// Of nothing so far.
    pub fn new() -> Digester {
        Digester::default()
    }

    fn framed(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }

    /// The digest of what was shown.
    pub fn finish(self) -> Digest {
        Digest {
            buckets: self.buckets,
            keys: self.keys,
            bytes: self.bytes,
            sha256: self.hash.finalize().into(),
        }
    }
}

impl BucketVisitor for Digester {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.buckets += 1;
        self.framed(name);
        self.hash.update(b"bucket");
        self.hash.update(sequence.to_be_bytes());
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.framed(key);
        self.framed(value);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.hash.update(b"end");
        Ok(())
    }
}
