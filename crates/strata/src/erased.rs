//! The face of an engine without its types: what `kv-api` cannot say as a trait object.

use std::any::Any;

use kv_api::capability::{
    Backup, BucketVisitor, Check, Compact, Expiry, History, NestedReader, NestedWriter,
    PutExpiring, Search, SortedLoad, Versions, Watch,
};
use kv_api::{Durability, Reader, Result, Space, Store, Transaction};

use crate::adapt::Adapt;
use crate::any_bucket::AnyBucket;
use crate::commit_indexes::CommitIndexes;
use crate::items::{Item, Items};
use crate::snapshot_stream::{Restore, SnapshotStream};
use crate::spaces::visit_spaces;

pub(crate) trait ErasedStore: Send + Sync {
    fn engine_name(&self) -> &'static str;
    fn open_snapshot(&self) -> Result<Box<dyn ErasedSnapshot>>;
    fn begin_write(&self) -> Result<Box<dyn ErasedTransaction>>;
    fn begin_with_index(&self, commit_index: u64) -> Result<Box<dyn ErasedTransaction>>;
    fn sync(&self) -> Result<()>;
    fn close(&self) -> Result<()>;
    fn as_check(&self) -> Option<&dyn Check>;
    fn as_backup(&self) -> Option<&dyn Backup>;
    fn as_restore(&self) -> Option<&dyn Restore>;
    fn as_compact(&self) -> Option<&dyn Compact>;
    fn as_history(&self) -> Option<&dyn History>;
    fn as_watch(&self) -> Option<&dyn Watch>;
    fn as_sorted_load(&self) -> Option<&dyn SortedLoad>;
    fn holds_items(&self) -> bool;
    fn as_any(&self) -> &dyn Any;
}

pub(crate) trait ErasedSnapshot: Send + Sync {
    fn as_nested(&self) -> Option<&dyn NestedReader>;
    fn as_commit_indexes(&self) -> Option<&dyn CommitIndexes>;
    fn as_search(&self) -> Option<&dyn Search>;
    fn as_stream(&self) -> Option<&dyn SnapshotStream>;
    fn as_items(&self) -> Option<&dyn Items>;
    fn as_expiry(&self) -> Option<&dyn Expiry>;
    fn as_versions(&self) -> Option<&dyn Versions>;
    fn space_named(&self, name: &[u8]) -> Result<Option<Space>>;
    fn walk(&self, visitor: &mut dyn BucketVisitor) -> Result<()>;
    fn bucket_at(&self, path: &[&[u8]]) -> Result<Option<AnyBucket<'_>>>;
}

pub(crate) trait ErasedTransaction: Send {
    fn as_nested(&mut self) -> Option<&mut dyn NestedWriter>;
    fn as_put_expiring(&mut self) -> Option<&mut dyn PutExpiring>;
    fn space_named(&self, name: &[u8]) -> Result<Option<Space>>;
    fn put_at(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()>;
    fn put_item(&mut self, path: &[&[u8]], item: &Item<'_>) -> Result<()>;
    fn delete_at(&mut self, path: &[&[u8]], key: &[u8]) -> Result<bool>;
    fn create_space(&mut self, name: &[u8]) -> Result<()>;
    fn drop_space(&mut self, name: &[u8]) -> Result<bool>;
    fn commit(self: Box<Self>, durability: Durability) -> Result<()>;
}

/// A snapshot of the engine `A`.
struct SnapshotOf<A: Adapt>(A::Snapshot);

/// A transaction of the engine `A`.
struct TransactionOf<A: Adapt>(A::Transaction);

impl<A: Adapt> ErasedStore for A {
    fn engine_name(&self) -> &'static str {
        Adapt::engine_name(self)
    }

    fn open_snapshot(&self) -> Result<Box<dyn ErasedSnapshot>> {
        Ok(Box::new(SnapshotOf::<A>(self.snapshot()?)))
    }

    fn begin_write(&self) -> Result<Box<dyn ErasedTransaction>> {
        Ok(Box::new(TransactionOf::<A>(self.begin()?)))
    }

    fn begin_with_index(&self, commit_index: u64) -> Result<Box<dyn ErasedTransaction>> {
        let transaction = Adapt::begin_with_index(self, commit_index)?;
        Ok(Box::new(TransactionOf::<A>(transaction)))
    }

    fn sync(&self) -> Result<()> {
        Store::sync(self)
    }

    fn close(&self) -> Result<()> {
        Store::close(self)
    }

    fn as_check(&self) -> Option<&dyn Check> {
        Adapt::as_check(self)
    }

    fn as_backup(&self) -> Option<&dyn Backup> {
        Adapt::as_backup(self)
    }

    fn as_restore(&self) -> Option<&dyn Restore> {
        Adapt::as_restore(self)
    }

    fn as_compact(&self) -> Option<&dyn Compact> {
        Adapt::as_compact(self)
    }

    fn as_history(&self) -> Option<&dyn History> {
        Adapt::as_history(self)
    }

    fn as_watch(&self) -> Option<&dyn Watch> {
        Adapt::as_watch(self)
    }

    fn as_sorted_load(&self) -> Option<&dyn SortedLoad> {
        Adapt::as_sorted_load(self)
    }

    fn holds_items(&self) -> bool {
        Adapt::holds_items(self)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl<A: Adapt> ErasedSnapshot for SnapshotOf<A> {
    fn as_nested(&self) -> Option<&dyn NestedReader> {
        A::as_nested_reader(&self.0)
    }

    fn as_commit_indexes(&self) -> Option<&dyn CommitIndexes> {
        A::as_commit_indexes(&self.0)
    }

    fn as_search(&self) -> Option<&dyn Search> {
        A::as_search(&self.0)
    }

    fn as_stream(&self) -> Option<&dyn SnapshotStream> {
        A::as_stream(&self.0)
    }

    fn as_items(&self) -> Option<&dyn Items> {
        A::as_items(&self.0)
    }

    fn as_expiry(&self) -> Option<&dyn Expiry> {
        A::as_expiry(&self.0)
    }

    fn as_versions(&self) -> Option<&dyn Versions> {
        A::as_versions(&self.0)
    }

    fn space_named(&self, name: &[u8]) -> Result<Option<Space>> {
        self.0.space(name)
    }

    fn walk(&self, visitor: &mut dyn BucketVisitor) -> Result<()> {
        match self.as_nested() {
            Some(nested) => nested.visit(visitor),
            None => visit_spaces(&self.0, visitor),
        }
    }

    fn bucket_at(&self, path: &[&[u8]]) -> Result<Option<AnyBucket<'_>>> {
        A::bucket_at(&self.0, path)
    }
}

impl<A: Adapt> ErasedTransaction for TransactionOf<A> {
    fn as_nested(&mut self) -> Option<&mut dyn NestedWriter> {
        A::as_nested_writer(&mut self.0)
    }

    fn as_put_expiring(&mut self) -> Option<&mut dyn PutExpiring> {
        A::as_put_expiring(&mut self.0)
    }

    fn space_named(&self, name: &[u8]) -> Result<Option<Space>> {
        self.0.space(name)
    }

    fn put_at(&mut self, path: &[&[u8]], key: &[u8], value: &[u8]) -> Result<()> {
        A::put_at(&mut self.0, path, key, value)
    }

    fn put_item(&mut self, path: &[&[u8]], item: &Item<'_>) -> Result<()> {
        A::put_item(&mut self.0, path, item)
    }

    fn delete_at(&mut self, path: &[&[u8]], key: &[u8]) -> Result<bool> {
        A::delete_at(&mut self.0, path, key)
    }

    fn create_space(&mut self, name: &[u8]) -> Result<()> {
        self.0.create_space(name).map(drop)
    }

    fn drop_space(&mut self, name: &[u8]) -> Result<bool> {
        self.0.drop_space(name)
    }

    fn commit(self: Box<Self>, durability: Durability) -> Result<()> {
        self.0.commit(durability)
    }
}
