//! Histories: what transactions read and wrote, and what of it cannot be.
//!
//! A [`History`] is recorded by [`Workload`], or written by hand. [`check`] looks for
//! what no serializable history has:
//!
//! * reads of values that nobody wrote, that were rolled back, or that their own transaction
//!   replaced ([`Anomaly::Garbage`], [`Anomaly::AbortedRead`], [`Anomaly::IntermediateRead`]);
//! * a transaction that does not see its own writes, or one key twice in different ways
//!   ([`Anomaly::Internal`]);
//! * two transactions that replaced one version ([`Anomaly::LostUpdate`]);
//! * cycles among the transactions, where one comes before another because that replaced what it
//!   wrote (*ww*), read what it wrote (*wr*), or replaced what it read (*rw*), ranges included:
//!   [`Anomaly::Cycle`], named by the edges it is made of. With time among the edges a cycle is a
//!   history that is serializable in no order that fits the clock.
//!
//! Every version of a key is unique, and a transaction reads a key before it writes or deletes it,
//! which gives the order of versions without asking the store. Only the order of what was put where
//! something had been deleted is the clock's to tell.

mod absence;
mod anomaly;
mod check;
mod cycle;
mod graph;
mod key_index;
mod record;
mod workload;

pub use anomaly::{Anomaly, CycleKind, Edge, Findings, Step};
pub use check::{CheckOptions, check};
pub use record::{
    History, Key, Operation, Outcome, RecordedTransaction, Seen, TransactionId, Version,
};
pub use workload::{Workload, WorkloadReport};
