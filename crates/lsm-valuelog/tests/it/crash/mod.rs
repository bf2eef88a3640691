//! What a crash or a failing disk leaves of a store.

mod explore;
mod flips;
mod full;
mod subject;
mod sweeps;
mod work;
