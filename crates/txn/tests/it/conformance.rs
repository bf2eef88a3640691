//! The laws of `kv-api`, kept by the bolt engine.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use conformance::{BackupFixture, Fixture};
use tempfile::TempDir;
use txn::{Db, FreelistKind, FreelistStorage, Options, Result};

use crate::support::assert_clean;

fn fresh() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    (directory, path)
}

/// Accounts for every page of what a law left behind.
fn account(path: &PathBuf) {
    if !std::thread::panicking() && path.exists() {
        assert_clean(&Options::new().read_only(true).open(path).unwrap());
    }
}

/// The engine as it comes.
pub struct BoltFixture {
    directory: TempDir,
    path: PathBuf,
    backups: AtomicU64,
}

impl Fixture for BoltFixture {
    type Store = Db;

    fn new() -> BoltFixture {
        let (directory, path) = fresh();
        BoltFixture {
            directory,
            path,
            backups: AtomicU64::new(0),
        }
    }

    fn open(&self) -> Result<Db> {
        Db::open(&self.path)
    }
}

impl BackupFixture for BoltFixture {
    fn open_backup(&self, backup: &[u8]) -> Result<Db> {
        let count = self.backups.fetch_add(1, Ordering::Relaxed);
        let path = self.directory.path().join(format!("backup-{count}.db"));
        std::fs::write(&path, backup).unwrap();
        Db::open(path)
    }
}

impl Drop for BoltFixture {
    fn drop(&mut self) {
        account(&self.path);
    }
}

/// Small pages, a freelist with every commit, each commit checked.
struct SmallPages(TempDir, PathBuf);

impl Fixture for SmallPages {
    type Store = Db;

    fn new() -> SmallPages {
        let (directory, path) = fresh();
        SmallPages(directory, path)
    }

    fn open(&self) -> Result<Db> {
        Options::new()
            .page_bytes(1024)
            .no_sync(true)
            .no_grow_sync(true)
            .freelist(FreelistStorage::Always)
            .freelist_kind(FreelistKind::Array)
            .open(&self.1)
    }
}

impl Drop for SmallPages {
    fn drop(&mut self) {
        assert!(self.0.path().exists());
        account(&self.1);
    }
}

conformance::laws!(bolt, BoltFixture, check, backup, nested, sorted_load);
conformance::laws!(small_pages, SmallPages, check, nested, sorted_load);
