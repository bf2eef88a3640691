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

mod badger;
mod batches;
mod batches_later;
mod bulk;
mod caches;
mod callbacks;
mod changes;
mod checksums;
mod collection;
mod compaction;
mod conflicts;
mod conformance;
mod crash;
mod done_marks;
mod drops;
mod encryption;
mod expiry;
mod failing;
mod fault_table;
mod faults;
mod faults_of_files;
mod figures;
mod flattening;
mod folding;
mod folding_flat;
mod folding_order;
mod history;
mod isolation;
mod items;
mod late;
mod loads_told;
mod memory;
mod merging;
mod modes;
mod modules;
mod needless;
mod numbers;
mod pairs;
mod promised;
mod ranges;
mod recycled;
mod serial;
mod shape;
mod sizes;
mod stalls;
mod stream;
mod support;
mod torn;
mod watching;
