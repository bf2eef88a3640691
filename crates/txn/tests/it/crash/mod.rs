//! What a crash or a failing disk leaves of a database.

mod change;
mod creation;
mod explore;
mod failures;
mod stage;
mod subject;
mod sweeps;
mod work;
