//! The kit's own proof: the rules of its disk, and a toy store that it must pass or catch.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation
)]

mod broken_stores;
mod disk_rules;
mod sound_store;
mod subject;
mod toy;
