//! The laws of `kv-api`, kept in three ways of using the engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conformance::{BackupFixture, ClockFixture, Fixture};
use kv_api::Result;
use kv_api::capability::Check;
use lsm_valuelog::{Compression, Db, Options};
use tempfile::TempDir;

/// As it comes.
struct Plain(TempDir);

impl Fixture for Plain {
    type Store = Db;

    fn new() -> Plain {
        Plain(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Result<Db> {
        Db::open(self.0.path().join("store"))
    }
}

/// Everything small, so that memtables, tables, levels and value-log files come and go all the
/// time, on the threads of whoever commits.
pub fn small() -> Options {
    Options::new()
        .background(false)
        .memtable_bytes(8 << 10)
        .value_threshold_bytes(100)
        .value_file_bytes(32 << 10)
        .table_bytes(4 << 10)
        .base_level_bytes(16 << 10)
        .level_multiplier(3)
        .level_zero_tables(2, 4, 8)
        .block_bytes(256)
}

struct Small(TempDir);

impl Fixture for Small {
    type Store = Db;

    fn new() -> Small {
        Small(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Result<Db> {
        small().open(self.0.path().join("store"))
    }
}

/// The same with threads of its own, compressed, read without mapping, and tidying up whenever
/// there is a moment's quiet.
struct Busy(TempDir);

impl Fixture for Busy {
    type Store = Db;

    fn new() -> Busy {
        Busy(tempfile::tempdir().unwrap())
    }

    fn open(&self) -> Result<Db> {
        small()
            .background(true)
            .idle(Duration::from_millis(1))
            .compression(Compression::Lz4)
            .compression_from_level(3, Compression::Zstd(1))
            .read_without_mapping(true)
            .open(self.0.path().join("store"))
    }
}

/// Small files, every version kept, and a clock of its own.
struct Remembering(TempDir, Arc<AtomicU64>);

fn remembering(clock: &Arc<AtomicU64>) -> Options {
    let clock = Arc::clone(clock);
    small()
        .keep_history(true)
        .clock(Arc::new(move || clock.load(Ordering::Acquire)))
}

impl Fixture for Remembering {
    type Store = Db;

    fn new() -> Remembering {
        Remembering(tempfile::tempdir().unwrap(), Arc::default())
    }

    fn open(&self) -> Result<Db> {
        remembering(&self.1).open(self.0.path().join("store"))
    }
}

impl ClockFixture for Remembering {
    fn set_seconds(&self, now: u64) {
        self.1.store(now, Ordering::Release);
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        account(remembering(&self.1), &self.0);
    }
}

/// The same with threads of its own, which keep no version for long.
struct Forgetting(TempDir, Arc<AtomicU64>);

impl Fixture for Forgetting {
    type Store = Db;

    fn new() -> Forgetting {
        Forgetting(tempfile::tempdir().unwrap(), Arc::default())
    }

    fn open(&self) -> Result<Db> {
        remembering(&self.1)
            .keep_history(false)
            .background(true)
            .idle(Duration::from_millis(1))
            .open(self.0.path().join("store"))
    }
}

impl ClockFixture for Forgetting {
    fn set_seconds(&self, now: u64) {
        self.1.store(now, Ordering::Release);
    }
}

impl BackupFixture for Plain {
    fn open_backup(&self, backup: &[u8]) -> Result<Db> {
        open_backup(&Options::new(), &self.0, backup)
    }
}

impl BackupFixture for Small {
    fn open_backup(&self, backup: &[u8]) -> Result<Db> {
        open_backup(&small(), &self.0, backup)
    }
}

fn open_backup(options: &Options, home: &TempDir, mut backup: &[u8]) -> Result<Db> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let db = options
        .clone()
        .open(home.path().join(format!("copy-{count}")))?;
    db.load(&mut backup)?;
    Ok(db)
}

/// Opens the store that a law has left and accounts for everything in it.
fn account(options: Options, home: &TempDir) {
    let path = home.path().join("store");
    if std::thread::panicking() || !path.exists() {
        return;
    }
    let db = options.open(path).unwrap();
    let mut findings = Vec::new();
    let summary = db.check(&mut |finding| findings.push(finding)).unwrap();
    assert_eq!((findings, summary.findings), (vec![], 0));
    db.close().unwrap();
}

impl Drop for Plain {
    fn drop(&mut self) {
        account(Options::new().background(false), &self.0);
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        account(small(), &self.0);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        account(small(), &self.0);
    }
}

conformance::laws!(
    plain,
    Plain,
    check,
    backup,
    commit_indexes,
    watch,
    compact,
    sorted_load
);
conformance::laws!(
    small_files,
    Small,
    check,
    backup,
    commit_indexes,
    watch,
    compact
);
conformance::laws!(busy, Busy, check, sorted_load);
conformance::laws!(
    remembering,
    Remembering,
    check,
    expiry,
    versions,
    commit_indexes,
    watch,
    compact
);
conformance::laws!(only forgetting, Forgetting, expiry, commit_indexes, watch, compact);
