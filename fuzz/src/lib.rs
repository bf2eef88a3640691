//! The bodies of the fuzz targets: what libFuzzer runs on nightly, `tests/replay.rs` replays on
//! stable.

/// The mutator and the attack are those of the engine's own tests.
#[path = "../../crates/txn/tests/it/hostile/mod.rs"]
pub mod hostile;
mod model;
mod operations;

use hostile::choices::Choices;

pub use operations::operations;

/// The hostile file that `input` stands for: the first byte chooses a sound file, then each
/// damage takes some.
pub fn hostile_bolt(input: &[u8]) {
    let mut choices = Choices::new(input);
    let file = hostile::hostile_file(&mut choices);
    hostile::attack(&file, &mut choices);
}
