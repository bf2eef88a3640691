//! The keys of a store: taking them up when it is opened, and changing the master key.

use std::path::Path;
use std::sync::Arc;

use kv_api::{Error, Result};

use crate::crypt::master::MasterKey;
use crate::crypt::registry::{NEW_NAME, Registry};
use crate::crypt::ring::{KeyRing, Means};
use crate::db::Db;
use crate::lease::Lease;
use crate::options::Options;

/// What a ring in `directory` asks of the world.
pub(crate) fn means(options: &Options, directory: &Path) -> Means {
    Means {
        disk: Arc::clone(&options.disk),
        directory: directory.to_path_buf(),
        entropy: Arc::clone(&options.entropy),
        clock: Arc::clone(&options.clock),
        period: options.data_key_period,
    }
}

/// The master key that the options name.
pub(crate) fn master(options: &Options) -> Result<Option<MasterKey>> {
    let key = options.encryption_key.as_ref();
    key.map(|key| MasterKey::new(key)).transpose()
}

impl Db {
    /// Has another master key, of 16, 24 or 32 bytes, protect the store from now on. Only the file
    /// of data keys is written anew, so it takes as long as writing a small file does.
    ///
    /// # Errors
    ///
    /// `Invalid` for a key of another length or a store that is not encrypted, `ReadOnly`, and
    /// `Io` or `NoSpace` where the file cannot be written: then it is the old key or the new one
    /// that opens the store, and calling again settles which.
    pub fn rotate_master_key(&self, new: &[u8]) -> Result<()> {
        self.shared.refuse_closed()?;
        self.shared.refuse_read_only()?;
        let new = MasterKey::new(new)?;
        let keys = self.shared.reading.keys.as_ref();
        let keys = keys.ok_or(Error::Invalid {
            what: "the store is not encrypted",
        })?;
        keys.rotate_master(new)
    }

    /// Data keys that were made so far; 0 for a store that is not encrypted.
    pub fn data_keys(&self) -> usize {
        let keys = self.shared.reading.keys.as_ref();
        keys.map_or(0, |keys| keys.data_keys())
    }
}

/// Has another master key protect the store in the directory `path`, which nobody has open.
/// `options` name the old key.
///
/// # Errors
///
/// As [`Db::rotate_master_key`] and [`Options::open`] say.
pub fn rotate_master_key(options: &Options, path: impl AsRef<Path>, new: &[u8]) -> Result<()> {
    let path = path.as_ref();
    let new = MasterKey::new(new)?;
    let old = master(options)?;
    let not_encrypted = || Error::Invalid {
        what: "the store is not encrypted",
    };
    // Looked at before anything is made there.
    Registry::read(&*options.disk, path, old.as_ref())?.ok_or_else(not_encrypted)?;
    let _lease = Lease::of(path, options)?;
    let ring = KeyRing::load(means(options, path), old.as_ref())?;
    ring.ok_or_else(not_encrypted)?.rotate_master(new)
}

/// Removes a registry that never took its place.
pub(crate) fn remove_unfinished(options: &Options, directory: &Path) -> Result<()> {
    match options.disk.remove(&directory.join(NEW_NAME)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io("removing an unfinished key registry", error))
        }
        _ => Ok(()),
    }
}
