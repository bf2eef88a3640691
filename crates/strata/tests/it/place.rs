//! A directory with room for stores of one engine.

use std::path::PathBuf;

use strata::{AnySnapshot, AnyStore, Engine, Location};

pub struct Place {
    pub engine: Engine,
    directory: tempfile::TempDir,
}

impl Place {
    pub fn new(engine: Engine) -> Place {
        Place {
            engine,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn location(&self, name: &str) -> Location {
        Location::of(self.engine, self.path(name))
    }

    pub fn open(&self, name: &str) -> AnyStore {
        AnyStore::open(self.location(name).to_string()).unwrap()
    }
}

/// A few hundred pairs in the root and in two buckets of it, one bucket empty.
pub fn fill(store: &AnyStore) {
    let mut change = store.begin_write().unwrap();
    change.create_at(&[b"empty"]).unwrap();
    for number in 0..300_u32 {
        let key = format!("key {number:03}");
        let value = vec![b'v'; number as usize];
        change.put_at(&[], key.as_bytes(), &value).unwrap();
        change
            .put_at(&[b"numbers"], &number.to_be_bytes(), &value)
            .unwrap();
    }
    change.commit_durably().unwrap();
}

/// Buckets four deep with a sequence, where the engine can nest.
pub fn fill_nested(store: &AnyStore) -> bool {
    let mut change = store.begin_write().unwrap();
    let Some(nested) = change.as_nested() else {
        return false;
    };
    let path: [&[u8]; 4] = [b"one", b"two", b"three", b"\x00four"];
    for depth in 1..=path.len() {
        nested.create_bucket(&path[..depth]).unwrap();
        nested
            .set_sequence(&path[..depth], depth as u64 * 1000)
            .unwrap();
        for number in 0..50_u32 {
            let key = number.to_be_bytes();
            nested.put_in(&path[..depth], &key, b"inside").unwrap();
        }
    }
    change.commit_durably().unwrap();
    true
}

/// Every entry of the bucket at `path`, buckets as `None`.
pub fn entries(snapshot: &AnySnapshot, path: &[&[u8]]) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let bucket = snapshot.bucket_at(path).unwrap().unwrap();
    let entries = bucket.entries(.., strata::Order::Ascending).unwrap();
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.key.to_vec(), entry.value.map(|value| value.to_vec())))
        .collect()
}
