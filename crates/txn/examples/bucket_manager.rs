//! A small manager of buckets: values filed under numbers that the bucket hands out.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Result, Snapshot};

/// Values in named buckets, each under the next number of its bucket, written as a decimal key.
struct BucketManager {
    db: Db,
}

impl BucketManager {
    /// Opens the database and makes the buckets that do not exist.
    fn open(path: &std::path::Path, buckets: &[&str]) -> Result<BucketManager> {
        let db = Db::open(path)?;
        db.update(|tx| {
            for name in buckets {
                tx.create_bucket_if_missing(name)?;
            }
            Ok(())
        })?;
        Ok(BucketManager { db })
    }

    /// Files a value and answers its number.
    fn add(&self, bucket: &str, value: &str) -> Result<u64> {
        self.db.update(|tx| {
            let mut bucket = tx.bucket(bucket)?;
            let id = bucket.next_sequence()?;
            bucket.put(id.to_string(), value)?;
            Ok(id)
        })
    }

    /// Every number with its value, in the order of the keys.
    fn select(&self, bucket: &str) -> Result<Vec<(String, String)>> {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        self.db.view(|tx| {
            let pairs = tx.bucket(bucket)?.range(..);
            pairs
                .map(|pair| pair.map(|(key, value)| (text(key), text(value))))
                .collect()
        })
    }

    fn remove_id(&self, bucket: &str, id: u64) -> Result<()> {
        self.db
            .update(|tx| tx.bucket(bucket)?.delete(id.to_string()))
    }

    /// The keys that hold `value`.
    fn keys_of(snapshot: &Snapshot, bucket: &str, value: &str) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for pair in snapshot.bucket(bucket)?.range(..) {
            let (key, held) = pair?;
            if held == value.as_bytes() {
                keys.push(key.to_vec());
            }
        }
        Ok(keys)
    }

    /// Removes every copy of a value: looks in a snapshot, then deletes in one update.
    fn remove_value(&self, bucket: &str, value: &str) -> Result<usize> {
        let keys = self
            .db
            .view(|tx| BucketManager::keys_of(tx, bucket, value))?;
        self.db.update(|tx| {
            let mut bucket = tx.bucket(bucket)?;
            keys.iter().try_for_each(|key| bucket.delete(key))
        })?;
        Ok(keys.len())
    }

    /// The same in a transaction begun, committed, and on any error rolled back by hand.
    fn remove_value_by_hand(&self, bucket: &str, value: &str) -> Result<usize> {
        let keys = BucketManager::keys_of(&self.db.snapshot()?, bucket, value)?;
        let mut tx = self.db.begin()?;
        let id = tx.bucket(bucket)?.id();
        for key in &keys {
            if let Err(error) = tx.at(id).delete(key) {
                tx.rollback();
                return Err(error);
            }
        }
        tx.commit()?;
        Ok(keys.len())
    }

    fn remove_bucket(&self, bucket: &str) -> Result<()> {
        self.db.update(|tx| tx.delete_bucket(bucket))
    }
}

fn main() -> Result<()> {
    let directory = tempfile::tempdir().map_err(txn::Error::other)?;
    let manager = BucketManager::open(&directory.path().join("my.db"), &["a", "b"])?;
    manager.add("a", "11")?;
    manager.add("a", "22")?;
    let third = manager.add("a", "33")?;
    manager.add("a", "22")?;
    manager.add("b", "11")?;
    manager.add("b", "22")?;
    println!("a holds {:?}", manager.select("a")?);

    manager.remove_id("a", third)?;
    println!("without number {third}: {:?}", manager.select("a")?);

    let removed = manager.remove_value_by_hand("a", "22")?;
    println!("removed {removed} copies of 22: {:?}", manager.select("a")?);
    assert_eq!(manager.select("a")?, [("1".to_owned(), "11".to_owned())]);

    assert_eq!(manager.remove_value("b", "22")?, 1);
    assert_eq!(manager.select("b")?.len(), 1);

    manager.remove_bucket("a")?;
    manager.remove_bucket("b")?;
    assert!(manager.select("a").is_err());
    manager.db.close()
}
