//! What this engine can do beyond the base trait, in the words of the face.

use std::time::Duration;

use kv_api::capability::{
    CommitIndexes, Compact, Expiry, History, KeyVersion, NextPair, PutExpiring, SetCommitIndex,
    SortedLoad, Versions, VisitPair, VisitVersion, Watch as WatchStore, WatchedChange,
    WatchedCommit, Watcher,
};
use kv_api::{Reader, Result, Space};

use crate::bulk::BulkWriter;
use crate::bulk_install::BulkMode;
use crate::db::Db;
use crate::id::Sequence;
use crate::item::Entry;
use crate::snapshot::Snapshot;
use crate::subscribers::{Changed, ChangedTo};
use crate::subscription::{Subscription, Watch};
use crate::transaction::Transaction;

impl CommitIndexes for Snapshot {
    fn commit_index(&self) -> u64 {
        self.sequence().0
    }

    fn commit_index_of(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        let item = self.get_item(space, key)?;
        Ok(item.map(|item| item.version().0))
    }
}

impl SetCommitIndex for Transaction {
    fn set_commit_index(&mut self, commit_index: u64) -> Result<()> {
        self.choose_version(Sequence(commit_index))
    }
}

impl PutExpiring for Transaction {
    fn put_expiring(
        &mut self,
        space: Space,
        key: &[u8],
        value: &[u8],
        expires_at_secs: u64,
    ) -> Result<()> {
        self.put_entry(space, &Entry::new(key, value).expires_at(expires_at_secs))
    }
}

impl Expiry for Snapshot {
    fn expires_at_secs(&self, space: Space, key: &[u8]) -> Result<Option<u64>> {
        let item = self.get_item(space, key)?;
        Ok(item.map(|item| item.expires_at()))
    }
}

impl Versions for Snapshot {
    fn version(&self) -> u64 {
        self.sequence().0
    }

    fn versions_of(&self, space: Space, key: &[u8], visit: VisitVersion<'_>) -> Result<()> {
        for item in Snapshot::versions_of(self, space, key)? {
            let item = item?;
            let value = item.value()?;
            let goes_on = visit(KeyVersion {
                version: item.version().0,
                value: (!item.is_deleted_or_expired()).then_some(&*value),
            })?;
            if !goes_on {
                break;
            }
        }
        Ok(())
    }
}

impl History for Db {
    fn newest_version(&self) -> u64 {
        Db::newest_version(self).0
    }

    fn oldest_version(&self) -> u64 {
        Db::oldest_version(self).0
    }

    fn visit_at(&self, version: u64, space: Option<&[u8]>, visit: VisitPair<'_>) -> Result<()> {
        let snapshot = self.snapshot_at(Sequence(version))?;
        let space = match space {
            None => Some(Space::DEFAULT),
            Some(name) => snapshot.space(name)?,
        };
        let Some(space) = space else {
            return Ok(());
        };
        for pair in snapshot.range(space, ..)? {
            let (key, value) = pair?;
            if !visit(&key, &value)? {
                break;
            }
        }
        Ok(())
    }

    fn discard_before(&self, version: u64) -> Result<()> {
        Db::discard_before(self, Sequence(version))
    }
}

impl Compact for Db {
    fn compact(&self) -> Result<()> {
        self.flatten()?;
        self.collect().map(drop)
    }
}

impl SortedLoad for Db {
    /// Writes straight to tables, beside readers; others may write, and then this is a conflict.
    fn load_sorted(&self, space: Option<&[u8]>, next: NextPair<'_>) -> Result<u64> {
        let mut load = self.bulk_load(BulkMode::Add)?;
        let mut into = None;
        while let Some((key, value)) = next()? {
            let space = match (into, space) {
                (Some(known), _) => known,
                (None, None) => BulkWriter::DEFAULT,
                (None, Some(name)) => load.space(name)?,
            };
            into = Some(space);
            load.put(0, space, &key, &value)?;
        }
        Ok(load.finish()?.records)
    }
}

impl WatchStore for Db {
    fn watch(&self, space: Option<&[u8]>, prefixes: &[&[u8]]) -> Result<Box<dyn Watcher>> {
        let mut watch = Watch::new();
        if let Some(name) = space {
            watch = watch.space(name);
        }
        let watch = prefixes
            .iter()
            .fold(watch, |watch, prefix| watch.prefix(prefix));
        Ok(Box::new(self.subscribe(&watch)?))
    }
}

impl Watcher for Subscription {
    fn next_within(&mut self, patience: Duration) -> Result<Option<WatchedCommit>> {
        let commit = Subscription::next_within(self, patience)?;
        Ok(commit.map(|commit| WatchedCommit {
            version: commit.version.0,
            changes: commit.changes.into_iter().map(watched).collect(),
        }))
    }
}

fn watched(Changed { key, to }: Changed) -> WatchedChange {
    match to {
        ChangedTo::Value { value, .. } => WatchedChange::Put { key, value },
        ChangedTo::Deleted => WatchedChange::Deleted { key },
        ChangedTo::Dropped => WatchedChange::Dropped { prefix: key },
    }
}
