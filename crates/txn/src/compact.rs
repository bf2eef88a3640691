//! Copying the contents of a database into a fresh one, in key order and tightly packed.

use btree::BucketId;
use kv_api::capability::BucketVisitor;
use kv_api::{Error, Result};

use crate::bucket::TOP;
use crate::bucket_mut::BucketMut;
use crate::db::Db;
use crate::error::from_tree;
use crate::snapshot::Snapshot;
use crate::transaction::Transaction;
use crate::visit::visit;

/// How to compact.
#[derive(Clone, Copy, Debug)]
pub struct CompactOptions {
    /// Commit whenever so many bytes of keys and values have been put; 0 for one transaction.
    pub transaction_bytes_max: u64,
}

impl Default for CompactOptions {
    fn default() -> CompactOptions {
        CompactOptions {
            transaction_bytes_max: 16 << 20,
        }
    }
}

/// Copies every bucket, sequence and pair of `from` into `to`, which should be empty. `progress`
/// is told the bytes of keys and values put so far.
pub fn compact(
    from: &Snapshot,
    to: &Db,
    options: CompactOptions,
    progress: &mut dyn FnMut(u64),
) -> Result<()> {
    let mut copier = Copier {
        to,
        transaction: Some(to.begin()?),
        options,
        path: Vec::new(),
        bucket: TOP,
        bytes: 0,
        bytes_committed: 0,
        progress,
    };
    copier.pack()?;
    visit(from, &mut copier)?;
    (copier.progress)(copier.bytes);
    copier
        .transaction
        .take()
        .map_or(Ok(()), Transaction::commit)
}

struct Copier<'a> {
    to: &'a Db,
    /// Always there, but for the moment between two.
    transaction: Option<Transaction>,
    options: CompactOptions,
    path: Vec<(Vec<u8>, BucketId)>,
    bucket: BucketId,
    bytes: u64,
    bytes_committed: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Copier<'_> {
    /// Commits if enough has gathered, and comes back to the same bucket in a new transaction.
    fn count(&mut self, bytes: usize) -> Result<()> {
        let max = self.options.transaction_bytes_max;
        let gathered = self.bytes - self.bytes_committed;
        self.bytes += bytes as u64;
        if max == 0 || gathered == 0 || gathered + bytes as u64 <= max {
            return Ok(());
        }
        (self.progress)(self.bytes);
        self.bytes_committed = self.bytes;
        self.transaction
            .take()
            .map_or(Ok(()), Transaction::commit)?;
        let mut next = self.to.begin()?;
        self.bucket = TOP;
        for (name, id) in &mut self.path {
            *id = next.at(self.bucket).bucket(name)?.id();
            self.bucket = *id;
        }
        self.transaction = Some(next);
        self.pack()
    }

    /// Lets the bucket at hand be packed: what is put into it comes in order.
    fn pack(&mut self) -> Result<()> {
        let bucket = self.bucket;
        let transaction = self.transaction.as_mut().ok_or(Error::Closed)?;
        let Transaction { buckets, base, .. } = transaction;
        buckets.set_packed(&base.pages, bucket).map_err(from_tree)
    }

    fn bucket(&mut self) -> Result<BucketMut<'_>> {
        let bucket = self.bucket;
        self.transaction
            .as_mut()
            .map(|transaction| transaction.at(bucket))
            .ok_or(Error::Closed)
    }
}

impl BucketVisitor for Copier<'_> {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.count(name.len())?;
        let mut parent = self.bucket()?;
        let mut bucket = parent.create_bucket(name)?;
        bucket.set_sequence(sequence)?;
        self.bucket = bucket.id();
        self.path.push((name.to_vec(), self.bucket));
        self.pack()
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.count(key.len() + value.len())?;
        self.bucket()?.put(key, value)
    }

    fn leave(&mut self) -> Result<()> {
        self.path.pop();
        self.bucket = self.path.last().map_or(TOP, |(_, id)| *id);
        // It may have been opened anew since it was packed last.
        self.pack()
    }
}
