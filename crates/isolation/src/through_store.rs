//! Every store of `kv-api` as a subject.

use kv_api::{Cursor, Durability, Error, Reader, Result, Space, Store, Transaction};

use crate::subject::{Found, Subject, SubjectTransaction};

/// A store's default space as a [`Subject`].
#[derive(Debug)]
pub struct ThroughStore<S> {
    store: S,
    durability: Durability,
}

impl<S: Store> ThroughStore<S> {
    /// Strains `store`, committing with [`Durability::Buffered`].
    pub fn new(store: S) -> ThroughStore<S> {
        ThroughStore {
            store,
            durability: Durability::Buffered,
        }
    }

    /// Commits with `durability`.
    pub fn durability(mut self, durability: Durability) -> ThroughStore<S> {
        self.durability = durability;
        self
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// The store back.
    pub fn into_store(self) -> S {
        self.store
    }
}

/// A transaction or a snapshot of a store.
pub enum StoreTransaction<S: Store> {
    /// One that may write.
    Writing(S::Transaction, Durability),
    /// One that only reads.
    Reading(S::Snapshot),
}

fn sought<R: Reader>(reader: &R, key: &[u8]) -> Result<Option<Vec<u8>>> {
    let mut cursor = reader.cursor(Space::DEFAULT)?;
    let found = cursor.seek(key)?;
    Ok(found
        .filter(|(found, _)| **found == *key)
        .map(|(_, value)| value.to_vec()))
}

fn scanned<R: Reader>(reader: &R, start: &[u8], end: &[u8]) -> Result<Found> {
    let pairs = reader.range(Space::DEFAULT, start..end)?;
    pairs
        .map(|pair| pair.map(|(key, value)| (key.to_vec(), value.to_vec())))
        .collect()
}

impl<S: Store> SubjectTransaction for StoreTransaction<S> {
    fn get(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(match self {
            StoreTransaction::Writing(tx, _) => tx.get(Space::DEFAULT, key)?.map(|v| v.to_vec()),
            StoreTransaction::Reading(at) => at.get(Space::DEFAULT, key)?.map(|v| v.to_vec()),
        })
    }

    fn seek(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match self {
            StoreTransaction::Writing(tx, _) => sought(tx, key),
            StoreTransaction::Reading(at) => sought(at, key),
        }
    }

    fn scan(&mut self, start: &[u8], end: &[u8]) -> Result<Found> {
        match self {
            StoreTransaction::Writing(tx, _) => scanned(tx, start, end),
            StoreTransaction::Reading(at) => scanned(at, start, end),
        }
    }

    fn set(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        match (self, value) {
            (StoreTransaction::Writing(tx, _), Some(value)) => tx.put(Space::DEFAULT, key, value),
            (StoreTransaction::Writing(tx, _), None) => tx.delete(Space::DEFAULT, key),
            (StoreTransaction::Reading(_), _) => Err(Error::ReadOnly),
        }
    }

    fn commit(self) -> Result<()> {
        match self {
            StoreTransaction::Writing(tx, durability) => tx.commit(durability),
            StoreTransaction::Reading(_) => Ok(()),
        }
    }
}

impl<S: Store> Subject for ThroughStore<S> {
    type Transaction<'s> = StoreTransaction<S>;

    fn begin(&self) -> Result<StoreTransaction<S>> {
        let transaction = self.store.begin()?;
        Ok(StoreTransaction::Writing(transaction, self.durability))
    }

    fn begin_read(&self) -> Result<StoreTransaction<S>> {
        self.store.snapshot().map(StoreTransaction::Reading)
    }
}

impl<S: Store> std::fmt::Debug for StoreTransaction<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StoreTransaction::Writing(..) => "Writing",
            StoreTransaction::Reading(_) => "Reading",
        })
    }
}
