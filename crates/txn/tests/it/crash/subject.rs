//! The bolt engine as the kit sees it.

use std::sync::Arc;

use crash_kit::{Direction, Model, Scan, Step, Subject};
use disk::{Create, Disk, OpenOptions};
use kv_api::{Durability, Result};
use txn::{Db, FreelistKind, FreelistStorage, Options, Snapshot};

use super::change::show;
use super::work::{Deed, Mix, Work};

/// Where the database is.
pub const PATH: &str = "/bolt.db";

/// How a database comes into being.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Birth {
    /// Opening makes the file.
    Created,
    /// Someone else has made an empty file and promised nothing about its name.
    EmptyFile,
    /// The same, and what a crash leaves of it is initialised anew instead of refused.
    EmptyFileRetried,
}

/// One way to use the engine.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    pub birth: Birth,
    pub page_bytes: u32,
    pub freelist: FreelistStorage,
    pub kind: FreelistKind,
    pub no_grow_sync: bool,
    /// Each commit checks that the free pages in memory are those of the tree.
    pub strict: bool,
    /// `sync` after opening, so that what is shown was made durable by this handle.
    pub syncs_first: bool,
    pub steps: usize,
    pub mix: Mix,
}

impl Profile {
    pub const PLAIN: Profile = Profile {
        name: "plain",
        birth: Birth::Created,
        page_bytes: 1024,
        freelist: FreelistStorage::WhileSmall,
        kind: FreelistKind::Hashmap,
        no_grow_sync: false,
        strict: true,
        syncs_first: false,
        steps: 14,
        mix: Mix {
            deferred: 15,
            other_ends: 15,
            bulk: 0,
        },
    };
}

/// Every way that is explored.
pub const PROFILES: [Profile; 9] = [
    Profile::PLAIN,
    Profile {
        name: "list stored by closing",
        freelist: FreelistStorage::Deferred,
        ..Profile::PLAIN
    },
    Profile {
        name: "list always stored",
        freelist: FreelistStorage::Always,
        kind: FreelistKind::Array,
        strict: false,
        ..Profile::PLAIN
    },
    Profile {
        name: "list never stored",
        freelist: FreelistStorage::Never,
        ..Profile::PLAIN
    },
    Profile {
        name: "not grown ahead",
        no_grow_sync: true,
        strict: false,
        ..Profile::PLAIN
    },
    Profile {
        name: "empty file",
        birth: Birth::EmptyFile,
        steps: 6,
        ..Profile::PLAIN
    },
    Profile {
        name: "empty file retried",
        birth: Birth::EmptyFileRetried,
        freelist: FreelistStorage::Always,
        no_grow_sync: true,
        steps: 4,
        ..Profile::PLAIN
    },
    Profile {
        name: "list too large",
        steps: 12,
        strict: false,
        mix: Mix {
            deferred: 15,
            other_ends: 20,
            bulk: 45,
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "mostly deferred",
        page_bytes: 4096,
        freelist: FreelistStorage::Always,
        mix: Mix {
            deferred: 70,
            other_ends: 25,
            bulk: 0,
        },
        ..Profile::PLAIN
    },
];

/// The engine, used one way.
#[derive(Clone, Copy, Debug)]
pub struct Bolt(pub Profile);

/// An open database and its readers.
pub struct Opened {
    disk: Arc<dyn Disk>,
    db: Db,
    held: Vec<Snapshot>,
    /// The last version, after a close that failed.
    last: Option<Snapshot>,
}

impl Bolt {
    pub fn options(&self) -> Options {
        let profile = &self.0;
        Options::new()
            .page_bytes(profile.page_bytes)
            .freelist(profile.freelist)
            .freelist_kind(profile.kind)
            .no_grow_sync(profile.no_grow_sync)
            .strict(profile.strict)
            .initialize_interrupted(profile.birth == Birth::EmptyFileRetried)
    }

    fn open_db(&self, disk: &Arc<dyn Disk>) -> Result<Db> {
        let db = self.options().disk(Arc::clone(disk)).open(PATH)?;
        if self.0.syncs_first {
            db.sync()?;
        }
        Ok(db)
    }

    fn transact(&self, db: &Db, work: &Work) -> Result<Durability> {
        let mut tx = db.begin()?;
        for change in &work.changes {
            change.make_to(&mut tx)?;
        }
        match work.deed {
            Deed::Commit(durability) => tx.commit_with(durability).map(|()| durability),
            Deed::EmptyCommit => tx.commit().map(|()| Durability::Sync),
            _ => {
                tx.rollback();
                Ok(Durability::Deferred)
            }
        }
    }

    fn view(&self, store: &Opened) -> Result<Snapshot> {
        match (&store.last, store.db.snapshot()) {
            (Some(last), _) => Ok(last.clone()),
            (None, Ok(snapshot)) => Ok(snapshot),
            // A disk that fails for ever has kept the database from being opened again.
            (None, Err(_)) => self.open_db(&store.disk)?.snapshot(),
        }
    }

    fn reopen(&self, store: &mut Opened) -> Result<Durability> {
        store.held.clear();
        let last = store.db.snapshot()?;
        if let Err(error) = store.db.close() {
            store.last = Some(last);
            return Err(error);
        }
        drop(last);
        // A call that fails once is the workload's business, not this opening's.
        let opened = self
            .open_db(&store.disk)
            .or_else(|_| self.open_db(&store.disk));
        store.db = opened?;
        Ok(Durability::Sync)
    }
}

impl Subject for Bolt {
    type Store = Opened;

    fn name(&self) -> &str {
        "bolt"
    }

    fn steps(&self, _seed: u64) -> usize {
        self.0.steps
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Opened> {
        if self.0.birth != Birth::Created {
            let how = OpenOptions {
                create: Create::IfMissing,
                ..OpenOptions::READ_WRITE
            };
            disk.open(PATH.as_ref(), &how)
                .map_err(|error| kv_api::Error::io("touching the file", error))?;
        }
        Ok(Opened {
            db: self.open_db(&disk)?,
            disk,
            held: Vec::new(),
            last: None,
        })
    }

    fn apply(&self, store: &mut Opened, step: Step) -> Result<Durability> {
        let work = Work::of(step, &self.0.mix);
        if work.releases && !store.held.is_empty() {
            store.held.remove(0);
        }
        if work.holds && store.last.is_none() {
            store.held.push(store.db.snapshot()?);
        }
        match work.deed {
            Deed::Reopen => self.reopen(store),
            Deed::Sync => store.db.sync().map(|()| Durability::Sync),
            _ => self.transact(&store.db, &work),
        }
    }

    fn expect(&self, model: &mut Model, step: Step) {
        let work = Work::of(step, &self.0.mix);
        if matches!(work.deed, Deed::Commit(_)) {
            work.changes.iter().for_each(|change| change.make_in(model));
        }
    }

    fn scan(&self, store: &Opened, direction: Direction, scan: &mut Scan) -> Result<()> {
        show(self.view(store)?.root(), "", direction, scan)
    }

    fn check(&self, store: &Opened) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        txn::check(&self.view(store)?, &mut |finding| {
            findings.push(format!("{:?}: {}", finding.place, finding.what));
        })?;
        Ok(findings)
    }

    fn close(&self, mut store: Opened) -> Result<()> {
        store.held.clear();
        store.db.close()
    }
}
