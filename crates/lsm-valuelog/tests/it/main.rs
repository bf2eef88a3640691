//! What the lsm engine promises, through its public face.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "tests fail by panicking"
)]

mod collection;
mod compaction;
mod conformance;
mod crash;
mod expiry;
mod figures;
mod torn;
