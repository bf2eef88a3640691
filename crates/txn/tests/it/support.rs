//! What many tests need: a place for a file, a full account of it, and its contents as a value.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kv_api::capability::BucketVisitor;
use tempfile::TempDir;
use txn::{Bucket, BucketMut, Db, ErrorKind, Options, Result, Snapshot};

/// A database file in a directory of its own.
pub struct Scratch {
    pub directory: TempDir,
    pub path: PathBuf,
}

impl Scratch {
    pub fn new() -> Scratch {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("my.db");
        Scratch { directory, path }
    }

    /// Another name in the same directory.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn open(&self) -> Db {
        quick().open(&self.path).unwrap()
    }

    pub fn strict(&self) -> Db {
        quick().strict(true).open(&self.path).unwrap()
    }

    pub fn file_bytes(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    /// Changes the bytes of the file, which must not be open.
    pub fn patch(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(&self.path).unwrap();
        change(&mut bytes);
        std::fs::write(&self.path, bytes).unwrap();
    }

    /// Closes `db` and accounts for every page of the file it leaves, freelist included.
    pub fn close_clean(&self, db: Db) {
        db.close().unwrap();
        drop(db);
        let db = Options::new().read_only(true).open(&self.path).unwrap();
        assert_clean(&db);
    }
}

/// 4 KiB pages, and no waiting for the disk: for tests that are not about syncing.
pub fn quick() -> Options {
    Options::new().page_bytes(4096).no_sync(true)
}

pub fn findings(snapshot: &Snapshot) -> Vec<String> {
    let mut findings = Vec::new();
    let mut report = |finding: kv_api::capability::Finding| {
        findings.push(format!("{}: {}", finding.place, finding.what))
    };
    txn::check(snapshot, &mut report).unwrap();
    findings
}

#[track_caller]
pub fn assert_clean(db: &Db) {
    assert_eq!(findings(&db.snapshot().unwrap()), Vec::<String>::new());
}

/// Fails unless `result` is an error of this kind; answers its text.
#[track_caller]
pub fn assert_kind<T>(result: Result<T>, kind: ErrorKind) -> String {
    match result {
        Ok(_) => panic!("expected {kind:?}, but it went well"),
        Err(error) => {
            assert_eq!(error.kind(), kind, "{error}");
            error.to_string()
        }
    }
}

/// A bucket's contents as a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub sequence: u64,
    pub pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    pub buckets: BTreeMap<Vec<u8>, Contents>,
}

struct Collector {
    open: Vec<(Vec<u8>, Contents)>,
}

impl BucketVisitor for Collector {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        let contents = Contents {
            sequence,
            ..Contents::default()
        };
        self.open.push((name.to_vec(), contents));
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let (_, bucket) = self.open.last_mut().unwrap();
        let before = bucket.pairs.insert(key.to_vec(), value.to_vec());
        assert_eq!(before, None, "a key is shown once");
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        let (name, bucket) = self.open.pop().unwrap();
        let (_, parent) = self.open.last_mut().unwrap();
        parent.buckets.insert(name, bucket);
        Ok(())
    }
}

/// Everything a snapshot shows.
pub fn contents(snapshot: &Snapshot) -> Contents {
    let mut collector = Collector {
        open: vec![(Vec::new(), Contents::default())],
    };
    kv_api::capability::NestedReader::visit(snapshot, &mut collector).unwrap();
    collector.open.pop().unwrap().1
}

/// The newest contents.
pub fn newest(db: &Db) -> Contents {
    contents(&db.snapshot().unwrap())
}

/// The pairs of one bucket, by walking forward.
pub fn pairs_of(bucket: Bucket<'_>) -> Vec<(Vec<u8>, Vec<u8>)> {
    let own =
        |pair: Result<(&[u8], &[u8])>| pair.map(|(key, value)| (key.to_vec(), value.to_vec()));
    bucket.range(..).map(own).collect::<Result<_>>().unwrap()
}

/// `count` keys of six digits with values of `value_bytes`.
pub fn fill(bucket: &mut BucketMut<'_>, keys: std::ops::Range<usize>, value_bytes: usize) {
    for key in keys {
        bucket
            .put(
                format!("{key:06}"),
                vec![b'a' + (key % 26) as u8; value_bytes],
            )
            .unwrap();
    }
}

/// A small generator with a seed, so that a failure can be run again.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
