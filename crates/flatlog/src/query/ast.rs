//! A query as it was written.

use crate::query::pattern::Pattern;
use crate::query::rows::Direction;

/// A whole query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Which rows; none means all.
    pub filter: Option<Expression>,
    /// By what the rows are ordered.
    pub order_by: Column,
    /// Which way. Rows with equal commit indexes stand in key order; descending is the exact
    /// reverse of ascending.
    pub direction: Direction,
    /// At most so many rows.
    pub limit: Option<u64>,
    /// So many rows are passed over first.
    pub offset: u64,
}

/// What rows may be ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// The key's bytes.
    Key,
    /// The commit index of the last write.
    CommitIndex,
}

/// What a row must be like. Its depth is limited by the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expression {
    /// All of them.
    And(Vec<Expression>),
    /// At least one of them.
    Or(Vec<Expression>),
    /// Not this.
    Not(Box<Expression>),
    /// One question about one column.
    Predicate(Predicate),
}

/// One question about one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Predicate {
    /// The key compares so with these bytes.
    Key(Comparison, Vec<u8>),
    /// The whole key has this shape.
    KeyLike(Pattern),
    /// The value is these bytes.
    ValueEquals(Vec<u8>),
    /// The value is not these bytes.
    ValueDiffers(Vec<u8>),
    /// The whole value has this shape.
    ValueLike(Pattern),
    /// The value has all of these tokens; with none of them, any value does.
    ValueTokens(Vec<Vec<u8>>),
    /// The commit index compares so with this number.
    CommitIndex(Comparison, u64),
}

/// How two things compare; bytes as unsigned bytes, the shorter before its extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Comparison {
    /// Whether `left` compares so with `right`.
    pub fn holds<T: Ord + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::Different => left != right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
        }
    }

    /// What holds exactly when this does not.
    pub fn opposite(self) -> Comparison {
        match self {
            Comparison::Equal => Comparison::Different,
            Comparison::Different => Comparison::Equal,
            Comparison::Less => Comparison::AtLeast,
            Comparison::AtMost => Comparison::Greater,
            Comparison::Greater => Comparison::AtMost,
            Comparison::AtLeast => Comparison::Less,
        }
    }

    /// As it is written.
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Equal => "=",
            Comparison::Different => "!=",
            Comparison::Less => "<",
            Comparison::AtMost => "<=",
            Comparison::Greater => ">",
            Comparison::AtLeast => ">=",
        }
    }
}
