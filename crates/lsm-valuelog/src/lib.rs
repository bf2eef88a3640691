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
mod check;
mod collect;
mod commit;
mod commit_queue;
mod compact;
mod conflict;
mod counters;
mod cursor;
mod db;
mod entry;
mod error;
mod flush;
mod id;
mod inspect;
mod item;
mod key;
mod lease;
mod levels;
mod log;
mod logs;
mod manifest;
mod memtable;
mod merge;
mod moves;
mod nodes;
mod open;
mod open_logs;
mod options;
mod output;
mod placement;
mod pointer;
mod read_set;
mod replay;
mod retention;
mod shared;
mod skiplist;
mod slice;
mod snapshot;
mod source;
mod spaces;
mod stamp;
mod state;
mod store;
mod table;
mod tidy;
mod transaction;
mod values;
mod version;
mod wire;
mod work;
mod write_set;

pub use cursor::Cursor;
pub use db::Db;
pub use id::{FileId, Sequence};
pub use inspect::{LevelInfo, Metrics, TableInfo, ValueFileInfo};
pub use item::{Entry, Item};
pub use kv_api::{Error, ErrorKind, KeyRange, Result};
pub use options::{Clock, Options};
pub use replay::Recovery;
pub use slice::Slice;
pub use snapshot::Snapshot;
pub use table::Compression;
pub use transaction::Transaction;
