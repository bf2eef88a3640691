//! Random operations by the rules of `scripts/interop/README.md`: the same seed gives every peer
//! the same work.

use kv_api::Result;
use txn::{BucketId, Db, Transaction};

use crate::digest;
use crate::random::Random;

/// Above so many bytes of pairs, a transaction mostly deletes.
const CONTENT_BYTES_MAX: u64 = 1 << 20;

/// Runs `count` operations spread over `commits` transactions, of which one in ten rolls back.
pub fn run(db: &Db, seed: u64, count: u64, commits: u64, root_pairs: bool) -> Result<()> {
    let mut random = Random::new(seed);
    for index in 0..commits {
        let share = count / commits + u64::from(index < count % commits);
        let shrink = digest::content_bytes(db)? > CONTENT_BYTES_MAX;
        let mut worker = Worker {
            random: &mut random,
            transaction: db.begin()?,
            root_pairs,
        };
        for _ in 0..share {
            worker.step(shrink)?;
        }
        let Worker {
            random,
            transaction,
            ..
        } = worker;
        if random.below(10) == 0 {
            transaction.rollback();
        } else {
            transaction.commit()?;
        }
    }
    Ok(())
}

struct Worker<'r> {
    random: &'r mut Random,
    transaction: Transaction,
    root_pairs: bool,
}

impl Worker<'_> {
    fn step(&mut self, shrink: bool) -> Result<()> {
        match (shrink, self.random.below(100)) {
            (true, 0..10) | (false, 85..88) => self.delete_range(),
            (true, 10..13) | (false, 91) => self.delete_bucket(),
            (true, 13..75) | (false, 75..85) => self.delete(),
            (true, _) | (false, 0..75) => self.put(),
            (false, 88..91) => {
                let path = self.random.path();
                self.make(&path).map(drop)
            }
            (false, 92..97) => self.sequence(),
            (false, _) => self.root_pair(),
        }
    }

    /// The bucket at `path`, making what is missing on the way.
    fn make(&mut self, path: &[Vec<u8>]) -> Result<BucketId> {
        let mut id = self.transaction.root().id();
        for name in path {
            id = self.transaction.at(id).create_bucket_if_missing(name)?.id();
        }
        Ok(id)
    }

    /// The bucket at `path`, if it exists.
    fn find(&mut self, path: &[Vec<u8>]) -> Result<Option<BucketId>> {
        let mut id = self.transaction.root().id();
        for name in path {
            match self.transaction.at(id).bucket_if_exists(name)? {
                Some(bucket) => id = bucket.id(),
                None => return Ok(None),
            }
        }
        Ok(Some(id))
    }

    fn put(&mut self) -> Result<()> {
        let (path, key, value) = (self.random.path(), self.random.key(), self.random.value());
        let id = self.make(&path)?;
        self.transaction.at(id).put(key, value)
    }

    fn delete(&mut self) -> Result<()> {
        let (path, key) = (self.random.path(), self.random.key());
        match self.find(&path)? {
            Some(id) => self.transaction.at(id).delete(key),
            None => Ok(()),
        }
    }

    fn delete_range(&mut self) -> Result<()> {
        let (path, key) = (self.random.path(), self.random.key());
        let (mut limit, all) = (1 + self.random.below(30), self.random.below(30) == 0);
        let Some(id) = self.find(&path)? else {
            return Ok(());
        };
        let mut bucket = self.transaction.at(id);
        let mut cursor = bucket.cursor_mut();
        let mut found = cursor.seek(key)?.map(|(_, value)| value.is_some());
        while let Some(pair) = found.filter(|_| all || limit > 0) {
            if pair {
                cursor.delete()?;
                limit = limit.saturating_sub(1);
            }
            found = cursor.next()?.map(|(_, value)| value.is_some());
        }
        Ok(())
    }

    fn delete_bucket(&mut self) -> Result<()> {
        let path = self.random.path();
        let Some((name, parents)) = path.split_last() else {
            return Ok(());
        };
        let Some(parent) = self.find(parents)? else {
            return Ok(());
        };
        let mut parent = self.transaction.at(parent);
        if parent.bucket_if_exists(name)?.is_some() {
            parent.delete_bucket(name)
        } else {
            Ok(())
        }
    }

    fn sequence(&mut self) -> Result<()> {
        let (path, set) = (self.random.path(), self.random.below(3) == 0);
        let value = self.random.next() >> self.random.below(64);
        let id = self.make(&path)?;
        let mut bucket = self.transaction.at(id);
        if set {
            bucket.set_sequence(value)
        } else {
            bucket.next_sequence().map(drop)
        }
    }

    /// A pair beside the top buckets, which the format allows. Drawn in any case, so that the
    /// sequence of numbers stays the same.
    fn root_pair(&mut self) -> Result<()> {
        let key = format!("root-{:02}", self.random.below(20));
        let (remove, value) = (self.random.below(3) == 0, self.random.value());
        let mut root = self.transaction.root();
        match (self.root_pairs, remove) {
            (false, _) => Ok(()),
            (true, true) => root.delete(key),
            (true, false) => root.put(key, value),
        }
    }
}
