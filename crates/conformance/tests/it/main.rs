//! The suite, proved against the model: sound stores keep every law, broken ones break the law
//! that names their fault.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod broken;
mod list;
mod model;
mod sticky;
