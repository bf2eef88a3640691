//! The model keeps every law, whether its writers take turns or meet conflicts.

use conformance::{BackupFixture, ClockFixture, Fixture, MemoryModel, Writers};
use kv_api::Result;

/// A model whose writers take turns.
pub struct TakingTurns(MemoryModel);

impl Fixture for TakingTurns {
    type Store = MemoryModel;

    fn new() -> Self {
        TakingTurns(MemoryModel::new(Writers::OneAtATime))
    }

    fn open(&self) -> Result<MemoryModel> {
        Ok(self.0.reopen())
    }
}

impl BackupFixture for TakingTurns {
    fn open_backup(&self, backup: &[u8]) -> Result<MemoryModel> {
        MemoryModel::from_backup(backup, Writers::OneAtATime)
    }
}

impl ClockFixture for TakingTurns {
    fn set_seconds(&self, now: u64) {
        self.0.set_seconds(now);
    }
}

/// A model that remembers every version.
struct Remembering(MemoryModel);

impl Fixture for Remembering {
    type Store = MemoryModel;

    fn new() -> Self {
        Remembering(MemoryModel::new(Writers::Optimistic).remember())
    }

    fn open(&self) -> Result<MemoryModel> {
        Ok(self.0.reopen())
    }
}

/// A model whose writers run side by side and meet conflicts.
struct Optimistic(MemoryModel);

impl Fixture for Optimistic {
    type Store = MemoryModel;

    fn new() -> Self {
        Optimistic(MemoryModel::new(Writers::Optimistic))
    }

    fn open(&self) -> Result<MemoryModel> {
        Ok(self.0.reopen())
    }
}

conformance::laws!(
    taking_turns,
    TakingTurns,
    check,
    backup,
    nested,
    commit_indexes,
    snapshot_stream,
    expiry,
    watch,
    compact
);
conformance::laws!(only remembering, Remembering, versions, watch);
conformance::laws!(
    optimistic,
    Optimistic,
    check,
    nested,
    commit_indexes,
    snapshot_stream
);
