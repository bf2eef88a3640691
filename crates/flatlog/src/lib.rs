//! The flat engine's search: the value index and the query language.

pub mod query;
pub mod search;
