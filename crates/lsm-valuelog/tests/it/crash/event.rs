//! Changes of a store that are no transaction: loads, restores, bans, keys, and what moves records
//! without changing any.

use std::collections::BTreeMap;

use crash_kit::{Model, Rng};
use kv_api::{Durability, Result, Space, Store, Transaction as _};
use lsm_valuelog::{BulkMode, BulkWriter, Db, Options, Sequence, Versioned};

use super::work::{Change, SPACES};

/// What is done, beside the changes of its step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A bulk load that comes on top, or takes the place of everything.
    Load { replaces: bool },
    /// Everything is replaced by a backup that holds the changes.
    Restore,
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

    pub fn apply(self, db: &Db, changes: &[Change], keys: Option<&[&[u8]]>) -> Result<Durability> {
        let banned = db.banned_namespaces();
        let changes: Vec<&Change> = changes.iter().filter(|c| !is_banned(c, &banned)).collect();
        match self {
            Event::Load { replaces } => load(db, &pairs_of(&changes), replaces)?,
            Event::Restore => restore(db, &pairs_of(&changes))?,
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
                }
                make_puts(model, changes, !replaces);
            }
            Event::Restore => {
                SPACES
                    .iter()
                    .for_each(|space| model.clear(space.as_bytes()));
                make_puts(model, changes, false);
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
