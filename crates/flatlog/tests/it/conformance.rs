//! The laws of `kv-api`, kept by the flat engine.

use std::path::{Path, PathBuf};

use std::sync::atomic::{AtomicU64, Ordering};

use conformance::{BackupFixture, Fixture};
use flatlog::{Db, Options, Result};
use kv_api::capability::Check;
use tempfile::TempDir;

/// The engine as it comes.
pub struct FlatFixture {
    directory: TempDir,
    backups: AtomicU64,
}

impl FlatFixture {
    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }
}

impl Fixture for FlatFixture {
    type Store = Db;

    fn new() -> FlatFixture {
        FlatFixture {
            directory: tempfile::tempdir().unwrap(),
            backups: AtomicU64::new(0),
        }
    }

    fn open(&self) -> Result<Db> {
        Db::open(self.path())
    }
}

impl BackupFixture for FlatFixture {
    fn open_backup(&self, backup: &[u8]) -> Result<Db> {
        let count = self.backups.fetch_add(1, Ordering::Relaxed);
        let db = Db::open(self.directory.path().join(format!("backup-{count}")))?;
        db.restore(&mut &*backup, |_| true)?;
        Ok(db)
    }
}

/// Every byte a law left behind is accounted for.
fn account(path: &Path, options: Options) {
    if std::thread::panicking() || !path.join("meta.state").exists() {
        return;
    }
    let db = options.read_only(true).open(path).unwrap();
    let mut findings = Vec::new();
    db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!(findings, []);
}

impl Drop for FlatFixture {
    fn drop(&mut self) {
        account(&self.path(), Options::new());
    }
}

/// Segments of a few kilobytes and reads without a mapping, through a small cache.
pub struct SmallSegments {
    directory: TempDir,
}

impl Fixture for SmallSegments {
    type Store = Db;

    fn new() -> SmallSegments {
        SmallSegments {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn open(&self) -> Result<Db> {
        Options::new()
            .segment_bytes(64 << 10)
            .prewrite_bytes(4 << 10)
            .read_without_mapping(true)
            .cache_bytes(20_000)
            .open(self.directory.path())
    }
}

conformance::laws!(
    flat,
    FlatFixture,
    check,
    backup,
    commit_indexes,
    snapshot_stream
);
conformance::laws!(
    small_segments,
    SmallSegments,
    check,
    commit_indexes,
    snapshot_stream
);

impl Drop for SmallSegments {
    fn drop(&mut self) {
        account(self.directory.path(), Options::new());
    }
}
