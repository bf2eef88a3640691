//! The bodies of the fuzz targets: what libFuzzer runs on nightly, `tests/replay.rs` replays on
//! stable.

pub mod badger_backup;
pub mod flat_damage;
/// The mutator and the attack are those of the engine's own tests.
#[path = "../../crates/txn/tests/it/hostile/mod.rs"]
pub mod hostile;
pub mod hostile_flat;
pub mod hostile_lsm;
pub mod lsm_damage;
mod model;
mod operations;
mod posting_lists;
mod queries;

use hostile::choices::Choices;

pub use badger_backup::badger_backup;
pub use hostile_flat::hostile_flat;
pub use hostile_lsm::hostile_lsm;
pub use operations::operations;
pub use posting_lists::posting_lists;
pub use queries::queries;

/// The hostile file that `input` stands for: the first byte chooses a sound file, then each
/// damage takes some.
pub fn hostile_bolt(input: &[u8]) {
    let mut choices = Choices::new(input);
    let file = hostile::hostile_file(&mut choices);
    hostile::attack(&file, &mut choices);
}
