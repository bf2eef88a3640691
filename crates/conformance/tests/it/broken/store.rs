//! A model behind a wrapper with one fault.
//!
//! Invariant: `current` is what readers and writers see, `durable` is what opening again shows;
//! they differ only for faults about durability.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use conformance::{BackupFixture, Fixture, MemoryModel, Writers};
use kv_api::capability::{Backup, Check, CheckSummary, Finding};
use kv_api::{Durability, Error, Place, Result, Store, Transaction};

use super::fault::{Fault, chosen};
use super::snapshot::BrokenSnapshot;
use super::state::without_indexes;
use super::transaction::BrokenTransaction;

pub struct Shared {
    pub fault: Fault,
    current: Mutex<Arc<MemoryModel>>,
    durable: Mutex<MemoryModel>,
    /// What `current` held before the newest commit.
    previous: Mutex<MemoryModel>,
    snapshots_taken: AtomicU64,
}

pub struct BrokenFixture(Arc<Shared>);

pub struct BrokenStore {
    shared: Arc<Shared>,
    is_closed: Mutex<bool>,
}

pub fn copy_of(model: &MemoryModel) -> MemoryModel {
    let mut bytes = Vec::new();
    model.reopen().backup(&mut bytes).unwrap();
    MemoryModel::from_backup(&bytes, Writers::OneAtATime).unwrap()
}

impl Shared {
    fn new(model: MemoryModel) -> Arc<Shared> {
        Arc::new(Shared {
            fault: chosen(),
            durable: Mutex::new(copy_of(&model)),
            previous: Mutex::new(copy_of(&model)),
            current: Mutex::new(Arc::new(model)),
            snapshots_taken: AtomicU64::new(0),
        })
    }

    pub fn current(&self) -> Arc<MemoryModel> {
        Arc::clone(&self.current.lock().unwrap())
    }

    pub fn replace(&self, model: MemoryModel) {
        *self.current.lock().unwrap() = Arc::new(model);
    }

    pub fn remember_as_previous(&self) {
        *self.previous.lock().unwrap() = copy_of(&self.current());
    }

    pub fn make_durable(&self) {
        *self.durable.lock().unwrap() = copy_of(&self.current());
    }

    /// What a commit of this durability leaves for opening again.
    pub fn committed(&self, durability: Durability) {
        let survives =
            durability != Durability::Deferred && self.fault != Fault::DropLosesSyncedCommits;
        if self.fault.is_about_durability() && survives {
            self.make_durable();
        }
    }
}

impl Fixture for BrokenFixture {
    type Store = BrokenStore;

    fn new() -> Self {
        let model = MemoryModel::new(Writers::OneAtATime);
        BrokenFixture(Shared::new(model))
    }

    fn open(&self) -> Result<BrokenStore> {
        if self.0.fault.is_about_durability() {
            let durable = copy_of(&self.0.durable.lock().unwrap());
            self.0.replace(match self.0.fault {
                Fault::IndexesAreForgotten => without_indexes(&durable),
                _ => durable,
            });
        }
        Ok(BrokenStore::of(&self.0))
    }
}

impl BackupFixture for BrokenFixture {
    fn open_backup(&self, backup: &[u8]) -> Result<BrokenStore> {
        let model = MemoryModel::from_backup(backup, Writers::OneAtATime)?;
        Ok(BrokenStore::of(&Shared::new(model)))
    }
}

impl BrokenStore {
    fn of(shared: &Arc<Shared>) -> BrokenStore {
        BrokenStore {
            shared: Arc::clone(shared),
            is_closed: Mutex::new(false),
        }
    }

    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    pub fn fault(&self) -> Fault {
        self.shared.fault
    }

    pub fn open_model(&self) -> Result<Arc<MemoryModel>> {
        if *self.is_closed.lock().unwrap() {
            return Err(Error::Closed);
        }
        Ok(self.shared.current())
    }

    fn transaction(&self, model: &MemoryModel) -> Result<BrokenTransaction> {
        if self.shared.fault.lets_writers_overlap() {
            let fork = copy_of(model);
            let inner = fork.begin()?;
            return BrokenTransaction::new(inner, Arc::clone(&self.shared), Some(fork));
        }
        BrokenTransaction::new(model.begin()?, Arc::clone(&self.shared), None)
    }
}

impl Store for BrokenStore {
    type Snapshot = BrokenSnapshot;
    type Transaction = BrokenTransaction;

    fn snapshot(&self) -> Result<BrokenSnapshot> {
        let model = self.open_model()?;
        if self.shared.fault == Fault::SnapshotNeedsAWriterFreeStore && model.try_begin()?.is_none()
        {
            return Err(Error::Conflict);
        }
        let count = self.shared.snapshots_taken.fetch_add(1, Ordering::Relaxed);
        let inner = if self.shared.fault == Fault::SnapshotsGoBack && count % 3 == 2 {
            self.shared.previous.lock().unwrap().snapshot()?
        } else {
            model.snapshot()?
        };
        Ok(BrokenSnapshot::new(inner, Arc::clone(&self.shared)))
    }

    fn begin(&self) -> Result<BrokenTransaction> {
        self.transaction(&*self.open_model()?)
    }

    fn try_begin(&self) -> Result<Option<BrokenTransaction>> {
        let model = self.open_model()?;
        if self.shared.fault.lets_writers_overlap() {
            return self.transaction(&model).map(Some);
        }
        let inner = model.try_begin()?;
        inner
            .map(|inner| BrokenTransaction::new(inner, Arc::clone(&self.shared), None))
            .transpose()
    }

    fn sync(&self) -> Result<()> {
        self.open_model()?;
        if self.shared.fault.is_about_durability() && self.shared.fault != Fault::SyncDoesNothing {
            self.shared.make_durable();
        }
        Ok(())
    }

    fn close(&self) -> Result<()> {
        let mut is_closed = self.is_closed.lock().unwrap();
        if *is_closed && self.shared.fault == Fault::SecondCloseFails {
            return Err(Error::Closed);
        }
        let is_durable = self.shared.fault != Fault::CloseLosesDeferredCommits;
        if !*is_closed && self.shared.fault.is_about_durability() && is_durable {
            self.shared.make_durable();
        }
        *is_closed = self.shared.fault != Fault::CloseIsForgotten;
        Ok(())
    }

    fn update<T>(&self, write: impl FnOnce(&mut Self::Transaction) -> Result<T>) -> Result<T> {
        let mut transaction = self.begin()?;
        match write(&mut transaction) {
            Ok(value) => {
                transaction.commit(Durability::Sync)?;
                Ok(value)
            }
            Err(error) if self.shared.fault == Fault::UpdateCommitsOnError => {
                transaction.commit(Durability::Sync)?;
                Err(error)
            }
            Err(_) if self.shared.fault == Fault::UpdateSwallowsTheError => Err(Error::Closed),
            Err(error) => Err(error),
        }
    }

    fn update_retry<T>(
        &self,
        mut write: impl FnMut(&mut Self::Transaction) -> Result<T>,
    ) -> Result<T> {
        loop {
            match self.update(&mut write) {
                Err(Error::Conflict) if self.shared.fault != Fault::UpdateRetryGivesUp => {}
                done => return done,
            }
        }
    }
}

impl Check for BrokenStore {
    fn check(&self, report: &mut dyn FnMut(Finding)) -> Result<CheckSummary> {
        let mut summary = self.open_model()?.check(report)?;
        if self.shared.fault == Fault::CheckSeesGhosts {
            report(Finding {
                place: Place::Store,
                what: "a ghost".into(),
            });
            summary.findings += 1;
        }
        if self.shared.fault == Fault::CheckLooksAtNothing {
            summary.units = 0;
        }
        Ok(summary)
    }
}

impl Backup for BrokenStore {
    fn backup(&self, to: &mut dyn Write) -> Result<u64> {
        let model = self.open_model()?;
        match self.shared.fault {
            Fault::BackupIsEmpty => MemoryModel::new(Writers::OneAtATime).backup(to),
            Fault::BackupMiscounts => model.backup(to).map(|written| written + 1),
            Fault::BackupHidesFailures => Ok(model.backup(to).unwrap_or(0)),
            _ => model.backup(to),
        }
    }
}
