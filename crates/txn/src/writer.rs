//! What the one writer owns: the file, the free pages, and the versions it must not disturb.
//!
//! Invariants:
//! * `durable` is the version that the newest meta on disk names; it is held here, so its pages
//!   are never reused before a newer meta is durable, whatever else happens;
//! * `durable_slot` is where that meta stands; the next meta goes to the other slot;
//! * once `poisoned`, nothing is written any more.

use std::collections::BTreeSet;
use std::sync::Arc;

use kv_api::{Error, ErrorKind, Place, Result};
use pager::{Extents, Pager, Slot, TxId};

use crate::error::from_pager;
use crate::freelist::load_freelist;
use crate::options::{FreelistKind, FreelistStorage};
use crate::pending::Pending;
use crate::version::{Version, Witness};

/// How commits are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitRules {
    pub no_sync: bool,
    pub strict: bool,
    pub freelist: FreelistStorage,
    pub freelist_kind: FreelistKind,
}

/// The last number a version may have that is written on: two more must be left, because the next
/// one may be skipped to reach the other slot.
const TXID_LAST: u64 = u64::MAX - 1;

/// What the one writer owns.
#[derive(Debug)]
pub(crate) struct Writer {
    pub pager: Pager,
    pub rules: CommitRules,
    pub current: Arc<Version>,
    pub durable: Arc<Version>,
    pub durable_slot: Slot,
    /// The durable meta is known to be on the disk, not only in the system's cache.
    pub meta_persisted: bool,
    /// The file's length has changed since it was last synced.
    pub length_unsynced: bool,
    /// Something was committed through this handle.
    pub has_committed: bool,
    pub free: Extents,
    pub pending: Pending,
    /// Page images of the commit at work; kept for its capacity.
    pub images: Vec<u8>,
    freelist_loaded: bool,
    witnesses: Vec<Witness>,
    poisoned: Option<Arc<Error>>,
}

impl Writer {
    pub fn new(
        pager: Pager,
        rules: CommitRules,
        version: Arc<Version>,
        slot: Slot,
        meta_persisted: bool,
    ) -> Writer {
        Writer {
            pager,
            rules,
            current: Arc::clone(&version),
            durable: version,
            durable_slot: slot,
            meta_persisted,
            length_unsynced: false,
            has_committed: false,
            free: Extents::new(),
            pending: Pending::default(),
            images: Vec::new(),
            freelist_loaded: false,
            witnesses: Vec::new(),
            poisoned: None,
        }
    }

    /// Makes ready for a transaction: loads the free pages if that has not happened, and takes
    /// back those that no version needs any more.
    pub fn prepare(&mut self) -> Result<()> {
        self.refuse_poisoned()?;
        if self.current.meta.txid.0 >= TXID_LAST {
            let what = "transaction numbers are used up";
            return Err(Error::corrupt(Place::Store, what));
        }
        if !self.freelist_loaded {
            self.free = load_freelist(&self.durable.pages, &self.durable.meta)?;
            self.freelist_loaded = true;
        }
        self.witnesses.retain(Witness::is_held);
        let mut held: BTreeSet<TxId> = self.witnesses.iter().map(|seen| seen.txid).collect();
        held.extend([self.current.meta.txid, self.durable.meta.txid]);
        // Forgotten when they were freed, words would have been worked out again, to stay, by those
        // who read the version before until the new one was durable.
        let forget = |id| self.pager.forget(id);
        if self.pending.release(&held, &mut self.free, forget) {
            return Ok(());
        }
        let error = Error::corrupt(Place::Store, "a page was freed that was free already");
        self.poison(error.clone());
        Err(error)
    }

    /// The number of the next transaction: the first after the current one whose slot is not the
    /// durable meta's, so that writing its meta never overwrites the only good one.
    pub fn next_txid(&self) -> TxId {
        let next = self.current.meta.txid.next();
        if Slot::of(next) == self.durable_slot {
            next.next()
        } else {
            next
        }
    }

    /// Answers `Poisoned` if writing has stopped.
    pub fn refuse_poisoned(&self) -> Result<()> {
        match &self.poisoned {
            Some(cause) => Err(Error::Poisoned {
                cause: Arc::clone(cause),
            }),
            None => Ok(()),
        }
    }

    /// Stops all writing through this handle.
    pub fn poison(&mut self, cause: Error) {
        tracing::error!(%cause, "writing stopped: reopen the database");
        self.poisoned.get_or_insert_with(|| Arc::new(cause));
    }

    /// Stops all writing because of `failure`, and tells it.
    pub fn stop(&mut self, failure: pager::Error) -> Error {
        let error = match failure {
            // Not `NoSpace`, whatever the system calls it: that promises a handle that lives on.
            pager::Error::Io { doing, source } => Error::Io {
                doing,
                source: Arc::new(source),
            },
            other => from_pager(other),
        };
        self.poison(error.clone());
        error
    }

    /// Tells what a failed write means: a refusal for space changes nothing, anything else stops
    /// this handle.
    pub fn blame(&mut self, failure: pager::Error) -> Error {
        let error = from_pager(failure);
        if error.kind() == ErrorKind::Io {
            self.poison(error.clone());
        }
        error
    }

    /// Takes a new version as the current one.
    pub fn accept(&mut self, version: Arc<Version>) {
        self.witnesses.push(Witness::of(&self.current));
        self.current = version;
        self.has_committed = true;
    }

    /// Versions older than the current one that someone holds, with the pages each pins.
    pub fn held_versions(&self) -> Vec<(Arc<Version>, u64)> {
        self.witnesses
            .iter()
            .filter_map(Witness::upgrade)
            .map(|version| {
                let pages = self.pending.pages_blocked_by(version.meta.txid);
                (version, pages)
            })
            .collect()
    }
}
