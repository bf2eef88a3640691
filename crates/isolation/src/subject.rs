//! What a store must be able to do to be strained.

use kv_api::Result;

/// Pairs that a scan found, in key order.
pub type Found = Vec<(Vec<u8>, Vec<u8>)>;

/// A store with transactions.
pub trait Subject: Sync {
    /// A transaction.
    type Transaction<'s>: SubjectTransaction
    where
        Self: 's;

    /// Begins a transaction that may write.
    fn begin(&self) -> Result<Self::Transaction<'_>>;

    /// Begins one that only reads; dropped at its end.
    fn begin_read(&self) -> Result<Self::Transaction<'_>>;
}

/// A transaction on a [`Subject`]. Dropping it rolls it back.
pub trait SubjectTransaction {
    /// The value of `key`.
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// The value of `key`, come to by placing a cursor.
    fn seek(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// All pairs whose keys are in `start..end`.
    fn scan(&mut self, start: &[u8], end: &[u8]) -> Result<Found>;

    /// Sets or removes the value of `key`.
    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()>;

    /// Commits. [`Error::Conflict`](kv_api::Error::Conflict) says that another came first.
    fn commit(self) -> Result<()>;
}
