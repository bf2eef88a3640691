//! The lsm engine: a log-structured merge tree with a value log.
//!
//! [`Db`] is an open store in a directory of its own, [`Snapshot`] one version of it,
//! [`Transaction`] a set of changes with serializable snapshot isolation. Small values live with
//! their keys in sorted tables; large ones are written once, to the value log, and tables point
//! at them.
//!
//! What is on disk is described in `docs/format/lsm.md`, what is promised about crashes and
//! failures in `docs/durability.md`.

mod alone;
mod aside;
mod backup;
mod badger;
mod ban;
mod banned;
mod bulk;
mod bulk_install;
mod bulk_values;
mod capabilities;
mod check;
mod collect;
mod commit;
mod commit_queue;
mod compact;
mod conflict;
mod counters;
mod cursor;
mod db;
mod drop;
mod entry;
mod error;
mod flatten;
mod flush;
mod history;
mod id;
mod inspect;
mod item;
mod item_access;
mod item_options;
mod items;
mod key;
mod lease;
mod levels;
mod log;
mod logs;
mod manifest;
mod memtable;
mod merge;
mod merge_operator;
mod moves;
mod nodes;
mod number_sequence;
mod open;
mod open_logs;
mod operands;
mod options;
mod output;
mod pattern;
mod placement;
mod pointer;
mod read_set;
mod replay;
mod restore;
mod retention;
mod shared;
mod skiplist;
mod slice;
mod snapshot;
mod source;
mod spaces;
mod splits;
mod stamp;
mod state;
mod store;
mod stream;
mod subscribers;
mod subscription;
mod table;
mod tidy;
mod transaction;
mod values;
mod version;
mod volatile;
mod walk;
mod wire;
mod work;
mod write_batch;
mod write_set;

pub use badger::{BadgerBackup, BadgerLoaded, read_badger_backup};
pub use bulk::{BulkLoaded, BulkSpace, BulkWriter};
pub use bulk_install::BulkMode;
pub use cursor::Cursor;
pub use db::Db;
pub use id::{FileId, Sequence};
pub use inspect::{LevelInfo, Metrics, TableInfo, ValueFileInfo};
pub use item::{Entry, Item};
pub use item_options::ItemOptions;
pub use items::Items;
pub use kv_api::{Error, ErrorKind, KeyRange, Result};
pub use merge_operator::MergeOperator;
pub use number_sequence::NumberSequence;
pub use options::{Clock, Options};
pub use pattern::Pattern;
pub use replay::Recovery;
pub use slice::Slice;
pub use snapshot::Snapshot;
pub use stream::{Batch, Stream, Versioned};
pub use subscribers::{Changed, ChangedTo, Committed, Lagged};
pub use subscription::{Subscription, Watch};
pub use table::Compression;
pub use transaction::Transaction;
pub use write_batch::{BatchLimits, WriteBatch};
