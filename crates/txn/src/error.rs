//! The layers' errors told in the words of the face.

use kv_api::{Error, Place};

/// What a failure below is to a caller.
pub(crate) fn from_pager(error: pager::Error) -> Error {
    match error {
        pager::Error::Io { doing, source } => Error::io(doing, source),
        pager::Error::Corrupt {
            page: Some(id),
            what,
        } => Error::corrupt(Place::Page(id.0), what),
        pager::Error::Corrupt { page: None, what } => Error::corrupt(Place::Store, what),
        limit @ pager::Error::Limit { .. } => Error::NoSpace {
            what: limit.to_string(),
        },
        other => Error::corrupt(Place::Store, other.to_string()),
    }
}

/// What a failure below is to a caller.
pub(crate) fn from_tree(error: btree::Error) -> Error {
    match error {
        btree::Error::Page(error) => from_pager(error),
        btree::Error::NotFound(what) => Error::NotFound { what },
        btree::Error::Exists(what) => Error::Exists { what },
        btree::Error::Incompatible(what) => Error::Incompatible { what },
        btree::Error::Invalid(what) => Error::Invalid { what },
        btree::Error::TooLarge {
            what,
            bytes,
            bytes_max,
        } => Error::TooLarge {
            what,
            bytes,
            bytes_max,
        },
        other => Error::corrupt(Place::Store, other.to_string()),
    }
}
