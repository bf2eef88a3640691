//! Opening stores the way a command needs them.

use std::ffi::OsStr;
use std::time::Duration;

use kv_api::Error;
use strata::{AnyStore, Location, OpenOptions};
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

/// A store to write to, made if it does not exist.
pub fn writing_at(location: &Location, timeout: Duration) -> Outcome<AnyStore> {
    let opened = OpenOptions::new().lock_timeout(timeout).open_at(location);
    opened.map_err(|error| Failure::at(location.path().as_os_str(), error))
}

/// An lsm store to write to that keeps every version, made if it does not exist.
pub fn keeping_versions(location: &Location, timeout: Duration) -> Outcome<AnyStore> {
    let options = strata::lsm::Options::new()
        .versions_to_keep(usize::MAX)
        .lock_timeout(timeout);
    let opened = options.open(location.path()).map(AnyStore::new);
    opened.map_err(|error| Failure::at(location.path().as_os_str(), error))
}

/// A store to ask questions.
pub fn searching(location: &OsStr, timeout: Duration, value_index: bool) -> Outcome<AnyStore> {
    let options = OpenOptions::new()
        .read_only(true)
        .value_index(value_index)
        .lock_timeout(timeout);
    open(options, location)
}

/// The flat engine's own handle, where it is that.
pub fn flat(store: &AnyStore) -> Option<&strata::flat::Db> {
    store.engine_as()
}

/// The lsm engine's own handle, where it is that.
pub fn lsm(store: &AnyStore) -> Option<&strata::lsm::Db> {
    store.engine_as()
}

/// The same where nothing else will do; `what` says for what.
pub fn only_lsm<'s>(store: &'s AnyStore, what: &'static str) -> Outcome<&'s strata::lsm::Db> {
    Ok(lsm(store).ok_or(Error::Unsupported { what })?)
}

/// The bolt engine's own handle, for what only it can tell.
pub fn bolt(store: &AnyStore) -> Outcome<&Db> {
    let unsupported = Error::Unsupported {
        what: "pages, which only bolt files have",
    };
    Ok(store.engine_as::<Db>().ok_or(unsupported)?)
}
