//! What the bolt engine promises, through its public face.
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

mod bucket_statistics;
mod conformance;
mod crash;
mod figures;
mod format;
mod lifecycle;
mod model;
mod opening;
mod real_files;
mod second_process;
mod support;
