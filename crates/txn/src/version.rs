//! One committed version of the database, and who still looks at it.
//!
//! Invariants:
//! * a version never changes; its pages are not reused while anyone holds it;
//! * a version holds the file's lease, so the lock outlives the last reader, not just the handle.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Instant;

use disk::{Claim, Disk, File};
use kv_api::Result;
use pager::{Extents, Meta, PageView, TxId};

use crate::counters::Counters;
use crate::freelist::load_freelist;

/// The right to use the file: this process's claim, and the handle that carries the lock.
#[derive(Debug)]
pub(crate) struct Lease {
    pub disk: Arc<dyn Disk>,
    pub path: PathBuf,
    /// Before the file, so that it is given up while the file still keeps its identity.
    pub _claim: Claim,
    pub file: Arc<dyn File>,
}

/// One committed version.
#[derive(Debug)]
pub(crate) struct Version {
    pub meta: Meta,
    pub pages: PageView,
    pub counters: Arc<Counters>,
    pub lease: Arc<Lease>,
    pub published: Instant,
    free: OnceLock<Extents>,
}

impl Version {
    pub fn new(meta: Meta, pages: PageView, counters: Arc<Counters>, lease: Arc<Lease>) -> Version {
        let published = Instant::now();
        Version {
            meta,
            pages,
            counters,
            lease,
            published,
            free: OnceLock::new(),
        }
    }

    /// Pages that nothing in this version refers to, read from the file or found by walking.
    pub fn free_pages(&self) -> Result<&Extents> {
        if let Some(free) = self.free.get() {
            return Ok(free);
        }
        let free = load_freelist(&self.pages, &self.meta)?;
        Ok(self.free.get_or_init(|| free))
    }
}

/// A version that someone may still hold.
#[derive(Debug)]
pub(crate) struct Witness {
    pub txid: TxId,
    version: Weak<Version>,
}

impl Witness {
    pub fn of(version: &Arc<Version>) -> Witness {
        Witness {
            txid: version.meta.txid,
            version: Arc::downgrade(version),
        }
    }

    pub fn upgrade(&self) -> Option<Arc<Version>> {
        self.version.upgrade()
    }

    /// Whether anyone holds the version. Once the current version has been replaced, a version
    /// that nobody holds can never be held again, so "no" is final.
    pub fn is_held(&self) -> bool {
        self.version.strong_count() > 0
    }
}
