//! The model keeps every law, whether its writers take turns or meet conflicts.

use conformance::{BackupFixture, Fixture, MemoryModel, Question, SearchFixture, Writers};
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

impl SearchFixture for TakingTurns {
    fn query(question: &Question) -> String {
        MemoryModel::query(question)
    }

    fn not_a_query() -> &'static str {
        "up 1 0 key_is"
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
    search
);
conformance::laws!(
    optimistic,
    Optimistic,
    check,
    nested,
    commit_indexes,
    snapshot_stream
);
