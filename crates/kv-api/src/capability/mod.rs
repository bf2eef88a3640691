//! What only some engines can do: one trait per capability, each with its own laws.
//!
//! Every trait here can be used as `dyn`, so that a program that picks its engine at run time can
//! ask for one and be answered "not this engine" with `None`.

mod backup;
mod check;
mod commit_indexes;
mod compact;
mod expiry;
mod nested;
mod search;
mod snapshot_stream;
mod sorted_load;
mod versions;
mod watch;

pub use backup::Backup;
pub use check::{Check, CheckSummary, Finding};
pub use commit_indexes::{CommitIndexes, SetCommitIndex};
pub use compact::Compact;
pub use expiry::{Expiry, PutExpiring};
pub use nested::{BucketVisitor, NestedReader, NestedWriter};
pub use search::{FoundPair, Search, SearchPlan};
pub use snapshot_stream::{Progress, ReportProgress, SnapshotStream};
pub use sorted_load::{NextPair, SortedLoad};
pub use versions::{History, KeyVersion, Versions, VisitPair, VisitVersion};
pub use watch::{Watch, WatchedChange, WatchedCommit, Watcher};
