//! What the command line promises, by running it.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod changing;
mod copying;
mod failing;
mod guiding;
mod indexed;
mod levelled;
mod reading;
mod support;
mod touring;
