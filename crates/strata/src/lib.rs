//! Open any Strata engine at run time; copy between engines.
//!
//! [`AnyStore`] opens a store by path or by `engine:path` and answers for whichever engine it
//! turned out to be. What only some engines can do is asked for and may be answered `None`:
//!
//! ```
//! # fn main() -> kv_api::Result<()> {
//! # let directory = tempfile::tempdir().expect("a temporary directory");
//! # let path = directory.path().join("my.db");
//! use strata::{AnyStore, Digest};
//!
//! let store = AnyStore::open(&path)?;
//! let mut change = store.begin_write()?;
//! change.put_at(&[b"users"], b"ann", b"admin")?;
//! change.commit_durably()?;
//!
//! let snapshot = store.open_snapshot()?;
//! let users = snapshot.bucket_at(&[b"users"])?.expect("just made");
//! assert_eq!(users.value_of(b"ann")?.as_deref(), Some(&b"admin"[..]));
//! assert_eq!(snapshot.digest()?.keys, 1);
//!
//! if let Some(check) = store.as_check() {
//!     let summary = check.check(&mut |finding| println!("{finding:?}"))?;
//!     assert_eq!(summary.findings, 0);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Each engine is a feature; `bolt`, `lsm` and `flat` are on by default. An engine of your own joins by implementing
//! [`Adapt`].

mod adapt;
#[cfg(feature = "bolt")]
mod adapt_bolt;
#[cfg(feature = "flat")]
mod adapt_flat;
#[cfg(feature = "lsm")]
mod adapt_lsm;
mod any_bucket;
mod any_snapshot;
mod any_store;
mod any_transaction;
mod commit_indexes;
mod copy;
mod digest;
mod engine;
mod erased;
mod flatten;
mod items;
mod location;
mod open;
mod options;
mod recognise;
mod snapshot_stream;
mod spaces;
mod stream;

pub use adapt::Adapt;
pub use any_bucket::{AnyBucket, BucketEntries, BucketEntry, Order, ReadBucket};
pub use any_snapshot::AnySnapshot;
pub use any_store::AnyStore;
pub use any_transaction::AnyTransaction;
pub use commit_indexes::CommitIndexes;
pub use copy::{Copied, CopyOptions, copy};
pub use digest::{Digest, Digester};
pub use engine::Engine;
/// The flat engine by itself: the crate `flatlog`.
#[cfg(feature = "flat")]
pub use flatlog as flat;
pub use flatten::{flat_key, unflatten_key};
pub use items::{Item, Items};
pub use location::Location;
/// The lsm engine by itself: the crate `lsm-valuelog`.
#[cfg(feature = "lsm")]
pub use lsm_valuelog as lsm;
pub use options::OpenOptions;
pub use recognise::recognise;
pub use snapshot_stream::{Restore, SnapshotStream, StreamProgress, StreamReport};
pub use spaces::visit_spaces;
pub use stream::transfer;
/// The bolt engine by itself: the crate `txn`.
#[cfg(feature = "bolt")]
pub use txn as bolt;

#[cfg(all(doctest, feature = "bolt"))]
#[doc = include_str!("../../../README.md")]
mod readme {}
