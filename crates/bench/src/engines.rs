//! The engines that were built in.

mod bolt;
#[cfg(feature = "lmdb")]
mod lmdb;

use std::path::Path;

use crate::engine::{Kind, Result};

/// All of them.
pub static KINDS: &[Kind] = &[
    bolt::KIND,
    #[cfg(feature = "lmdb")]
    lmdb::KIND,
];

/// The engine called `name`.
pub fn find(name: &str) -> Result<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| format!("engine {name} is not built in").into())
}

/// Replaces one file by another, and removes what `beside` names.
pub fn replace(from: &Path, to: &Path) -> Result<()> {
    Ok(std::fs::rename(from, to)?)
}
