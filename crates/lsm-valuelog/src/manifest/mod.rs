//! The manifest: what the store is made of, as a log of edits.

pub(crate) mod edit;
pub(crate) mod file;
