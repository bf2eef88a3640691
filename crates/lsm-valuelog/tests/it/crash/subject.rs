//! The lsm engine as the kit sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crash_kit::{Direction, Model, Scan, Step, Subject};
use disk::Disk;
use kv_api::capability::Check;
use kv_api::{Cursor, Durability, ErrorKind, Reader, Result, Space};
use lsm_valuelog::{Db, Entropy, Options, Snapshot};

use super::event::{
    NAMESPACE_OFFSET, bans_in, is_banned, show_bans, show_loaded, was_emptied, was_written,
};
use super::profile::Profile;
use super::work::{Change, Deed, Work};

/// Where the store is.
pub const PATH: &str = "/lsm";

/// The master keys that an encrypted store goes to and fro between.
const KEYS: [&[u8]; 2] = [&[1; 16], &[2; 32]];

/// Random bytes that are the same every time.
fn entropy() -> Entropy {
    let drawn = AtomicU64::new(0);
    Arc::new(move |bytes| {
        for byte in bytes {
            let mixed = drawn.fetch_add(1, Ordering::Relaxed) + 1;
            *byte = (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8;
        }
        Ok(())
    })
}

/// The engine, used one way.
#[derive(Clone, Copy, Debug)]
pub struct Lsm(pub Profile);

/// An open store and its readers.
pub struct Opened {
    disk: Arc<dyn Disk>,
    pub db: Db,
    held: Vec<Snapshot>,
    /// The last version, after a close.
    last: Option<Snapshot>,
}

impl Lsm {
    pub fn options(&self) -> Options {
        let profile = &self.0;
        Options::new()
            .background(false)
            .clock(Arc::new(|| 1_000))
            .memtable_bytes(profile.memtable_bytes)
            .value_threshold_bytes(profile.threshold)
            .value_file_bytes(profile.value_file_bytes)
            .table_bytes(2 << 10)
            .base_level_bytes(6 << 10)
            .level_multiplier(2)
            .level_zero_tables(2, 4, 8)
            .block_bytes(512)
            .compression(profile.compression)
            .versions_to_keep(profile.versions)
            .read_without_mapping(!profile.is_mapped)
            .data_key_period(Duration::ZERO)
            .entropy(entropy())
            .namespace_offset(NAMESPACE_OFFSET)
    }

    /// The options with the first master key, if there is any.
    pub fn keyed(&self) -> Options {
        match self.0.is_encrypted {
            true => self.options().encryption_key(KEYS[0]),
            false => self.options(),
        }
    }

    fn open_db(&self, disk: &Arc<dyn Disk>) -> Result<Db> {
        let opened = self.keyed().disk(Arc::clone(disk)).open(PATH);
        match opened {
            Err(error) if self.0.is_encrypted && error.kind() == ErrorKind::Invalid => {
                let options = self.options().disk(Arc::clone(disk));
                options.encryption_key(KEYS[1]).open(PATH)
            }
            other => other,
        }
    }

    fn transact(&self, db: &Db, work: &Work) -> Result<Durability> {
        let mut tx = db.begin()?;
        let banned = db.banned_namespaces();
        for change in work.changes.iter().filter(|c| !is_banned(c, &banned)) {
            change.make_to(&mut tx)?;
        }
        match work.deed {
            Deed::Commit(durability) => {
                kv_api::Transaction::commit(tx, durability).map(|()| durability)
            }
            _ => Ok(Durability::Deferred),
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

    fn view(&self, store: &Opened) -> Result<Option<Snapshot>> {
        if store.last.is_some() {
            return Ok(None);
        }
        match store.db.snapshot() {
            Ok(snapshot) => Ok(Some(snapshot)),
            // A disk that fails for ever has kept the store from being opened again.
            Err(_) => self.open_db(&store.disk)?.snapshot().map(Some),
        }
    }
}

fn show(
    snapshot: &Snapshot,
    (name, space): (&[u8], Space),
    direction: Direction,
    scan: &mut Scan,
) -> Result<()> {
    let mut cursor = snapshot.cursor(space)?;
    let is_named = !name.is_empty();
    if is_named && direction == Direction::Forward {
        scan.pair(name, b"", b"");
    }
    let mut moved = match direction {
        Direction::Forward => cursor.first()?,
        Direction::Backward => cursor.last()?,
    };
    while let Some((key, value)) = moved {
        assert_eq!(snapshot.get(space, &key)?.as_deref(), Some(&*value));
        scan.pair(name, &key, &value);
        moved = match direction {
            Direction::Forward => cursor.next()?,
            Direction::Backward => cursor.prev()?,
        };
    }
    if is_named && direction == Direction::Backward {
        scan.pair(name, b"", b"");
    }
    Ok(())
}

impl Subject for Lsm {
    type Store = Opened;

    fn name(&self) -> &str {
        "lsm"
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
        let work = Work::of(step, &self.0.mix);
        if work.releases && !store.held.is_empty() {
            store.held.remove(0);
        }
        if work.holds && store.last.is_none() {
            store.held.push(store.db.snapshot()?);
        }
        match work.deed {
            Deed::Reopen => self.reopen(store),
            Deed::Tidy => {
                if self.0.is_encrypted {
                    store.db.rotate_master_key(KEYS[work.changes.len() % 2])?;
                }
                store.db.flatten()?;
                store.db.collect().map(|_| Durability::Sync)
            }
            Deed::Drop => work.changes[0].drop_from(&store.db),
            Deed::Event(event) => {
                let keys = self.0.is_encrypted.then_some(&KEYS[..]);
                event.apply(&store.db, &work.changes, keys)
            }
            Deed::Sync => store.db.sync().map(|()| Durability::Sync),
            _ => self.transact(&store.db, &work),
        }
    }

    fn expect(&self, model: &mut Model, step: Step) {
        let work = Work::of(step, &self.0.mix);
        match work.deed {
            Deed::Commit(_) => {
                let banned = bans_in(model);
                let changes = work.changes.iter().filter(|c| !is_banned(c, &banned));
                changes.for_each(|change| change.make_in(model));
                was_written(model);
            }
            Deed::Drop => work.changes.iter().for_each(|change| match change {
                Change::DropAll => {
                    change.make_in(model);
                    was_emptied(model);
                }
                change => {
                    change.make_in(model);
                    // A space that is not there cannot be dropped from.
                    if matches!(change, Change::DropPrefix("", _)) {
                        was_written(model);
                    }
                }
            }),
            Deed::Event(event) => event.expect(model, &work.changes),
            _ => {}
        }
    }

    fn scan(&self, store: &Opened, direction: Direction, scan: &mut Scan) -> Result<()> {
        let fresh = self.view(store)?;
        let Some(snapshot) = fresh.as_ref().or(store.last.as_ref()) else {
            return Ok(());
        };
        show_bans(&store.db, scan, direction == Direction::Backward);
        show_loaded(snapshot, scan)?;
        show(snapshot, (b"", Space::DEFAULT), direction, scan)?;
        for name in snapshot.space_names()? {
            let space = snapshot.space(&name)?.expect("a listed space is there");
            show(snapshot, (&name, space), direction, scan)?;
        }
        Ok(())
    }

    fn check(&self, store: &Opened) -> Result<Vec<String>> {
        let mut findings = Vec::new();
        if store.last.is_none() && store.db.snapshot().is_ok() {
            store.db.check(&mut |finding| {
                findings.push(format!("{:?}: {}", finding.place, finding.what));
            })?;
        }
        Ok(findings)
    }

    fn close(&self, mut store: Opened) -> Result<()> {
        store.held.clear();
        store.db.close()
    }
}
