//! Why a query is refused or stopped.

use std::fmt;

/// Why a query is refused or stopped.
///
/// Reaches the caller as [`kv_api::Error::Other`], from which
/// [`downcast_ref`](kv_api::Error::downcast_ref) takes it out again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum QueryError {
    /// The text is not a query.
    Syntax {
        /// Where, in bytes from the beginning of the text.
        position: usize,
        /// What could stand there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },
    /// Parentheses and NOTs are nested too deeply.
    TooDeep {
        /// Where, in bytes from the beginning of the text.
        position: usize,
        /// The deepest nesting that is taken.
        depth_max: usize,
    },
    /// The text is too long.
    TooLong {
        /// Its length in bytes.
        bytes: usize,
        /// The greatest length that is taken.
        bytes_max: usize,
    },
    /// The query's time is over.
    OutOfTime {
        /// How much it had, in milliseconds.
        budget_ms: u64,
    },
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            QueryError::Syntax {
                position,
                expected,
                found,
            } => write!(
                f,
                "at byte {position} of the query: expected {expected}, found {found}"
            ),
            QueryError::TooDeep {
                position,
                depth_max,
            } => write!(
                f,
                "at byte {position} of the query: expected at most {depth_max} nested parentheses and NOTs, found one more"
            ),
            QueryError::TooLong { bytes, bytes_max } => write!(
                f,
                "at byte {bytes_max} of the query: expected its end, found {bytes} bytes in all"
            ),
            QueryError::OutOfTime { budget_ms } => {
                write!(f, "the query took more than its {budget_ms} ms")
            }
        }
    }
}

impl std::error::Error for QueryError {}

impl From<QueryError> for kv_api::Error {
    fn from(error: QueryError) -> kv_api::Error {
        kv_api::Error::other(error)
    }
}
