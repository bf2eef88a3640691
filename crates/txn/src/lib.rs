//! The bolt engine: transactions over one file in bbolt's format.
//!
//! [`Db`] is an open database, [`Snapshot`] one version of it, [`Transaction`] the one writer.
//! Buckets nest without limit; a [`Bucket`] is read through a snapshot, a [`BucketMut`] through
//! the transaction. The engine also stands behind `kv-api`, so code written for any Strata engine
//! runs on it.
//!
//! Files are those of etcd's bbolt, format version 2: each opens, checks and writes what the other
//! has written. What is promised about crashes and failures is in `docs/durability.md`.

mod backup;
mod batch;
mod batch_queue;
mod bucket;
mod bucket_mut;
mod check;
mod cleaner;
mod commit;
mod compact;
mod counters;
mod cursor;
mod cursor_mut;
mod db;
mod error;
mod freelist;
mod gate;
mod grant;
mod group;
mod group_queue;
mod inspect;
mod names;
mod open;
mod options;
mod page_contents;
mod page_info;
mod pair_cursor;
mod pending;
mod run_list;
mod shared;
mod snapshot;
mod sorted_load;
mod space_table;
mod statistics;
mod store;
mod ticker;
mod transaction;
mod version;
mod visit;
mod write_set;
mod writer;

pub use backup::BackupOptions;
pub use btree::{BucketId, BucketStatistics, TreeCounts as TransactionStatistics};
pub use bucket::Bucket;
pub use bucket_mut::BucketMut;
pub use check::{check, check_from_page};
pub use compact::{CompactOptions, compact};
pub use cursor::{Cursor, Entry};
pub use cursor_mut::CursorMut;
pub use db::{Db, HeldVersion};
pub use inspect::BucketTree;
pub use kv_api::{Error, ErrorKind, KeyRange, Result};
pub use options::{FreelistKind, FreelistStorage, Options};
pub use page_contents::{LeafValue, MetaRecord, PageContents};
pub use page_info::{PageInfo, PageUse};
pub use pair_cursor::PairCursor;
pub use snapshot::{Info, Snapshot};
pub use statistics::Statistics;
pub use ticker::Ticker;
pub use transaction::Transaction;
