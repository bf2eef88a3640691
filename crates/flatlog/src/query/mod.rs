//! Questions in words: the query language, its planner and its streaming execution.
//!
//! ```text
//! key like "log:*" AND value like "*critical*" ORDER BY CommitIndex DESC LIMIT 10 OFFSET 20
//! ```
//!
//! `parse` makes a [`Query`] of a text; `run` answers it from any [`RowSource`], row by row,
//! and `explain` tells by which way. The way never changes the rows: **a query gives the rows,
//! in the order, that looking at every row would give.** Three rules keep it so: every row that
//! is answered was judged by the whole expression; ways only leave out rows that cannot match
//! (`key_spans`, `sets`); and the value index is believed only where its page says it may be
//! (see [`crate::search`]).
//!
//! Modules, each using those before it only: `error`, `limits`, `ast`, `lexer`,
//! `pattern`, `parser`, `rows`, `condition`, `normal`, `key_spans`, `fragments`,
//! `sets`, `plan`, `explain`, `walking`, `sorting`, `execute`.

pub mod ast;
mod condition;
mod error;
mod execute;
mod explain;
mod fragments;
mod key_spans;
mod lexer;
mod limits;
mod normal;
mod parser;
mod pattern;
mod plan;
mod rows;
mod sets;
mod sorting;
mod walking;

pub use ast::Query;
pub use error::QueryError;
pub use execute::{FoundRow, FoundRows, explain, run};
pub use explain::{Explanation, PlanStep};
pub use limits::{Limits, Touched};
pub use parser::parse;
pub use pattern::Pattern;
pub use rows::{Direction, KeySpan, Row, RowSource};
