//! What a crash or a failing disk leaves of a store.

mod explore;
mod full;
mod subject;
mod work;
