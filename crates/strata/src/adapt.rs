//! What an engine tells about itself to stand behind an [`AnyStore`](crate::AnyStore).

use kv_api::capability::{
    Backup, Check, Compact, Expiry, History, NestedReader, NestedWriter, PutExpiring, Search,
    SortedLoad, Versions, Watch,
};
use kv_api::{Error, Reader, Result, Store, Transaction};

use crate::any_bucket::AnyBucket;
use crate::commit_indexes::CommitIndexes;
use crate::items::{Item, Items};
use crate::snapshot_stream::{Restore, SnapshotStream};
use crate::spaces::{SpaceBucket, SpacesBucket};

/// An engine that can stand behind an [`AnyStore`](crate::AnyStore).
///
/// What is not said is answered for an engine with spaces and nothing more: a path of one name is
/// a space, the empty path is the default space with the other spaces as buckets in it.
pub trait Adapt: Store {
    /// The engine's name.
    fn engine_name(&self) -> &'static str;

    /// The power to look for damage.
    fn as_check(&self) -> Option<&dyn Check> {
        None
    }

    /// The power to be copied while in use.
    fn as_backup(&self) -> Option<&dyn Backup> {
        None
    }

    /// The power to take everything from a stream.
    fn as_restore(&self) -> Option<&dyn Restore> {
        None
    }

    /// The power to be put in order while in use.
    fn as_compact(&self) -> Option<&dyn Compact> {
        None
    }

    /// The power to be read as of older versions.
    fn as_history(&self) -> Option<&dyn History> {
        None
    }

    /// The power to tell of commits.
    fn as_watch(&self) -> Option<&dyn Watch> {
        None
    }

    /// The power to take sorted pairs at once.
    fn as_sorted_load(&self) -> Option<&dyn SortedLoad> {
        None
    }

    /// Starts a transaction that commits with this index.
    fn begin_with_index(&self, _commit_index: u64) -> Result<Self::Transaction> {
        Err(Error::Unsupported {
            what: "commit indexes",
        })
    }

    /// A snapshot's commit indexes.
    fn as_commit_indexes(_snapshot: &Self::Snapshot) -> Option<&dyn CommitIndexes> {
        None
    }

    /// A snapshot's answers to queries.
    fn as_search(_snapshot: &Self::Snapshot) -> Option<&dyn Search> {
        None
    }

    /// When a snapshot's pairs are gone.
    fn as_expiry(_snapshot: &Self::Snapshot) -> Option<&dyn Expiry> {
        None
    }

    /// A snapshot's versions of a key.
    fn as_versions(_snapshot: &Self::Snapshot) -> Option<&dyn Versions> {
        None
    }

    /// A snapshot as a stream.
    fn as_stream(_snapshot: &Self::Snapshot) -> Option<&dyn SnapshotStream> {
        None
    }

    /// What a snapshot keeps beside its pairs.
    fn as_items(_snapshot: &Self::Snapshot) -> Option<&dyn Items> {
        None
    }

    /// Whether [`put_item`](Adapt::put_item) keeps what is beside a pair.
    fn holds_items(&self) -> bool {
        false
    }

    /// Sets a pair in the bucket at `path` with what is beside it.
    fn put_item(
        transaction: &mut Self::Transaction,
        path: &[&[u8]],
        item: &Item<'_>,
    ) -> Result<()> {
        if !item.is_plain() {
            return Err(Error::Unsupported {
                what: "times to live and user bytes",
            });
        }
        Self::put_at(transaction, path, item.key, item.value)
    }

    /// A transaction's power to say when pairs are gone.
    fn as_put_expiring(_transaction: &mut Self::Transaction) -> Option<&mut dyn PutExpiring> {
        None
    }

    /// A snapshot's buckets inside buckets.
    fn as_nested_reader(_snapshot: &Self::Snapshot) -> Option<&dyn NestedReader> {
        None
    }

    /// A transaction's buckets inside buckets.
    fn as_nested_writer(_transaction: &mut Self::Transaction) -> Option<&mut dyn NestedWriter> {
        None
    }

    /// The bucket at `path`, if there is one.
    fn bucket_at<'s>(
        snapshot: &'s Self::Snapshot,
        path: &[&[u8]],
    ) -> Result<Option<AnyBucket<'s>>> {
        match path {
            [] => Ok(Some(AnyBucket::new(SpacesBucket::new(snapshot)))),
            [name] => Ok(snapshot
                .space(name)?
                .map(|space| AnyBucket::new(SpaceBucket::new(snapshot, space)))),
            _ => Ok(None),
        }
    }

    /// Sets a pair in the bucket at `path`, making buckets on the way.
    fn put_at(
        transaction: &mut Self::Transaction,
        path: &[&[u8]],
        key: &[u8],
        value: &[u8],
    ) -> Result<()> {
        let space = match path {
            [] => kv_api::Space::DEFAULT,
            [name] => transaction.create_space(name)?,
            _ => return Err(no_nesting()),
        };
        transaction.put(space, key, value)
    }

    /// Removes a pair of the bucket at `path`; answers whether there was one.
    fn delete_at(transaction: &mut Self::Transaction, path: &[&[u8]], key: &[u8]) -> Result<bool> {
        let space = match path {
            [] => Some(kv_api::Space::DEFAULT),
            [name] => transaction.space(name)?,
            _ => None,
        };
        let space = space.ok_or(Error::NotFound { what: "bucket" })?;
        let found = transaction.get(space, key)?.is_some();
        transaction.delete(space, key)?;
        Ok(found)
    }
}

pub(crate) fn no_nesting() -> Error {
    Error::Unsupported {
        what: "buckets inside buckets",
    }
}
