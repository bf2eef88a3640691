//! What can go wrong in a tree: its pages, or what was asked of it.

use std::fmt;

/// What every fallible call of this layer returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the tree layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The pages below.
    Page(pager::Error),
    /// A name that must exist does not.
    NotFound(&'static str),
    /// A name that must be new exists.
    Exists(&'static str),
    /// A pair was named where a bucket stands, or the other way round.
    Incompatible(&'static str),
    /// An argument no tree could take.
    Invalid(&'static str),
    /// A key, a value or a name above its limit.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The largest length that is taken.
        bytes_max: u64,
    },
}

impl From<pager::Error> for Error {
    fn from(error: pager::Error) -> Error {
        Error::Page(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Page(error) => error.fmt(f),
            Error::NotFound(what) => write!(f, "{what} not found"),
            Error::Exists(what) => write!(f, "{what} already exists"),
            Error::Incompatible(what) => write!(f, "incompatible value: {what}"),
            Error::Invalid(what) => write!(f, "{what}"),
            Error::TooLarge {
                what,
                bytes,
                bytes_max,
            } => {
                write!(f, "{what} too large: {bytes} bytes, at most {bytes_max}")
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Page(error) => Some(error),
            _ => None,
        }
    }
}
