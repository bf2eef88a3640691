//! What the flat engine promises.
#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    missing_docs,
    reason = "tests"
)]

mod at_once;
mod checkpoints;
mod conformance;
mod crash;
mod damage;
mod damage_bits;
mod edges;
mod figures;
mod forged;
mod full_disk;
mod group;
mod live_bytes;
mod query;
mod raft;
mod space_given_back;
mod streams;
mod support;
