//! The engines that were built in.

mod bolt;
#[cfg(feature = "canopydb")]
mod canopydb;
#[cfg(feature = "fjall")]
mod fjall;
mod flat;
mod flat_texts;
#[cfg(feature = "lmdb")]
mod lmdb;
mod lsm;
#[cfg(feature = "redb")]
mod redb;
#[cfg(feature = "rocksdb")]
mod rocksdb;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_texts;
#[cfg(feature = "surrealkv")]
mod surrealkv;

use std::path::{Path, PathBuf};

use crate::engine::{Class, Kind, Result};

/// All of them.
pub static KINDS: &[Kind] = &[
    bolt::KIND,
    flat::KIND,
    lsm::KIND,
    #[cfg(feature = "lmdb")]
    lmdb::KIND,
    #[cfg(feature = "redb")]
    redb::KIND,
    #[cfg(feature = "fjall")]
    fjall::KIND,
    #[cfg(feature = "canopydb")]
    canopydb::KIND,
    #[cfg(feature = "rocksdb")]
    rocksdb::KIND,
    #[cfg(feature = "surrealkv")]
    surrealkv::KIND,
    #[cfg(feature = "sqlite")]
    sqlite::KIND,
];

/// The engine called `name`.
pub fn find(name: &str) -> Result<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| format!("engine {name} is not built in").into())
}

/// Replaces one file by another.
pub fn replace(from: &Path, to: &Path) -> Result<()> {
    Ok(std::fs::rename(from, to)?)
}

/// An engine that may be named: one of [`KINDS`], or one that the Go program runs.
pub struct Named {
    pub version: String,
    pub unsynced: Class,
    /// The program whose child it is.
    pub program: PathBuf,
}

/// Engines of the Go program, with the versions of Debian 12's packages.
const GO_ENGINES: [(&str, &str); 2] = [("bbolt", "1.3.6"), ("badger", "2.2007")];

/// The variable that names the Go program; `scripts/bench` builds it and sets this.
const GO_PROGRAM: &str = "BENCH_GO_PEER";

/// The engine called `name`, and who runs it.
pub fn named(name: &str) -> Result<Named> {
    let Some((_, version)) = GO_ENGINES.iter().find(|(engine, _)| *engine == name) else {
        let kind = find(name)?;
        return Ok(Named {
            version: (kind.version)(),
            unsynced: kind.unsynced,
            program: std::env::current_exe()?,
        });
    };
    let program = std::env::var_os(GO_PROGRAM)
        .ok_or_else(|| format!("{name} needs the program that {GO_PROGRAM} names"))?;
    Ok(Named {
        version: (*version).to_owned(),
        unsynced: Class::SurvivesKill,
        program: program.into(),
    })
}
