//! The query language and the value index, over a store in memory.

mod differential;
mod engine;
mod examples;
mod hostile;
mod like;
mod memory;
mod oracle;
mod plans;
mod syntax;
mod threads;
mod value_index;
