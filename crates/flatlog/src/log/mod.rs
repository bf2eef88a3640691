//! The log: segments of frames of records.

pub(crate) mod batch;
pub(crate) mod cache;
pub(crate) mod covered;
pub(crate) mod failed;
pub(crate) mod frame;
mod mapped;
pub(crate) mod new_segment;
pub(crate) mod proven;
pub(crate) mod record;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod table;
pub(crate) mod watcher;
pub(crate) mod writer;
