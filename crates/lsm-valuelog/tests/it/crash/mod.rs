//! What a crash or a failing disk leaves of a store.

mod arrows;
mod event;
mod explore;
mod flips;
mod full;
mod lying_disk;
mod profile;
mod subject;
mod sweeps;
mod threads;
mod work;
