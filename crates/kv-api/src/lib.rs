//! Traits, types and errors that every Strata engine keeps.
//!
//! This crate does no I/O. It says what an ordered store with snapshots promises, as narrowly as
//! the laws that the `conformance` crate can test:
//!
//! * [`Store`] hands out owned [`Snapshot`]s and [`Transaction`]s;
//! * [`Reader`] is the power to read, which both have; [`Transaction`] adds the power to write;
//! * [`Cursor`] walks a space in key order, and [`Range`] is an iterator made of two of them;
//! * what only some engines can do is a [`capability`] with its own laws;
//! * every failure is one [`Error`], with a small closed [`ErrorKind`] to act on.

pub mod capability;
mod cursor;
mod durability;
mod error;
mod key_range;
mod range;
mod space;
mod store;

pub use bytes::Bytes;
pub use cursor::Cursor;
pub use durability::Durability;
pub use error::{Error, ErrorKind, Outcome, Place, Result};
pub use key_range::KeyRange;
pub use range::Range;
pub use space::Space;
pub use store::{Reader, Snapshot, Store, Transaction};
