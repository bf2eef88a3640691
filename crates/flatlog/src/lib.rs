//! The flat engine: every key in memory, in flat sorted arrays, over an append-only log.
//!
//! It is made for a Raft state machine. [`Db`] is an open store (a directory), [`Snapshot`] one
//! version of it, [`Transaction`] the one writer. Every commit has an index: the next one by
//! itself, or the one [`Db::begin_at`] is given, which refuses what was applied before. The engine
//! also stands behind `kv-api`, so code written for any Strata engine runs on it.
//!
//! The files are described in `docs/format/flat.md`, the choices in `docs/adr`.

mod apply;
mod background;
mod blocks;
mod capabilities;
mod check;
mod checkpoint;
mod close;
mod commit;
mod compact;
mod create;
mod cursor;
mod db;
mod ids;
mod index;
mod lease;
mod limits;
mod loading;
mod log;
mod maintenance;
mod names;
mod open;
mod options;
mod place;
pub mod query;
mod reader;
mod recovery;
mod replay;
mod restore;
mod rewrite;
mod root;
pub mod search;
mod search_rows;
mod shared;
mod slice;
mod snapshot;
mod space_names;
mod state_file;
mod statistics;
mod store;
mod stored_values;
mod stream;
mod ticket;
mod transaction;
mod turn;
mod value_index;
mod value_view;
mod varint;
mod waker;

pub use cursor::Cursor;
pub use db::Db;
pub use ids::KeyId;
pub use kv_api::capability::Progress;
pub use kv_api::{Error, ErrorKind, KeyRange, Result};
pub use log::cache::CacheStatistics;
pub use options::Options;
pub use recovery::{Recovery, Torn};
pub use search_rows::{SnapshotRow, SpaceRows, SpanWalk};
pub use slice::Slice;
pub use snapshot::Snapshot;
pub use statistics::{SegmentStatistics, Statistics};
pub use transaction::Transaction;
