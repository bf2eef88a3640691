//! The laws of kv-api, one named test per law, for any engine.
//!
//! An engine says how its store is opened, and gets every law as a test of its own:
//!
//! ```
//! use conformance::{Fixture, MemoryModel, Writers};
//!
//! struct ModelFixture(MemoryModel);
//!
//! impl Fixture for ModelFixture {
//!     type Store = MemoryModel;
//!     fn new() -> Self {
//!         ModelFixture(MemoryModel::new(Writers::OneAtATime))
//!     }
//!     fn open(&self) -> kv_api::Result<MemoryModel> {
//!         Ok(self.0.reopen())
//!     }
//! }
//!
//! conformance::laws!(model, ModelFixture, check);
//! # fn main() {}
//! ```
//!
//! The names after the fixture are the capabilities the engine has: `check`, `backup`, `nested`,
//! `commit_indexes`, `snapshot_stream`, `search`, `expiry`, `versions`, `watch`, `compact`,
//! `sorted_load`.
//! A disk engine's fixture holds a temporary directory, and `open` opens the store in it; an
//! engine with a check of its own runs it when the fixture is dropped, so that every law ends
//! with an account of every page.
//!
//! | variable | what it sets |
//! |---|---|
//! | `STRATA_CONFORMANCE_CASES` | how many random scripts each `model` law runs (default 100) |
//! | `STRATA_CONFORMANCE_SEED` | the seed of a failure to be repeated |

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a law that does not hold fails its test"
)]

pub mod capability_backup;
pub mod capability_check;
pub mod capability_commit_indexes;
pub mod capability_compact;
pub mod capability_expiry;
pub mod capability_nested;
pub mod capability_search;
pub mod capability_snapshot_stream;
pub mod capability_sorted_load;
pub mod capability_versions;
pub mod capability_watch;
pub mod conflicts;
pub mod cursors;
pub mod default_space;
pub mod durability;
pub mod errors;
mod fixture;
mod law;
mod macros;
mod memory_model;
pub mod merging;
pub mod model;
mod question;
pub mod ranges;
pub mod reading;
mod scaffold;
mod script;
mod session;
pub mod snapshots;
pub mod spaces;
pub mod threads;
pub mod transactions;
pub mod writing;

pub use fixture::{BackupFixture, ClockFixture, Fixture, SearchFixture};
use law::list_of_laws;
pub use law::{
    Law, backup_laws, base_laws, check_laws, commit_indexes_laws, compact_laws, expiry_laws,
    nested_laws, search_laws, snapshot_stream_laws, sorted_load_laws, versions_laws, watch_laws,
};
pub use memory_model::{MemoryCursor, MemoryModel, MemorySnapshot, MemoryTransaction, Writers};
pub use question::{Filter, IndexedPair, Question};
