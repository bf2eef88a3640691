//! How files are opened for reading, and what all of them share.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use disk::Disk;
use kv_api::Result;

use crate::caches::Caches;
use crate::checksum::ChecksumMode;
use crate::crypt::cipher::Sealer;
use crate::crypt::envelope::{Envelope, FileKind};
use crate::crypt::ring::{KeyRing, new_file};
use crate::error::locked;
use crate::id::FileId;
use crate::read_counters::ReadCounters;
use crate::table::loaded::Loaded;

/// How files are opened for reading.
#[derive(Clone, Debug)]
pub(crate) struct Reading {
    pub disk: Arc<dyn Disk>,
    pub directory: PathBuf,
    pub is_mapped: bool,
    /// The keys of an encrypted store.
    pub keys: Option<Arc<KeyRing>>,
    pub checks: ChecksumMode,
    pub caches: Arc<Caches<Arc<Loaded>>>,
    pub counts: Arc<ReadCounters>,
    /// Files that no version names any more, but somebody still reads.
    pub retired: Retired,
}

/// Names of files that are removed once they are let go.
pub(crate) type Retired = Arc<Mutex<BTreeSet<String>>>;

impl Reading {
    /// The key of a file that is being made, if the store is encrypted, and what its header says.
    pub fn new_file_key(&self, kind: FileKind, id: FileId) -> Result<(Option<Sealer>, Envelope)> {
        new_file(self.keys.as_deref(), kind, id)
    }

    /// Removes a file that nothing names any more. One that cannot be removed is remembered, and
    /// the next opening removes it.
    pub fn discard(&self, name: &str) {
        match self.disk.remove(&self.directory.join(name)) {
            Ok(()) => drop(locked(&self.retired).remove(name)),
            Err(error) => {
                tracing::warn!(name, %error, "a file that nothing names stays behind");
                locked(&self.retired).insert(name.to_owned());
            }
        }
    }
}
