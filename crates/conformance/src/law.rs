//! The laws as values, for those who bring their own way of running tests.

use kv_api::Store;
use kv_api::capability::{
    Backup, Check, CommitIndexes, Compact, Expiry, History, NestedReader, NestedWriter,
    PutExpiring, Search, SetCommitIndex, SnapshotStream, SortedLoad, Versions, Watch,
};

use crate::{BackupFixture, ClockFixture, Fixture, SearchFixture};

/// One law, bound to a fixture.
#[derive(Clone, Copy, Debug)]
pub struct Law {
    /// The module it stands in.
    pub topic: &'static str,
    /// What it says.
    pub name: &'static str,
    /// Panics unless the law holds.
    pub run: fn(),
}

macro_rules! list_of_laws {
    ($fixture:ty; $($topic:ident { $($law:ident)* })*) => {
        vec![$($(Law {
            topic: stringify!($topic),
            name: stringify!($law),
            run: crate::$topic::$law::<$fixture>,
        }),*),*]
    };
}

pub(crate) use list_of_laws;

/// The laws of every engine.
pub fn base_laws<F: Fixture>() -> Vec<Law> {
    crate::every_law! { base list_of_laws F }
}

/// The laws of an engine that can check itself.
pub fn check_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: Check,
{
    crate::every_law! { check list_of_laws F }
}

/// The laws of an engine that can back up a store in use.
pub fn backup_laws<F: BackupFixture>() -> Vec<Law>
where
    F::Store: Backup + Check,
{
    crate::every_law! { backup list_of_laws F }
}

/// The laws of an engine with buckets inside buckets.
pub fn nested_laws<F: Fixture>() -> Vec<Law>
where
    <F::Store as Store>::Snapshot: NestedReader,
    <F::Store as Store>::Transaction: NestedWriter,
{
    crate::every_law! { nested list_of_laws F }
}

/// The laws of an engine whose commits have indexes.
pub fn commit_indexes_laws<F: Fixture>() -> Vec<Law>
where
    <F::Store as Store>::Snapshot: CommitIndexes,
    <F::Store as Store>::Transaction: SetCommitIndex,
{
    crate::every_law! { commit_indexes list_of_laws F }
}

/// The laws of an engine whose whole state can be written to a stream and replaced from one.
pub fn snapshot_stream_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: SnapshotStream,
{
    crate::every_law! { snapshot_stream list_of_laws F }
}

/// The laws of an engine whose snapshots answer queries.
pub fn search_laws<F: SearchFixture>() -> Vec<Law>
where
    <F::Store as Store>::Snapshot: Search + CommitIndexes,
{
    crate::every_law! { search list_of_laws F }
}

/// The laws of an engine whose pairs may expire.
pub fn expiry_laws<F: ClockFixture>() -> Vec<Law>
where
    <F::Store as Store>::Snapshot: Expiry,
    <F::Store as Store>::Transaction: PutExpiring,
{
    crate::every_law! { expiry list_of_laws F }
}

/// The laws of an engine that keeps older versions, in a store that keeps all of them.
pub fn versions_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: History,
    <F::Store as Store>::Snapshot: Versions,
{
    crate::every_law! { versions list_of_laws F }
}

/// The laws of an engine that tells of its commits.
pub fn watch_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: Watch,
{
    crate::every_law! { watch list_of_laws F }
}

/// The laws of an engine that can put a store in order.
pub fn compact_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: Compact,
{
    crate::every_law! { compact list_of_laws F }
}

/// The laws of an engine that takes sorted pairs at once.
pub fn sorted_load_laws<F: Fixture>() -> Vec<Law>
where
    F::Store: SortedLoad,
{
    crate::every_law! { sorted_load list_of_laws F }
}
