//! What a crash or a failing disk leaves of a store.

mod explore;
mod subject;
mod sweeps;
mod work;
