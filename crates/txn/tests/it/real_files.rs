//! Files that bbolt and etcd wrote: opened, checked, digested and written on.

use kv_api::capability::{BucketVisitor, NestedReader};
use sha2::{Digest, Sha256};
use txn::{Db, Options, Result, Snapshot};

use crate::support::{Scratch, assert_clean, contents, fill, newest, quick};

const NAMES: [&str; 8] = [
    "etcd-member.db",
    "etcd-snapshot.db",
    "nested.db",
    "nofreelistsync.db",
    "page16k.db",
    "page1k.db",
    "page8k.db",
    "plain.db",
];

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(name)
}

fn copy_of(name: &str) -> Scratch {
    let scratch = Scratch::new();
    std::fs::copy(fixture(name), &scratch.path).unwrap();
    scratch
}

/// The digest as `fixtures/digests.txt` has it: made by a program that shares no code with ours.
#[derive(Default)]
struct Tally {
    buckets: u64,
    keys: u64,
    bytes: u64,
    hash: Sha256,
}

impl Tally {
    fn long(&mut self, bytes: &[u8]) {
        self.hash.update((bytes.len() as u64).to_be_bytes());
        self.hash.update(bytes);
    }
}

impl BucketVisitor for Tally {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.buckets += 1;
        self.long(name);
        self.hash.update(b"bucket");
        self.hash.update(sequence.to_be_bytes());
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        self.long(key);
        self.long(value);
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.hash.update(b"end");
        Ok(())
    }
}

fn digest(snapshot: &Snapshot) -> String {
    let mut tally = Tally::default();
    snapshot.visit(&mut tally).unwrap();
    let Tally {
        buckets,
        keys,
        bytes,
        hash,
    } = tally;
    let hex: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("buckets={buckets} keys={keys} bytes={bytes} sha256={hex}")
}

fn expected(name: &str) -> String {
    let all = std::fs::read_to_string(fixture("digests.txt")).unwrap();
    let line = all
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap().to_owned()
}

#[test]
fn files_of_bbolt_and_etcd_hold_for_us_what_they_hold_for_bbolt() {
    for name in NAMES {
        let scratch = copy_of(name);
        let before = std::fs::read(&scratch.path).unwrap();
        let openings: [fn() -> Options; 2] = [|| Options::new().read_only(true), Options::new];
        for options in openings {
            let db = options().open(&scratch.path).unwrap();
            assert_eq!(digest(&db.snapshot().unwrap()), expected(name), "{name}");
            assert_clean(&db);
            db.close().unwrap();
        }
        assert_eq!(
            std::fs::read(&scratch.path).unwrap(),
            before,
            "{name}: reading writes nothing"
        );
    }
}

#[test]
fn files_of_bbolt_and_etcd_are_written_on() {
    for name in NAMES {
        let scratch = copy_of(name);
        let db = scratch.strict();
        let base = newest(&db);
        let old = db.snapshot().unwrap();
        for round in 0..10 {
            db.update(|tx| {
                let mut bucket = tx.create_bucket_if_missing("ours")?;
                fill(&mut bucket, round * 30..round * 30 + 60, 70);
                bucket
                    .create_bucket_if_missing("inside")?
                    .set_sequence(round as u64)
            })
            .unwrap();
        }
        let mut grown = newest(&db);
        let ours = grown.buckets.remove(&b"ours"[..]).unwrap();
        assert_eq!((ours.pairs.len(), ours.buckets.len()), (330, 1));
        assert_eq!(grown, base, "{name}");
        assert_eq!(contents(&old), base, "{name}");
        drop(old);
        db.update(|tx| tx.delete_bucket("ours")).unwrap();
        assert_eq!(digest(&db.snapshot().unwrap()), expected(name), "{name}");
        scratch.close_clean(db);
    }
}

#[test]
fn every_key_of_a_real_file_can_be_rewritten_and_deleted() {
    for name in NAMES {
        let scratch = copy_of(name);
        let db = scratch.strict();
        rewrite(&db, |value| [value, b"!"].concat());
        rewrite(&db, |value| value[..value.len() - 1].to_vec());
        assert_eq!(digest(&db.snapshot().unwrap()), expected(name), "{name}");
        let names: Vec<Vec<u8>> = newest(&db).buckets.into_keys().collect();
        for bucket in names {
            db.update(|tx| tx.delete_bucket(&bucket)).unwrap();
        }
        db.update(|tx| tx.root().delete_range(..)).unwrap();
        assert_eq!(newest(&db), crate::support::Contents::default());
        scratch.close_clean(db);
    }
}

/// Rewrites every pair of every bucket, one bucket per transaction.
fn rewrite(db: &Db, change: impl Fn(&[u8]) -> Vec<u8>) {
    let mut paths = vec![(Vec::new(), newest(db))];
    while let Some((path, bucket)) = paths.pop() {
        db.update(|tx| {
            let mut id = tx.root().id();
            for name in &path {
                id = tx.at(id).bucket(name)?.id();
            }
            let mut target = tx.at(id);
            bucket
                .pairs
                .iter()
                .try_for_each(|(key, value)| target.put(key, change(value)))
        })
        .unwrap();
        for (name, inside) in bucket.buckets {
            let mut deeper = path.clone();
            deeper.push(name);
            paths.push((deeper, inside));
        }
    }
}

#[test]
fn a_file_without_a_stored_freelist_gets_one_when_it_is_closed() {
    let scratch = copy_of("etcd-member.db");
    let db = quick().open(&scratch.path).unwrap();
    assert_eq!(db.info().unwrap().freelist_page, None);
    db.update(|tx| tx.create_bucket("ours").map(drop)).unwrap();
    scratch.close_clean(db);
    assert!(scratch.open().info().unwrap().freelist_page.is_some());
}
