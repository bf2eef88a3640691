//! The flat engine as the kit sees it.

use std::sync::Arc;

use crash_kit::{CrashDisk, Direction, Model, Scan, Step, Subject};
use disk::Disk;
use flatlog::query::Limits;
use flatlog::{Db, Options, Snapshot};
use kv_api::capability::Check;
use kv_api::{Durability, Error, ErrorKind, Reader, Result};

use super::work::{Deed, Mix, fill, fill_model, name, spaces};

/// Where the store is.
pub const PATH: &str = "/flat";

/// One way to use the engine.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub name: &'static str,
    pub segment_bytes: u32,
    pub prewrite_bytes: u32,
    pub reads: bool,
    pub value_index: bool,
    pub steps: usize,
    pub mix: Mix,
}

impl Profile {
    pub const PLAIN: Profile = Profile {
        name: "plain",
        segment_bytes: 4096,
        prewrite_bytes: 1024,
        reads: false,
        value_index: false,
        steps: 16,
        mix: Mix {
            deferred: 15,
            buffered: 15,
            other_deeds: 20,
            large: 4,
        },
    };
}

/// Every way that is explored.
pub const PROFILES: [Profile; 7] = [
    Profile::PLAIN,
    Profile {
        name: "nothing written ahead",
        prewrite_bytes: 0,
        ..Profile::PLAIN
    },
    Profile {
        name: "without mapping",
        reads: true,
        ..Profile::PLAIN
    },
    Profile {
        name: "small segments",
        segment_bytes: 1024,
        prewrite_bytes: 300,
        ..Profile::PLAIN
    },
    Profile {
        name: "mostly unsynced",
        segment_bytes: 16 << 10,
        mix: Mix {
            deferred: 40,
            buffered: 40,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "mostly rewriting",
        mix: Mix {
            other_deeds: 60,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
    Profile {
        name: "with an index over values",
        value_index: true,
        mix: Mix {
            other_deeds: 40,
            ..Profile::PLAIN.mix
        },
        ..Profile::PLAIN
    },
];

/// The engine, used one way.
#[derive(Clone, Copy, Debug)]
pub struct Flat(pub Profile);

/// An open store and its readers.
pub struct Opened {
    disk: Arc<dyn Disk>,
    db: Db,
    held: Vec<Snapshot>,
    /// The last version, after a reopening that failed.
    last: Option<Snapshot>,
}

impl Flat {
    pub fn options(&self) -> Options {
        Options::new()
            .segment_bytes(self.0.segment_bytes)
            .prewrite_bytes(self.0.prewrite_bytes)
            .read_without_mapping(self.0.reads)
            .cache_bytes(2_000)
            .value_index(self.0.value_index)
            .background(false)
            .dead_percent(30)
            .checkpoint_bytes(6_000)
            .store_id([7; 16])
    }

    fn open_db(&self, disk: &Arc<dyn Disk>) -> Result<Db> {
        self.options().disk(Arc::clone(disk)).open(PATH)
    }

    fn reopen(&self, store: &mut Opened) -> Result<Durability> {
        if store.last.is_some() {
            return Err(Error::Closed);
        }
        store.held.clear();
        let last = store.db.snapshot()?;
        store.last = Some(last);
        if let Err(error) = store.db.close() {
            if error.kind() == ErrorKind::NoSpace {
                store.last = None;
            }
            return Err(error);
        }
        // The lock goes with the last snapshot.
        store.last = None;
        match self.open_db(&store.disk) {
            Ok(db) => store.db = db,
            Err(_) => match self.open_db(&store.disk) {
                Ok(db) => {
                    store.db = db;
                    return Err(Error::Closed);
                }
                // What cannot be opened for writing can be looked at.
                Err(_) => {
                    let options = self.options().disk(Arc::clone(&store.disk));
                    let db = options.read_only(true).open(PATH)?;
                    store.last = Some(db.snapshot()?);
                    return Err(Error::Closed);
                }
            },
        }
        Ok(Durability::Sync)
    }

    fn view(&self, store: &Opened) -> Result<Snapshot> {
        match &store.last {
            Some(last) => Ok(last.clone()),
            None => store.db.snapshot(),
        }
    }
}

/// Questions that an index over values has an answer for.
const QUERIES: [&str; 4] = [
    "value like 'a'",
    "value like '*e*'",
    "not value like '*t*' and CommitIndex > 2",
    "value like '* *' or value like 'depth'",
];

/// The answer, by the index over values where that many rows are asked.
fn rows(snapshot: &Snapshot, query: &str, index_rows_min: u64) -> Result<Vec<(Vec<u8>, u64)>> {
    let limits = Limits {
        index_rows_min,
        ..Limits::default()
    };
    let rows = snapshot.query_within(query, &limits)?;
    rows.map(|row| row.map(|row| (row.key().to_vec(), row.commit_index())))
        .collect()
}

/// A stream of a store that holds just these pairs.
pub fn stream_of(pairs: &[(usize, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let disk = CrashDisk::new();
    let db = Options::new()
        .disk(disk.as_dyn())
        .background(false)
        .open("/source")
        .unwrap();
    db.update(|tx| fill(tx, pairs)).unwrap();
    let mut bytes = Vec::new();
    db.snapshot_to(&mut bytes, |_| true).unwrap();
    bytes
}

fn commit(db: &Db, durability: Durability, changes: &[super::work::Change]) -> Result<Durability> {
    let mut tx = db.begin()?;
    for change in changes {
        change.make(&mut tx)?;
    }
    tx.commit_with(durability)?;
    Ok(durability)
}

impl Subject for Flat {
    type Store = Opened;

    fn name(&self) -> &str {
        "flat"
    }

    fn steps(&self, _seed: u64) -> usize {
        self.0.steps
    }

    fn open(&self, disk: Arc<dyn Disk>) -> Result<Opened> {
        Ok(Opened {
            db: self.open_db(&disk)?,
            disk,
            held: Vec::new(),
            last: None,
        })
    }

    fn apply(&self, store: &mut Opened, step: Step) -> Result<Durability> {
        match Deed::of(step, &self.0.mix) {
            Deed::Reopen => self.reopen(store),
            Deed::Sync => store.db.sync().map(|()| Durability::Sync),
            Deed::Tidy => store.db.tidy().map(|()| Durability::Deferred),
            Deed::Compact => store.db.compact().map(|()| Durability::Sync),
            Deed::Checkpoint => store.db.checkpoint().map(|()| Durability::Sync),
            Deed::Snapshot => {
                if store.held.len() > 2 {
                    store.held.remove(0);
                }
                store.held.push(store.db.snapshot()?);
                Ok(Durability::Deferred)
            }
            Deed::Restore(pairs) => {
                let stream = stream_of(&pairs);
                store.db.restore(&mut stream.as_slice(), |_| true)?;
                Ok(Durability::Sync)
            }
            Deed::Commit(durability, changes) => commit(&store.db, durability, &changes),
        }
    }

    fn expect(&self, model: &mut Model, step: Step) {
        match Deed::of(step, &self.0.mix) {
            Deed::Commit(_, changes) => changes.iter().for_each(|change| change.make_in(model)),
            Deed::Restore(pairs) => fill_model(model, &pairs),
            _ => {}
        }
    }

    fn scan(&self, store: &Opened, direction: Direction, scan: &mut Scan) -> Result<()> {
        let snapshot = self.view(store)?;
        for (space_name, space) in spaces(&snapshot)? {
            if space_name != name(0) {
                scan.pair(space_name, b"", b"");
            }
            let mut pairs = Reader::range(&snapshot, space, ..)?;
            loop {
                let next = match direction {
                    Direction::Forward => pairs.next(),
                    Direction::Backward => pairs.next_back(),
                };
                let Some(pair) = next else {
                    break;
                };
                let (key, value) = pair?;
                scan.pair(space_name, &key, &value);
            }
        }
        Ok(())
    }

    fn check(&self, store: &Opened) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        if self.0.value_index {
            for query in QUERIES {
                let snapshot = self.view(store)?;
                let with = rows(&snapshot, query, 0)?;
                let without = rows(&snapshot, query, u64::MAX)?;
                if with != without {
                    let what = format!("{query}: {} rows, not {}", with.len(), without.len());
                    findings.push(what);
                }
            }
        }
        if store.last.is_none() {
            store.db.check(&mut |finding| {
                findings.push(format!("{}: {}", finding.place, finding.what));
            })?;
        }
        Ok(findings)
    }

    fn close(&self, mut store: Opened) -> Result<()> {
        store.held.clear();
        store.db.close()
    }
}
