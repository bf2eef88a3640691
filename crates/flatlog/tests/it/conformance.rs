//! The laws of `kv-api`, kept by the flat engine.

use std::path::PathBuf;

use conformance::Fixture;
use flatlog::{Db, Options, Result};
use tempfile::TempDir;

/// The engine as it comes.
pub struct FlatFixture {
    directory: TempDir,
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
        }
    }

    fn open(&self) -> Result<Db> {
        Db::open(self.path())
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

conformance::laws!(flat, FlatFixture);
conformance::laws!(small_segments, SmallSegments);
