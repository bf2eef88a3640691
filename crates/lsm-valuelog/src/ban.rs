//! Banning namespaces: at once for readers and writers, and by and by on disk.

use std::sync::Arc;

use kv_api::{Error, Result};

use crate::db::Db;
use crate::error::locked;
use crate::manifest::edit::Part;

impl Db {
    /// Bans a namespace for good: from now on its keys are refused where they are asked for or
    /// written, and passed over by cursors and walks. Compaction drops them, and
    /// [`flatten`](Db::flatten) all of them. Readers that are open stay what they are.
    ///
    /// A key's namespace is the eight bytes, highest first, at the place that
    /// [`Options::namespace_offset`](crate::Options::namespace_offset) says; shorter keys have
    /// none. Bans hold in every space.
    ///
    /// ```
    /// # fn main() -> kv_api::Result<()> {
    /// # let directory = tempfile::tempdir().expect("a temporary directory");
    /// use kv_api::{ErrorKind, Reader, Space, Store, Transaction};
    /// use lsm_valuelog::Options;
    ///
    /// let db = Options::new().namespace_offset(0).open(directory.path().join("store"))?;
    /// let key = [&7u64.to_be_bytes()[..], b"letter"].concat();
    /// db.update(|tx| tx.put(Space::DEFAULT, &key, b"dear"))?;
    /// db.ban_namespace(7)?;
    /// let refused = db.snapshot()?.get(Space::DEFAULT, &key).map(drop);
    /// assert_eq!(refused.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `Invalid` for a store that was opened without a place of namespaces,
    /// [`InDoubt`](kv_api::Error::InDoubt) where a failure leaves open whether the ban will be
    /// found when the store is opened next.
    pub fn ban_namespace(&self, namespace: u64) -> Result<()> {
        self.shared.refuse_closed()?;
        let Some(offset) = self.shared.options.namespace_offset else {
            return Err(Error::Invalid {
                what: "a namespace, of which this store has none",
            });
        };
        // No commit is under way meanwhile, so each is before the ban or after it.
        let mut core = locked(&self.shared.core);
        // A crash must not leave the ban without what was committed before it.
        self.shared.refuse_poisoned()?;
        self.shared.write_and_sync(&mut core)?;
        let mut files = locked(&self.shared.files);
        let version = Arc::clone(&self.shared.state.load().version);
        let banned = version.banned.as_ref();
        if banned.is_some_and(|banned| banned.namespaces.contains(&namespace)) {
            return Ok(());
        }
        let edit = vec![Part::Ban(offset, namespace)];
        let installed = self.shared.install(&mut files, edit, |_, version| {
            version.ban(offset, namespace)
        });
        installed.map_err(|error| self.shared.doubt_if_poisoned(core.last, error))
    }

    /// The banned namespaces, ascending.
    pub fn banned_namespaces(&self) -> Vec<u64> {
        let version = Arc::clone(&self.shared.state.load().version);
        let banned = version.banned.as_ref();
        banned.map_or_else(Vec::new, |banned| {
            banned.namespaces.iter().copied().collect()
        })
    }
}
