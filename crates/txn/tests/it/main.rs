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
mod buckets;
mod conformance;
mod copies;
mod counting;
mod crash;
mod cursors;
mod damage;
mod durability;
mod figures;
mod figures_commits;
mod filling;
mod format;
mod hostile;
mod isolation;
mod large_commits;
mod lifecycle;
mod model;
mod moving;
mod opening;
mod page_contents;
mod pairs;
mod ranges;
mod real_files;
mod second_process;
mod shared_commits;
mod space;
mod spaces;
mod support;
mod transactions;
mod warm_reads;
