//! Opening stores the way a command needs them.

use std::ffi::OsStr;
use std::time::Duration;

use kv_api::Error;
use strata::{AnyStore, OpenOptions};
use txn::Db;

use crate::failure::{Failure, Outcome};

fn open(options: OpenOptions, location: &OsStr) -> Outcome<AnyStore> {
    let opened = options.open(location);
    opened.map_err(|error| Failure::at(location, error))
}

/// A store to read, beside other readers; the wait for a writer ends.
pub fn reading(location: &OsStr, timeout: Duration) -> Outcome<AnyStore> {
    let options = OpenOptions::new().read_only(true).lock_timeout(timeout);
    open(options, location)
}

/// A store that nobody vouches for: read without mapping it.
pub fn inspecting(location: &OsStr, timeout: Duration) -> Outcome<AnyStore> {
    let options = OpenOptions::new()
        .read_only(true)
        .untrusted(true)
        .lock_timeout(timeout);
    open(options, location)
}

/// A store to write to, made only if `create` says so.
pub fn writing(location: &OsStr, timeout: Duration, create: bool) -> Outcome<AnyStore> {
    let options = OpenOptions::new().create(create).lock_timeout(timeout);
    open(options, location)
}

/// The bolt engine's own handle, for what only it can tell.
pub fn bolt(store: &AnyStore) -> Outcome<&Db> {
    let unsupported = Error::Unsupported {
        what: "pages, which only bolt files have",
    };
    Ok(store.engine_as::<Db>().ok_or(unsupported)?)
}
