//! Hostile files: whatever the bytes are, the answer is contents or a typed error, in bounded
//! time and memory.
//!
//! The fuzz targets share all of this; `campaign` and `findings` are tests of `cargo test`.

pub mod choices;
pub mod craft;
pub mod memory;
pub mod mutation;
pub mod reading;
pub mod seeds;
pub mod writing;

#[cfg(test)]
mod campaign;
#[cfg(test)]
mod findings;
#[cfg(test)]
mod findings_writing;
#[cfg(test)]
mod unequal_depth;

use choices::Choices;
use memory::MemoryDisk;
use seeds::{PATH, seeds};

/// The file that `choices` make of a seed.
pub fn hostile_file(choices: &mut Choices<'_>) -> Vec<u8> {
    let mut file = seeds()[choices.below(seeds().len())].clone();
    mutation::mutate(&mut file, choices);
    file
}

/// Reads and writes a file in every way.
///
/// # Panics
///
/// If the engine breaks its promise.
pub fn attack(file: &[u8], choices: &mut Choices<'_>) {
    let disk = MemoryDisk::with(PATH, file.to_vec()).as_dyn();
    let sound = reading::read_both_ways(&disk, PATH);
    writing::write_three_times(&disk, sound, choices);
}
