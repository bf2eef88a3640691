//! Opening a store: find its engine, then let that open it.

use std::ffi::OsStr;
use std::io;

use disk::{Disk, OsDisk};
use kv_api::{Error, Result};

use crate::any_store::AnyStore;
use crate::engine::Engine;
use crate::location::Location;
use crate::options::OpenOptions;
use crate::recognise::recognise;

impl AnyStore {
    /// Opens the store at `location` (`bolt:FILE`, `lsm:DIR`, `flat:DIR`, or a path whose engine is recognised), making
    /// it if it does not exist. [`OpenOptions`] has more to choose.
    pub fn open(location: impl AsRef<OsStr>) -> Result<AnyStore> {
        OpenOptions::new().open(location)
    }
}

impl OpenOptions {
    /// Opens the store at `location`: a [`Location`] as text, with or without an engine.
    pub fn open(self, location: impl AsRef<OsStr>) -> Result<AnyStore> {
        self.open_at(&Location::parse(location))
    }

    /// Opens the store at `location`.
    ///
    /// # Errors
    ///
    /// Those of [`recognise`](recognise()), unless the engine was said, and those of the engine.
    pub fn open_at(self, location: &Location) -> Result<AnyStore> {
        let engine = self.engine_of(location)?;
        engine.require()?;
        match engine {
            #[cfg(feature = "bolt")]
            Engine::Bolt => crate::adapt_bolt::open(location.path(), &self).map(AnyStore::new),
            #[cfg(feature = "lsm")]
            Engine::Lsm => crate::adapt_lsm::open(location.path(), &self).map(AnyStore::new),
            #[cfg(feature = "flat")]
            Engine::Flat => crate::adapt_flat::open(location.path(), &self).map(AnyStore::new),
            _ => Err(Error::Unsupported {
                what: "an engine that this build does not have",
            }),
        }
    }

    /// The engine to open with: the one said, the one recognised, or for a new store bolt.
    fn engine_of(&self, location: &Location) -> Result<Engine> {
        if let Some(engine) = location.engine() {
            engine.require()?;
            if !self.makes_missing() {
                refuse_missing(location)?;
            }
            return Ok(engine);
        }
        match recognise(location.path()) {
            Err(Error::Io { source, .. })
                if source.kind() == io::ErrorKind::NotFound && self.makes_missing() =>
            {
                Ok(Engine::Bolt)
            }
            recognised => recognised,
        }
    }
}

/// Answers the system's own error if nothing stands at `location`.
fn refuse_missing(location: &Location) -> Result<()> {
    match OsDisk.open(location.path(), &disk::OpenOptions::READ) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::io("opening the store", error))
        }
        _ => Ok(()),
    }
}
