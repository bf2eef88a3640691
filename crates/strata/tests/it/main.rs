//! One set of scenarios over every engine there is, and what the facade adds to them.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod architecture;
mod digests;
mod first_screen;
mod flattening;
mod indexed;
mod items;
mod place;
mod powers;
mod recognising;
mod scenarios;
mod spaces_only;
