//! Failures below told in the words of the face.

use kv_api::{Error, Place};

/// Damage in a file of the store.
pub(crate) fn damage(file: &str, offset: u64, what: impl Into<String>) -> Error {
    let place = Place::Offset {
        file: file.to_owned(),
        offset,
    };
    Error::corrupt(place, what)
}

/// What a thread that panicked while it held a lock leaves behind is whole after every step.
pub(crate) fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
