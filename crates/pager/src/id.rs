//! Numbers of pages and transactions.

/// A page's number: its byte offset divided by the page size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageId(pub u64);

/// A transaction's number, stamped on the meta it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub u64);

impl TxId {
    /// The number after this one.
    pub fn next(self) -> TxId {
        TxId(self.0.saturating_add(1))
    }
}
