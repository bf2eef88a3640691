//! What a crash or a failing disk leaves of a database.

mod change;
mod controls;
mod creation;
mod doors;
mod explore;
mod failures;
mod full;
mod lying_disk;
mod numbers;
mod stage;
mod subject;
mod sweeps;
mod work;
