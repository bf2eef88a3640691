//! An open store.

use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use kv_api::{Error, Result};

use crate::error::locked;
use crate::logs::wal_name;
use crate::memtable::LogPlace;
use crate::replay::Recovery;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::tidy::start_threads;
use crate::transaction::Transaction;
use crate::values::HEADER_BYTES;
use crate::version::ValueFileState;

/// An open store. Shared by reference or in an `Arc`.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// # let path = directory.path().join("store");
/// use kv_api::{Reader, Space, Store, Transaction};
/// use lsm_valuelog::Db;
///
/// let db = Db::open(&path)?;
/// db.update(|tx| tx.put(Space::DEFAULT, b"answer", b"42"))?;
/// let value = db.view(|snapshot| Ok(snapshot.get(Space::DEFAULT, b"answer")?.map(|v| v.to_vec())))?;
/// assert_eq!(value.as_deref(), Some(&b"42"[..]));
/// db.close()?;
/// # Ok(())
/// # }
/// ```
pub struct Db {
    pub(crate) shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    recovery: Recovery,
}

impl Db {
    pub(crate) fn start(shared: Arc<Shared>, recovery: Recovery) -> Result<Db> {
        let db = Db {
            shared,
            threads: Mutex::default(),
            recovery,
        };
        // If one of them cannot be made, the store is dropped, which ends the others: without all
        // of them commits would sooner or later wait for ever.
        start_threads(&db.shared, &mut locked(&db.threads))?;
        Ok(db)
    }

    /// What opening brought back from the logs and what it cut off.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// The newest committed version, frozen. O(1); takes no lock.
    pub fn snapshot(&self) -> Result<Snapshot> {
        self.shared.refuse_closed()?;
        let (state, at) = self.shared.current();
        Ok(Snapshot::new(state, at, self.shared.now()))
    }

    /// Starts a transaction. It never waits; two that cross meet a `Conflict` when the later one
    /// commits.
    pub fn begin(&self) -> Result<Transaction> {
        self.shared.refuse_closed()?;
        self.shared.refuse_read_only()?;
        self.shared.refuse_poisoned()?;
        Ok(Transaction::begin(&self.shared))
    }

    /// Makes every commit that returned before this call durable.
    pub fn sync(&self) -> Result<()> {
        self.shared.refuse_closed()?;
        self.shared.sync_logs()
    }

    /// Writes everything to tables, stops the threads and releases the store. Snapshots stay
    /// what they are.
    pub fn close(&self) -> Result<()> {
        self.shared.end_later_commits();
        if !self.shared.shut() {
            return Ok(());
        }
        self.join();
        let options = &self.shared.options;
        let closed = match options.is_read_only || options.is_in_memory {
            true => Ok(()),
            false => self.shared.finish(),
        };
        self.shared.subscribers.close();
        self.shared.release_lease();
        closed
    }

    /// Whether [`close`](Db::close) was called.
    pub fn is_closed(&self) -> bool {
        self.shared.refuse_closed().is_err()
    }

    fn join(&self) {
        self.shared.work.wake();
        for thread in locked(&self.threads).drain(..) {
            // A thread that panicked has told so itself, and left every structure whole.
            let _ = thread.join();
        }
        self.shared.end_callbacks();
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        self.shared.end_later_commits();
        self.shared.shut();
        self.join();
        self.shared.subscribers.close();
    }
}

impl Shared {
    /// Leaves nothing in memory or in logs that is not in tables.
    fn finish(&self) -> Result<()> {
        let mut core = locked(&self.core);
        self.refuse_poisoned()?;
        self.flush_all(&mut core)?;
        let values = core.values.as_ref().map(|values| {
            let state = ValueFileState {
                physical: values.log.id,
                len: values.log.offset,
                value_bytes: values.value_bytes,
                // A sealed file's key ends with the opening that drew it.
                is_sealed: self.reading.keys.is_some(),
            };
            (values.log.id, state)
        });
        if let Some(values) = &mut core.values {
            let synced = values.log.sync();
            synced.map_err(|error| Error::io("syncing the value log", error))?;
        }
        let mut files = locked(&self.files);
        let is_changed = files.manifest.has_edits() || files.must_rewrite || core.wal.is_some();
        if !is_changed {
            return Ok(());
        }
        let open = values.map(|(id, state)| (id, state.len));
        files.logs = LogPlace {
            wal: self.next_file(),
            values: open.or(Some((self.next_file(), HEADER_BYTES as u64))),
        };
        files.must_rewrite = true;
        self.install(&mut files, Vec::new(), |_, version| {
            version.value_states.extend(values);
        })?;
        let free = std::mem::take(&mut files.free_logs);
        let used = std::mem::take(&mut files.wals);
        for id in free.into_iter().chain(used) {
            let removed = self
                .reading
                .disk
                .remove(&self.reading.directory.join(wal_name(id)));
            removed.map_err(|error| Error::io("removing a needless log", error))?;
        }
        Ok(())
    }
}
