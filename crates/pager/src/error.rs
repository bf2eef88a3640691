//! What can go wrong with pages: the system refuses, or the bytes are wrong.

use std::fmt;
use std::io;

use crate::id::PageId;

/// What every fallible call of this layer returns.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of the physical layer.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's own words.
        source: io::Error,
    },
    /// The bytes are not what a writer of this format leaves behind.
    Corrupt {
        /// The page, or the file as a whole.
        page: Option<PageId>,
        /// What is wrong.
        what: String,
    },
    /// The file would outgrow a limit. Nothing was changed.
    Limit {
        /// Which limit.
        what: &'static str,
        /// The limit.
        bytes_max: u64,
    },
    /// The file holds the remains of an initialisation that was cut short, and never held data.
    InterruptedInit,
}

impl Error {
    /// Damage on one page.
    pub fn page(id: PageId, what: impl Into<String>) -> Error {
        Error::Corrupt {
            page: Some(id),
            what: what.into(),
        }
    }

    /// Damage to the file as a whole.
    pub fn file(what: impl Into<String>) -> Error {
        Error::Corrupt {
            page: None,
            what: what.into(),
        }
    }

    /// The same failure, to be told once more.
    pub fn again(&self) -> Error {
        match self {
            Error::Io { doing, source } => Error::Io {
                doing,
                source: io::Error::new(source.kind(), source.to_string()),
            },
            Error::Corrupt { page, what } => Error::Corrupt {
                page: *page,
                what: what.clone(),
            },
            Error::Limit { what, bytes_max } => Error::Limit {
                what,
                bytes_max: *bytes_max,
            },
            Error::InterruptedInit => Error::InterruptedInit,
        }
    }

    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Io { doing, source } => write!(f, "{doing}: {source}"),
            Error::Corrupt {
                page: Some(id),
                what,
            } => write!(f, "page {}: {what}", id.0),
            Error::Corrupt { page: None, what } => write!(f, "{what}"),
            Error::Limit { what, bytes_max } => write!(f, "{what} of {bytes_max} bytes reached"),
            Error::InterruptedInit => write!(f, "the file's creation was cut short"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}
