//! Workloads that strain a store's isolation, and checkers that find what it broke.
//!
//! * [`Bank`] moves money between accounts with many threads and audits meanwhile: no sum may
//!   change, no account be missing, no acknowledged transfer be lost.
//! * [`history`] records what transactions read and wrote and looks for what serializable
//!   transactions cannot have seen, by the cycles of their dependencies.
//!
//! Both run against a [`Subject`]: any store with transactions. Every [`kv_api::Store`] is one by
//! way of [`ThroughStore`]. [`Faulty`] is one with a fault planted, to see that it is found.
//!
//! ```
//! # fn main() -> Result<(), isolation::Violation> {
//! use isolation::{Bank, ThroughStore};
//!
//! let store = conformance::MemoryModel::new(conformance::Writers::Optimistic);
//! let report = Bank::small().run(&ThroughStore::new(store), &|| Ok(()), &mut |_| true)?;
//! assert!(report.transfers > 0);
//! # Ok(())
//! # }
//! ```

pub mod history;

mod account;
mod bank;
mod faulty;
mod random;
mod subject;
mod teller;
mod through_store;
mod violation;

pub use bank::Bank;
pub use faulty::{Fault, Faulty};
pub use subject::{Found, Subject, SubjectTransaction};
pub use through_store::{StoreTransaction, ThroughStore};
pub use violation::{BankReport, Violation};
