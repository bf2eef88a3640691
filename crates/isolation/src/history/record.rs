//! What was done: transactions and their operations.

/// A key, numbered in the store's own order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u32);

/// A transaction, by its place in the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransactionId(pub u32);

/// A version of a key: which transaction wrote it, and as which of its writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Who wrote it.
    pub writer: TransactionId,
    /// Its place among all writes of that transaction.
    pub nth: u32,
}

/// A key found by a range read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The key.
    pub key: Key,
    /// The version found; keys of the range that are not named were not there.
    pub version: Version,
}

/// One operation of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Read a key; none if it was not there.
    Read(Key, Option<Version>),
    /// Read all keys from the first to the last.
    Range {
        /// The first key of the range.
        first: Key,
        /// The last one, included.
        last: Key,
        /// What was there, by key.
        seen: Vec<Seen>,
    },
    /// Wrote a key, as a version whose writer is this transaction.
    Write(Key, Version),
    /// Deleted a key, which nobody reads as this version, but whose writer and place it names.
    Delete(Key, Version),
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It was acknowledged.
    Committed,
    /// It was rolled back or refused.
    #[default]
    Aborted,
    /// Nobody knows: it may or may not be there.
    InDoubt,
}

/// A transaction as whoever ran it saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedTransaction {
    /// When it was begun, on a clock that all threads share; any unit will do.
    pub begun: u64,
    /// When its commit returned.
    pub ended: u64,
    /// What became of it.
    pub outcome: Outcome,
    /// What it did, in order.
    pub operations: Vec<Operation>,
}

/// Transactions of many threads.
#[derive(Clone, Debug, Default)]
pub struct History {
    transactions: Vec<RecordedTransaction>,
}

impl History {
    /// An empty one.
    pub fn new() -> History {
        History::default()
    }

    /// A history of these transactions; the place of each is its number.
    pub fn of(transactions: Vec<RecordedTransaction>) -> History {
        History { transactions }
    }

    /// The transactions, by number.
    pub fn transactions(&self) -> &[RecordedTransaction] {
        &self.transactions
    }

    /// A transaction by its number.
    pub fn get(&self, id: TransactionId) -> Option<&RecordedTransaction> {
        self.transactions.get(id.0 as usize)
    }

    /// How many were acknowledged.
    pub fn committed(&self) -> usize {
        let transactions = self.transactions.iter();
        transactions
            .filter(|transaction| transaction.outcome == Outcome::Committed)
            .count()
    }

    /// The transactions with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (TransactionId, &RecordedTransaction)> {
        self.transactions
            .iter()
            .enumerate()
            .filter_map(|(at, transaction)| {
                Some((TransactionId(u32::try_from(at).ok()?), transaction))
            })
    }
}
