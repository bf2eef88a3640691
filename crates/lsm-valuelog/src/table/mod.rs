//! Tables: sorted, immutable files of records.

pub(crate) mod block;
pub(crate) mod block_builder;
pub(crate) mod builder;
pub(crate) mod compression;
pub(crate) mod cursor;
pub(crate) mod filter;
pub(crate) mod footer;
pub(crate) mod index;
pub(crate) mod loaded;
pub(crate) mod meta;
pub(crate) mod reader;
pub(crate) mod reading;

pub use compression::Compression;
