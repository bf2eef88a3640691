//! Filling a space from sorted pairs: one transaction, whose pages are packed.

use kv_api::capability::{NextPair, SortedLoad};
use kv_api::{Error, Result};

use crate::bucket::TOP;
use crate::db::Db;
use crate::error::from_tree;
use crate::transaction::Transaction;

impl SortedLoad for Db {
    /// Waits for the open write transaction, and others wait for this one. What it changes is in
    /// memory until it is done.
    fn load_sorted(&self, space: Option<&[u8]>, next: NextPair<'_>) -> Result<u64> {
        let mut pair = next()?;
        if pair.is_none() {
            return Ok(0);
        }
        let mut transaction = self.begin()?;
        let id = match space {
            None => TOP,
            Some(name) => transaction.create_bucket_if_missing(name)?.id(),
        };
        let Transaction { buckets, base, .. } = &mut transaction;
        buckets.set_packed(&base.pages, id).map_err(from_tree)?;
        let (mut count, mut last) = (0, None);
        while let Some((key, value)) = pair {
            if last.is_some_and(|last| last >= key) {
                return Err(Error::Invalid {
                    what: "keys of a sorted load must ascend",
                });
            }
            transaction.at(id).put(&key, &value)?;
            count += 1;
            last = Some(key);
            pair = next()?;
        }
        transaction.commit()?;
        Ok(count)
    }
}
