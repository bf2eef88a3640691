//! The closed list of failures a caller can act on.

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What every fallible call of an engine returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a store damage was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Place {
    /// The file or directory as a whole.
    Store,
    /// A page, by number.
    Page(u64),
    /// A byte offset in a named file of the store.
    Offset {
        /// The file's name inside the store.
        file: String,
        /// Bytes from its beginning.
        offset: u64,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Store => write!(f, "the store"),
            Place::Page(id) => write!(f, "page {id}"),
            Place::Offset { file, offset } => write!(f, "{file} at byte {offset}"),
        }
    }
}

/// Everything that can go wrong, for every engine.
///
/// Cheap to clone, because one failed commit may have to be told to many waiting threads.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// This process has the store open already.
    AlreadyOpen {
        /// The store.
        path: PathBuf,
    },
    /// Another process holds the store's lock, and the time to wait for it has passed.
    Locked {
        /// The store.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// The store was closed.
    Closed,
    /// Another transaction got there first: run this one again.
    Conflict,
    /// The store was opened for reading only.
    ReadOnly,
    /// A name or key that must exist does not.
    NotFound {
        /// What was looked for.
        what: &'static str,
    },
    /// A name that must be new exists.
    Exists {
        /// What was to be made.
        what: &'static str,
    },
    /// A pair was named where a bucket stands, or the other way round.
    Incompatible {
        /// What stands in the way.
        what: &'static str,
    },
    /// An argument that no store could take: an empty key, a bucket moved into itself.
    Invalid {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A commit index at or below the last one: what it stands for is in the store already.
    AlreadyApplied {
        /// The index asked for.
        index: u64,
        /// The last index.
        last: u64,
    },
    /// A [`Space`](crate::Space) that another snapshot or transaction resolved.
    ForeignSpace,
    /// A key, a value or a name above its limit.
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its length.
        bytes: u64,
        /// The largest length that is taken.
        bytes_max: u64,
    },
    /// The disk is full, or a size limit is reached. Nothing was committed; the store lives on.
    NoSpace {
        /// What could not grow, and why.
        what: String,
    },
    /// The bytes on disk are not what this engine or its peers would write.
    Corrupt {
        /// Where.
        place: Place,
        /// What is wrong there.
        what: String,
    },
    /// The file's creation was cut short; it never held data.
    InterruptedInit {
        /// The store.
        path: PathBuf,
    },
    /// An earlier write or sync failed, so this handle no longer writes. Readers go on.
    Poisoned {
        /// The first failure.
        cause: Arc<Error>,
    },
    /// The commit reached its last step and that step failed: only reopening tells its outcome.
    InDoubt {
        /// The transaction's id.
        txid: u64,
        /// The failure.
        cause: Arc<Error>,
    },
    /// This engine cannot do that.
    Unsupported {
        /// What was asked.
        what: &'static str,
    },
    /// The operating system refused.
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's own words.
        source: Arc<io::Error>,
    },
    /// A closure's own error, carried through [`update`](crate::Store::update).
    Other(Arc<dyn StdError + Send + Sync + 'static>),
}

/// The kinds a caller tells apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// See [`Error::AlreadyOpen`].
    AlreadyOpen,
    /// See [`Error::Locked`].
    Locked,
    /// See [`Error::Closed`].
    Closed,
    /// See [`Error::Conflict`].
    Conflict,
    /// See [`Error::ReadOnly`].
    ReadOnly,
    /// See [`Error::NotFound`].
    NotFound,
    /// See [`Error::Exists`].
    Exists,
    /// See [`Error::Incompatible`].
    Incompatible,
    /// See [`Error::Invalid`] and [`Error::ForeignSpace`].
    Invalid,
    /// See [`Error::AlreadyApplied`].
    AlreadyApplied,
    /// See [`Error::TooLarge`].
    TooLarge,
    /// See [`Error::NoSpace`].
    NoSpace,
    /// See [`Error::Corrupt`].
    Corrupt,
    /// See [`Error::InterruptedInit`].
    InterruptedInit,
    /// See [`Error::Poisoned`].
    Poisoned,
    /// See [`Error::InDoubt`].
    InDoubt,
    /// See [`Error::Unsupported`].
    Unsupported,
    /// See [`Error::Io`].
    Io,
    /// See [`Error::Other`].
    Other,
}

/// What became of a commit that returned an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Proved absent, now and after any crash.
    NotCommitted,
    /// Present or absent, whole either way; reopening tells.
    InDoubt,
}

impl Error {
    /// An operating system failure while `doing` something. A full disk becomes
    /// [`Error::NoSpace`].
    pub fn io(doing: &'static str, source: io::Error) -> Error {
        if is_out_of_space(&source) {
            return Error::NoSpace {
                what: format!("{doing}: {source}"),
            };
        }
        Error::Io {
            doing,
            source: Arc::new(source),
        }
    }

    /// Damage at `place`.
    pub fn corrupt(place: Place, what: impl Into<String>) -> Error {
        Error::Corrupt {
            place,
            what: what.into(),
        }
    }

    /// A closure's own error, to be returned from inside [`update`](crate::Store::update) and
    /// taken out again with [`downcast_ref`](Error::downcast_ref).
    pub fn other(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        Error::Other(Arc::from(error.into()))
    }

    /// The closure's own error, if that is what this is.
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        match self {
            Error::Other(inner) => inner.downcast_ref::<E>(),
            _ => None,
        }
    }

    /// What kind of failure this is.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Error::AlreadyOpen { .. } => ErrorKind::AlreadyOpen,
            Error::Locked { .. } => ErrorKind::Locked,
            Error::Closed => ErrorKind::Closed,
            Error::Conflict => ErrorKind::Conflict,
            Error::ReadOnly => ErrorKind::ReadOnly,
            Error::NotFound { .. } => ErrorKind::NotFound,
            Error::Exists { .. } => ErrorKind::Exists,
            Error::Incompatible { .. } => ErrorKind::Incompatible,
            Error::Invalid { .. } | Error::ForeignSpace => ErrorKind::Invalid,
            Error::AlreadyApplied { .. } => ErrorKind::AlreadyApplied,
            Error::TooLarge { .. } => ErrorKind::TooLarge,
            Error::NoSpace { .. } => ErrorKind::NoSpace,
            Error::Corrupt { .. } => ErrorKind::Corrupt,
            Error::InterruptedInit { .. } => ErrorKind::InterruptedInit,
            Error::Poisoned { .. } => ErrorKind::Poisoned,
            Error::InDoubt { .. } => ErrorKind::InDoubt,
            Error::Unsupported { .. } => ErrorKind::Unsupported,
            Error::Io { .. } => ErrorKind::Io,
            Error::Other(_) => ErrorKind::Other,
        }
    }

    /// What became of the commit that returned this error.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::InDoubt { .. } => Outcome::InDoubt,
            _ => Outcome::NotCommitted,
        }
    }
}

/// ENOSPC, EDQUOT and EFBIG: the disk, the quota and the file-size limit.
fn is_out_of_space(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::AlreadyOpen { path } => write!(
                f,
                "{} is already open in this process; share that handle instead",
                path.display()
            ),
            Error::Locked { path, waited_ms } => write!(
                f,
                "{} is locked by another process (waited {waited_ms} ms); close it there or wait longer",
                path.display()
            ),
            Error::Closed => write!(f, "the store is closed"),
            Error::Conflict => write!(
                f,
                "another transaction changed what this one read; run it again"
            ),
            Error::ReadOnly => write!(f, "the store is open for reading only"),
            Error::NotFound { what } => write!(f, "{what} not found"),
            Error::Exists { what } => write!(f, "{what} already exists"),
            Error::Incompatible { what } => write!(f, "incompatible value: {what}"),
            Error::Invalid { what } => write!(f, "{what}"),
            Error::AlreadyApplied { index, last } => write!(
                f,
                "commit index {index} was applied before; the last one is {last}"
            ),
            Error::ForeignSpace => {
                write!(
                    f,
                    "this space was resolved by another snapshot or transaction; resolve it again"
                )
            }
            Error::TooLarge {
                what,
                bytes,
                bytes_max,
            } => {
                write!(
                    f,
                    "{what} too large: {bytes} bytes, at most {bytes_max} are taken"
                )
            }
            Error::NoSpace { what } => write!(f, "no space: {what}; nothing was committed"),
            Error::Corrupt { place, what } => write!(f, "damaged at {place}: {what}"),
            Error::InterruptedInit { path } => write!(
                f,
                "{} was never fully created and holds no data; remove it or initialise it again",
                path.display()
            ),
            Error::Poisoned { cause } => {
                write!(
                    f,
                    "writing stopped after an earlier failure ({cause}); reopen the store"
                )
            }
            Error::InDoubt { txid, cause } => write!(
                f,
                "transaction {txid} may or may not be durable ({cause}); reopen the store to learn which"
            ),
            Error::Unsupported { what } => write!(f, "not supported by this engine: {what}"),
            Error::Io { doing, source } => write!(f, "{doing}: {source}"),
            Error::Other(error) => write!(f, "{error}"),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Error::Io { source, .. } => Some(&**source),
            Error::Poisoned { cause } | Error::InDoubt { cause, .. } => Some(&**cause),
            Error::Other(error) => error.source(),
            _ => None,
        }
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> io::Error {
        let kind = match &error {
            Error::Io { source, .. } => source.kind(),
            Error::NoSpace { .. } => io::ErrorKind::StorageFull,
            Error::Corrupt { .. } | Error::InterruptedInit { .. } => io::ErrorKind::InvalidData,
            Error::NotFound { .. } => io::ErrorKind::NotFound,
            Error::Locked { .. } | Error::AlreadyOpen { .. } => io::ErrorKind::WouldBlock,
            Error::ReadOnly => io::ErrorKind::ReadOnlyFilesystem,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_no_space_whatever_the_system_calls_it() {
        // 28, 122 and 27 are ENOSPC, EDQUOT and EFBIG on Linux.
        for code in [28, 122, 27] {
            let error = Error::io("growing", io::Error::from_raw_os_error(code));
            assert_eq!(error.kind(), ErrorKind::NoSpace, "errno {code}");
        }
        assert_eq!(
            Error::io("reading", io::Error::from_raw_os_error(5)).kind(),
            ErrorKind::Io
        );
    }

    #[test]
    fn a_closures_error_comes_back_as_itself() {
        let error = Error::other(io::Error::other("mine"));
        assert_eq!(
            error.downcast_ref::<io::Error>().map(|e| e.to_string()),
            Some("mine".into())
        );
        assert!(Error::Closed.downcast_ref::<io::Error>().is_none());
    }
}
