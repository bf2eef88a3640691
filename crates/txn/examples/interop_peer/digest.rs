//! The digest every peer must agree on: counts, and a hash over the tree in key order.

use kv_api::Result;
use kv_api::capability::{BucketVisitor, NestedReader};
use sha2::{Digest, Sha256};
use txn::Db;

#[derive(Default)]
struct Sum {
    buckets: u64,
    keys: u64,
    bytes: u64,
    hash: Sha256,
}

impl Sum {
    fn sized(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }
}

impl BucketVisitor for Sum {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.buckets += 1;
        self.sized(name);
        self.hash.update(b"bucket");
        self.hash.update(sequence.to_be_bytes());
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.sized(key);
        self.sized(value);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.hash.update(b"end");
        Ok(())
    }
}

/// The digest line of the newest version.
pub fn of(db: &Db) -> Result<String> {
    let mut sum = Sum::default();
    db.snapshot()?.visit(&mut sum)?;
    let hash: String = sum
        .hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(format!(
        "buckets={} keys={} bytes={} sha256={hash}",
        sum.buckets, sum.keys, sum.bytes
    ))
}

/// Bytes of all pairs.
pub fn content_bytes(db: &Db) -> Result<u64> {
    struct Bytes(u64);
    impl BucketVisitor for Bytes {
        fn enter(&mut self, _name: &[u8], _sequence: u64) -> Result<()> {
            Ok(())
        }
        fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
            self.0 += (key.len() + value.len()) as u64;
            Ok(())
        }
        fn leave(&mut self) -> Result<()> {
            Ok(())
        }
    }
    let mut bytes = Bytes(0);
    db.snapshot()?.visit(&mut bytes)?;
    Ok(bytes.0)
}
