//! What all handles of one open database share.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use btree::Buckets;
use kv_api::{Durability, Error, Result};
use pager::TxId;

use crate::commit;
use crate::counters::Counters;
use crate::gate::Gate;
use crate::options::Options;
use crate::version::Version;
use crate::writer::Writer;

/// What all handles of one open database share.
pub(crate) struct Shared {
    pub path: PathBuf,
    pub options: Options,
    pub gate: Gate,
    /// The version new readers get; none once the database is closed.
    pub current: ArcSwapOption<Version>,
    pub counters: Arc<Counters>,
}

impl Shared {
    pub fn new(
        path: PathBuf,
        options: Options,
        gate: Gate,
        version: Arc<Version>,
        counters: Arc<Counters>,
    ) -> Shared {
        Shared {
            path,
            options,
            gate,
            current: ArcSwapOption::new(Some(version)),
            counters,
        }
    }

    pub fn version(&self) -> Result<Arc<Version>> {
        self.current.load_full().ok_or(Error::Closed)
    }

    /// Shows a new version to readers, unless the database was closed meanwhile.
    pub fn publish(&self, version: Arc<Version>) {
        self.current
            .rcu(|current| current.as_ref().map(|_| Arc::clone(&version)));
    }

    /// Commits and publishes what `buckets` changed.
    pub fn commit(
        &self,
        writer: &mut Writer,
        buckets: &mut Buckets,
        txid: TxId,
        durability: Durability,
    ) -> Result<()> {
        if buckets.is_modified() {
            let version = commit::commit(writer, buckets, txid, durability)?;
            self.publish(version);
        } else if durability != Durability::Deferred {
            commit::sync_current(writer)?;
        }
        Ok(())
    }
}
