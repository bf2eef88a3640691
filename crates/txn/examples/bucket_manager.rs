//! A small manager of buckets: values filed under numbers that the bucket hands out.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use txn::{Db, Entry, ErrorKind, Result, Transaction};

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

    /// The numbers that hold `value`.
    fn select_value(&self, bucket: &str, value: &str) -> Result<Vec<String>> {
        let mut pairs = self.select(bucket)?;
        pairs.retain(|(_, held)| held == value);
        Ok(pairs.into_iter().map(|(id, _)| id).collect())
    }

    /// Deletes every copy of a value where the cursor meets it, and answers how many there were.
    fn delete_value(tx: &mut Transaction, bucket: &str, value: &str) -> Result<usize> {
        let holds = |(_, held): Entry<'_>| held == Some(value.as_bytes());
        let mut bucket = tx.bucket(bucket)?;
        let mut cursor = bucket.cursor_mut();
        let mut removed = 0;
        let mut entry = cursor.first()?.map(holds);
        while let Some(found) = entry {
            if found {
                cursor.delete()?;
                removed += 1;
            }
            entry = cursor.next()?.map(holds);
        }
        Ok(removed)
    }

    /// Removes every copy of a value.
    fn remove_value(&self, bucket: &str, value: &str) -> Result<usize> {
        self.db
            .update(|tx| BucketManager::delete_value(tx, bucket, value))
    }

    /// The same in a transaction begun, committed, and on any error rolled back by hand.
    fn remove_value_by_hand(&self, bucket: &str, value: &str) -> Result<usize> {
        let mut tx = self.db.begin()?;
        match BucketManager::delete_value(&mut tx, bucket, value) {
            Ok(removed) => tx.commit().map(|()| removed),
            Err(error) => {
                tx.rollback(); // dropping it would do the same
                Err(error)
            }
        }
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

    assert_eq!(manager.select_value("a", "22")?, ["2", "4"]);
    let removed = manager.remove_value_by_hand("a", "22")?;
    println!("removed {removed} copies of 22: {:?}", manager.select("a")?);
    assert_eq!(manager.select("a")?, [("1".to_owned(), "11".to_owned())]);

    assert_eq!(manager.remove_value("b", "22")?, 1);
    assert_eq!(manager.select("b")?, [("1".to_owned(), "11".to_owned())]);

    manager.remove_bucket("a")?;
    manager.remove_bucket("b")?;
    let gone = manager.select("a").map_err(|error| error.kind());
    assert_eq!(gone, Err(ErrorKind::NotFound));
    manager.db.close()
}
