//! Sound files to begin from: those of other programs, and small ones of our own making.

use std::sync::OnceLock;

use txn::{Db, FreelistStorage, Options, Result};

use super::memory::MemoryDisk;

/// Where a file in memory stands.
pub const PATH: &str = "store.db";

const FIXTURES: [&[u8]; 8] = [
    include_bytes!("../../../../../fixtures/plain.db"),
    include_bytes!("../../../../../fixtures/nofreelistsync.db"),
    include_bytes!("../../../../../fixtures/page1k.db"),
    include_bytes!("../../../../../fixtures/page8k.db"),
    include_bytes!("../../../../../fixtures/page16k.db"),
    include_bytes!("../../../../../fixtures/nested.db"),
    include_bytes!("../../../../../fixtures/etcd-member.db"),
    include_bytes!("../../../../../fixtures/etcd-snapshot.db"),
];

/// The seeds, in an order that corpora rely on. Small ones come twice, because a change in a small
/// file is more likely to matter.
pub fn seeds() -> &'static [Vec<u8>] {
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    SEEDS.get_or_init(|| {
        let own = [
            make(FreelistStorage::Always, |_| Ok(())),
            make(FreelistStorage::Always, fill_nested),
            make(FreelistStorage::Never, fill_nested),
            make(FreelistStorage::Always, fill_tall),
        ];
        let fixtures = FIXTURES.iter().map(|bytes| bytes.to_vec());
        own.iter()
            .cloned()
            .chain(fixtures)
            .chain(own.clone())
            .collect()
    })
}

fn make(freelist: FreelistStorage, fill: fn(&Db) -> Result<()>) -> Vec<u8> {
    let disk = MemoryDisk::default();
    let options = Options::new()
        .page_bytes(1024)
        .no_grow_sync(true)
        .freelist(freelist);
    let db = options.disk(disk.as_dyn()).open(PATH).unwrap();
    fill(&db).unwrap();
    db.close().unwrap();
    disk.contents(PATH)
}

/// Buckets in buckets, inline and not, sequences, long values, and free pages.
fn fill_nested(db: &Db) -> Result<()> {
    for round in 0..3_u8 {
        db.update(|tx| {
            for name in ["alpha", "beta", "gamma"] {
                let mut bucket = tx.create_bucket_if_missing(name)?;
                bucket.set_sequence(u64::from(round))?;
                for key in 0..20_u8 {
                    bucket.put([b'k', key], vec![round; usize::from(key) * 6])?;
                }
                bucket
                    .create_bucket_if_missing("inline")?
                    .put("key", "value")?;
                let mut inner = bucket.create_bucket_if_missing("inner")?;
                inner.put("long", vec![round; 2500])?;
                inner
                    .create_bucket_if_missing("innermost")?
                    .put("x", vec![1; 400])?;
            }
            tx.root().put("pair", [round])
        })?;
    }
    db.update(|tx| tx.delete_bucket("beta"))
}

/// A tree of three levels.
fn fill_tall(db: &Db) -> Result<()> {
    db.update(|tx| {
        let mut bucket = tx.create_bucket("tall")?;
        for key in 0..300_u16 {
            let mut long = key.to_be_bytes().to_vec();
            long.resize(40, b'.');
            bucket.put(long, [7; 30])?;
        }
        Ok(())
    })
}
