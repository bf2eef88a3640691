//! Changes of a store that are no transaction: loads, restores, bans, keys, and what moves records
//! without changing any.

use std::collections::BTreeMap;

use crash_kit::{Model, Rng};
use kv_api::{Durability, Result, Space, Store, Transaction as _};
use lsm_valuelog::{BulkMode, BulkWriter, Db, Options, Sequence, Snapshot, Versioned};

use super::work::{Change, SPACES};

/// What is done, beside the changes of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A bulk load that comes on top, or takes the place of everything.
    Load { replaces: bool },
    /// Everything is replaced by a backup that holds the changes.
    Restore,
    /// The copy of changes that follows those the store was made of; nothing where it was not made
    /// of copies.
    Follow,
    /// A bulk load beside which the changes are committed, and which is refused so.
    Overtaken { replaces: bool },
    /// A namespace is banned.
    Ban(u64),
    /// Everything goes to one level.
    Flatten,
    /// Everything goes to tables.
    Flush,
    /// Another master key, where there is one.
    Rotate(usize),
}

/// Where namespaces stand in the keys of [`key`].
pub const NAMESPACE_OFFSET: usize = 7;

/// Namespaces that keys are of.
const NAMESPACES: u64 = 6;

/// Where the model keeps what is banned.
const BANS: &[u8] = b"\0bans";

/// A key, which is of a namespace.
pub fn key(number: usize) -> Vec<u8> {
    let namespace = number as u64 % NAMESPACES;
    [
        format!("key {number:02} ").as_bytes(),
        &namespace.to_be_bytes(),
    ]
    .concat()
}

fn namespace(key: &[u8]) -> Option<u64> {
    let bytes = key.get(NAMESPACE_OFFSET..NAMESPACE_OFFSET + 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

impl Event {
    pub fn of(rng: &mut Rng) -> Event {
        match rng.below(16) {
            0..=4 => Event::Load { replaces: false },
            5..=6 => Event::Load { replaces: true },
            7..=8 => Event::Restore,
            9 => Event::Ban(rng.below(NAMESPACES as usize) as u64),
            10..=11 => Event::Flatten,
            12..=13 => Event::Flush,
            _ => Event::Rotate(rng.below(2)),
        }
    }

    /// A load, or what comes between loads.
    pub fn load(rng: &mut Rng) -> Event {
        let replaces = rng.percent(30);
        match rng.below(10) {
            0..=4 => Event::Follow,
            5..=6 => Event::Overtaken { replaces },
            7 => Event::Load { replaces },
            8 => Event::Restore,
            _ => Event::Flatten,
        }
    }

    pub fn apply(self, db: &Db, changes: &[Change], keys: Option<&[&[u8]]>) -> Result<Durability> {
        let banned = db.banned_namespaces();
        let changes: Vec<&Change> = changes.iter().filter(|c| !is_banned(c, &banned)).collect();
        match self {
            Event::Load { replaces } => load(db, &pairs_of(&changes), replaces)?,
            Event::Restore => restore(db, &pairs_of(&changes))?,
            Event::Follow => return follow(db, &pairs_of(&changes)),
            Event::Overtaken { replaces } => overtaken(db, &changes, replaces)?,
            Event::Ban(namespace) => db.ban_namespace(namespace)?,
            Event::Flatten => db.flatten()?,
            Event::Flush => db.flush()?,
            Event::Rotate(which) => {
                if let Some(keys) = keys {
                    db.rotate_master_key(keys[which])?;
                }
                return Ok(Durability::Deferred);
            }
        }
        Ok(Durability::Sync)
    }

    pub fn expect(self, model: &mut Model, changes: &[Change]) {
        match self {
            Event::Load { replaces } => {
                if replaces {
                    SPACES
                        .iter()
                        .for_each(|space| model.clear(space.as_bytes()));
                    model.put(LOADED, b"", NOTHING);
                }
                make_puts(model, changes, !replaces);
                was_written(model);
            }
            Event::Restore => {
                SPACES
                    .iter()
                    .for_each(|space| model.clear(space.as_bytes()));
                make_puts(model, changes, false);
                model.put(LOADED, b"", &1_u64.to_be_bytes());
            }
            Event::Follow => {
                let loaded = loaded_in(model);
                if let Some(loaded) = loaded {
                    let of_default = changes.iter().filter(|change| is_of_default(change));
                    let changes: Vec<Change> = of_default.cloned().collect();
                    make_puts(model, &changes, loaded > 0);
                    model.put(LOADED, b"", &(loaded + 1).to_be_bytes());
                }
            }
            Event::Overtaken { .. } => {
                let banned = bans_in(model);
                let changes = changes.iter().filter(|c| !is_banned(c, &banned));
                changes.for_each(|change| change.make_in(model));
                was_written(model);
            }
            Event::Ban(banned) => {
                model.put(BANS, &banned.to_be_bytes(), b"");
                for space in SPACES {
                    let keys = model.space(space.as_bytes()).map(|(key, _)| key.to_vec());
                    let hidden = |key: &Vec<u8>| namespace(key) == Some(banned);
                    let doomed: Vec<Vec<u8>> = keys.filter(hidden).collect();
                    doomed
                        .iter()
                        .for_each(|key| model.delete(space.as_bytes(), key));
                }
            }
            Event::Flatten | Event::Flush | Event::Rotate(_) => {}
        }
    }
}

/// Where the model keeps up to which version the store was loaded: nothing while it is empty.
const LOADED: &[u8] = b"\0loaded";

/// That a store was not made of copies.
const NOTHING: &[u8] = b"nothing";

/// Notes in the model that the store is not empty any more.
pub fn was_written(model: &mut Model) {
    if model.get(LOADED, b"").is_none() {
        model.put(LOADED, b"", NOTHING);
    }
}

/// Notes in the model that everything was dropped.
pub fn was_emptied(model: &mut Model) {
    model.put(LOADED, b"", NOTHING);
}

/// Up to which version the store was loaded, as the model has it.
pub fn loaded_in(model: &Model) -> Option<u64> {
    match model.get(LOADED, b"") {
        None => Some(0),
        Some(version) => version.try_into().ok().map(u64::from_be_bytes),
    }
}

/// The same as a store shows it.
pub fn show_loaded(snapshot: &Snapshot, scan: &mut crash_kit::Scan) -> Result<()> {
    match snapshot.loaded_up_to()? {
        Some(Sequence(0)) => {}
        Some(version) => scan.pair(LOADED, b"", &version.0.to_be_bytes()),
        None => scan.pair(LOADED, b"", NOTHING),
    }
    Ok(())
}

/// Whether a change is of a banned namespace.
pub fn is_banned(change: &Change, banned: &[u64]) -> bool {
    match change {
        Change::Put(_, key, _) | Change::Delete(_, key) => {
            namespace(key).is_some_and(|namespace| banned.contains(&namespace))
        }
        _ => false,
    }
}

/// What is banned, as the model has it.
pub fn bans_in(model: &Model) -> Vec<u64> {
    let bans = model.space(BANS);
    bans.map(|(key, _)| u64::from_be_bytes(key.try_into().unwrap()))
        .collect()
}

/// The same as a store shows it.
pub fn show_bans(db: &Db, scan: &mut crash_kit::Scan, backward: bool) {
    let mut banned = db.banned_namespaces();
    if backward {
        banned.reverse();
    }
    for namespace in banned {
        scan.pair(BANS, &namespace.to_be_bytes(), b"");
    }
}

type Pairs = BTreeMap<(&'static str, Vec<u8>), Option<Vec<u8>>>;

/// The last change of each key.
fn pairs_of(changes: &[&Change]) -> Pairs {
    let pairs = changes.iter().filter_map(|change| match change {
        Change::Put(space, key, value) => Some(((*space, key.clone()), Some(value.clone()))),
        Change::Delete(space, key) => Some(((*space, key.clone()), None)),
        _ => None,
    });
    pairs.collect()
}

fn make_puts(model: &mut Model, changes: &[Change], deletes: bool) {
    let banned = bans_in(model);
    let changes: Vec<&Change> = changes.iter().filter(|c| !is_banned(c, &banned)).collect();
    for ((space, key), value) in pairs_of(&changes) {
        match value {
            Some(value) => Change::Put(space, key, value).make_in(model),
            None if deletes => Change::Delete(space, key).make_in(model),
            None => {}
        }
    }
}

/// Two streams that overlap, so that they are merged.
fn load(db: &Db, pairs: &Pairs, replaces: bool) -> Result<()> {
    let mode = match replaces {
        true => BulkMode::Replace,
        false => BulkMode::Add,
    };
    let mut load = db.bulk_load(mode)?;
    for (at, ((space, key), value)) in pairs.iter().enumerate() {
        if replaces && value.is_none() {
            continue;
        }
        let space = match *space {
            "" => BulkWriter::DEFAULT,
            name => load.space(name.as_bytes())?,
        };
        let record = Versioned {
            key,
            value: value.as_deref(),
            version: Sequence(0),
            user_meta: 0,
            expires_at: 0,
            discards_earlier: false,
        };
        load.add((at % 3 / 2) as u32, space, &record)?;
    }
    load.finish().map(drop)
}

fn is_of_default(change: &Change) -> bool {
    matches!(change, Change::Put("", ..) | Change::Delete("", ..))
}

/// Loads the pairs of the default space as the copy that follows what the store was loaded with.
fn follow(db: &Db, pairs: &Pairs) -> Result<Durability> {
    let Some(since) = db.snapshot()?.loaded_up_to()? else {
        return Ok(Durability::Deferred);
    };
    let options = Options::new().background(false).memtable_bytes(64 << 10);
    let from = options.versions_to_keep(usize::MAX).open_in_memory()?;
    if since > Sequence(0) {
        let mut tx = from.begin()?;
        tx.put(Space::DEFAULT, b"before", b"")?;
        tx.commit_at(since, Durability::Sync)?;
    }
    from.update(|tx| {
        for ((_, key), value) in pairs.iter().filter(|((space, _), _)| space.is_empty()) {
            match value {
                Some(value) => tx.put(Space::DEFAULT, key, value)?,
                None => tx.delete(Space::DEFAULT, key)?,
            }
        }
        Ok(())
    })?;
    let mut copy = Vec::new();
    from.snapshot()?.backup_since(since, &mut copy)?;
    db.load(&mut copy.as_slice()).map(|()| Durability::Sync)
}

/// Commits the changes beside a load, which must not be there then.
fn overtaken(db: &Db, changes: &[&Change], replaces: bool) -> Result<()> {
    let mode = match replaces {
        true => BulkMode::Replace,
        false => BulkMode::Add,
    };
    let mut load = db.bulk_load(mode)?;
    for number in 0..9 {
        load.put(0, BulkWriter::DEFAULT, &key(number), &[b'!'; 300])?;
    }
    db.update(|tx| changes.iter().try_for_each(|change| change.make_to(tx)))?;
    // Refused, or kept from it by a call that fails: the commit is there, and shows that the load
    // is not.
    drop(load.finish());
    Ok(())
}

/// A backup of a store in memory that holds the pairs.
fn restore(db: &Db, pairs: &Pairs) -> Result<()> {
    let options = Options::new().background(false).memtable_bytes(64 << 10);
    let other = options.open_in_memory()?;
    other.update(|tx| {
        for ((space, key), value) in pairs {
            let Some(value) = value else { continue };
            let space = match *space {
                "" => Space::DEFAULT,
                name => tx.create_space(name.as_bytes())?,
            };
            tx.put(space, key, value)?;
        }
        Ok(())
    })?;
    let mut backup = Vec::new();
    other.snapshot()?.backup_since(Sequence(0), &mut backup)?;
    db.restore(&mut backup.as_slice(), &mut |_, _| true)
        .map(drop)
}
