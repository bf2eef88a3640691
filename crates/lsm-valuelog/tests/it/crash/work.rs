//! What a step of a workload does, from its numbers alone.

use crash_kit::{Model, Rng, Step};
use kv_api::{Durability, Error, Result, Space, Transaction as _};
use lsm_valuelog::{Db, Transaction};

use super::event::{self, Event};

/// How a step ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    Commit(Durability),
    Rollback,
    Sync,
    /// Merges everything and collects the value log.
    Tidy,
    /// Closes the store and opens it again.
    Reopen,
    /// Drops what its one change says, without a transaction.
    Drop,
    /// Does what is no transaction.
    Event(Event),
}

/// A change; the space without a name is `""`.
#[derive(Clone, Debug)]
pub enum Change {
    Put(&'static str, Vec<u8>, Vec<u8>),
    Delete(&'static str, Vec<u8>),
    DeleteRange(&'static str, Vec<u8>, Vec<u8>),
    DropSpace(&'static str),
    /// Every key of a space that begins so.
    DropPrefix(&'static str, &'static [u8]),
    DropAll,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Work {
    pub deed: Deed,
    pub changes: Vec<Change>,
    /// Whether a reader is held from before this step on.
    pub holds: bool,
    pub releases: bool,
}

/// What a workload is made of, in percent of steps or changes.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Commits at `Deferred`, and as many at `Buffered`.
    pub relaxed: usize,
    /// Ends that are no commit of changes.
    pub other_ends: usize,
    /// Values of some hundreds of bytes.
    pub large: usize,
    /// Commits of many changes.
    pub bulk: usize,
    /// Drops of prefixes and of everything, and merging of everything between them.
    pub drops: usize,
    /// Loads, restores, bans, keys and flushes.
    pub events: usize,
    /// Loads of all kinds, of changes and overtaken by commits, too.
    pub loads: usize,
}

pub const SPACES: [&str; 3] = ["", "", "s"];

/// What a drop drops.
fn dropped(rng: &mut Rng) -> Change {
    let prefixes: [&[u8]; 3] = [b"key 0", b"key 1", b"key "];
    match rng.below(5) {
        0 => Change::DropAll,
        _ => Change::DropPrefix(SPACES[rng.below(SPACES.len())], prefixes[rng.below(3)]),
    }
}

fn key(rng: &mut Rng) -> Vec<u8> {
    event::key(rng.below(24))
}

fn value(rng: &mut Rng, mix: &Mix) -> Vec<u8> {
    let len = if rng.below(100) < mix.large {
        150 + rng.below(500)
    } else {
        rng.below(60)
    };
    let fill = b'a' + rng.below(26) as u8;
    (0..len).map(|at| fill ^ (at % 7) as u8).collect()
}

fn change(rng: &mut Rng, mix: &Mix) -> Change {
    let space = SPACES[rng.below(SPACES.len())];
    match rng.below(20) {
        0..=13 => Change::Put(space, key(rng), value(rng, mix)),
        14..=17 => Change::Delete(space, key(rng)),
        18 => {
            let (one, other) = (key(rng), key(rng));
            let (start, end) = if one < other {
                (one, other)
            } else {
                (other, one)
            };
            Change::DeleteRange(space, start, end)
        }
        _ => Change::DropSpace("s"),
    }
}

impl Work {
    pub fn of(step: Step, mix: &Mix) -> Work {
        let (seed, index) = match step {
            Step::Work { seed, index } => (seed, index),
            Step::Probe { depth } => {
                let key = format!("probe {depth}").into_bytes();
                return Work {
                    deed: Deed::Commit(Durability::Sync),
                    changes: vec![Change::Put("", key, vec![b'p'; 200])],
                    holds: false,
                    releases: false,
                };
            }
        };
        let mut rng = Rng::new(seed.wrapping_mul(0x9E37_79B9).wrapping_add(index as u64));
        let deed = match rng.below(100) {
            end if end < mix.other_ends => match rng.below(4) {
                0 => Deed::Rollback,
                1 => Deed::Sync,
                2 => Deed::Tidy,
                _ => Deed::Reopen,
            },
            _ => Deed::Commit(match rng.below(100) {
                level if level < mix.relaxed => Durability::Deferred,
                level if level < 2 * mix.relaxed => Durability::Buffered,
                _ => Durability::Sync,
            }),
        };
        if rng.below(100) < mix.drops {
            return Work {
                deed: Deed::Drop,
                changes: vec![dropped(&mut rng)],
                holds: rng.below(4) == 0,
                releases: rng.below(4) == 0,
            };
        }
        let deed = match mix.events > 0 && rng.below(100) < mix.events {
            true => Deed::Event(Event::of(&mut rng)),
            false => deed,
        };
        let deed = match mix.loads > 0 && rng.below(100) < mix.loads {
            true => Deed::Event(Event::load(&mut rng)),
            false => deed,
        };
        let count =
            if rng.below(100) < mix.bulk || matches!(deed, Deed::Event(_)) && rng.below(3) == 0 {
                30 + rng.below(20)
            } else {
                1 + rng.below(5)
            };
        let mut changes: Vec<Change> = (0..count).map(|_| change(&mut rng, mix)).collect();
        // No two versions are alike, so that each can be told from all others.
        changes.push(Change::Put(
            "",
            b"step".to_vec(),
            format!("{index}").into_bytes(),
        ));
        Work {
            deed,
            changes,
            holds: rng.below(8) == 0,
            releases: rng.below(4) == 0,
        }
    }
}

fn space_of(tx: &mut Transaction, name: &str) -> Result<Space> {
    if name.is_empty() {
        return Ok(Space::DEFAULT);
    }
    tx.create_space(name.as_bytes())
}

impl Change {
    /// Drops from the store at once. Where there is no such space nothing is done and so nothing
    /// promised.
    pub fn drop_from(&self, db: &Db) -> Result<Durability> {
        let dropped = match self {
            Change::DropAll => db.drop_all(),
            Change::DropPrefix("", prefix) => db.drop_prefix(None, prefix),
            Change::DropPrefix(space, prefix) => db.drop_prefix(Some(space.as_bytes()), prefix),
            _ => unreachable!("made to a transaction"),
        };
        match dropped {
            Err(Error::NotFound { .. }) => Ok(Durability::Deferred),
            other => other.map(|()| Durability::Sync),
        }
    }

    pub fn make_to(&self, tx: &mut Transaction) -> Result<()> {
        match self {
            Change::Put(space, key, value) => {
                let space = space_of(tx, space)?;
                tx.put(space, key, value)
            }
            Change::Delete(space, key) => {
                let space = space_of(tx, space)?;
                tx.delete(space, key)
            }
            Change::DeleteRange(space, start, end) => {
                let space = space_of(tx, space)?;
                tx.delete_range(space, start..end)
            }
            Change::DropSpace(name) => tx.drop_space(name.as_bytes()).map(drop),
            Change::DropPrefix(..) | Change::DropAll => unreachable!("made to the store"),
        }
    }

    /// A named space is there if it holds a pair with an empty key.
    pub fn make_in(&self, model: &mut Model) {
        let mark = |model: &mut Model, space: &str| {
            if !space.is_empty() && model.get(space.as_bytes(), b"").is_none() {
                model.put(space.as_bytes(), b"", b"");
            }
        };
        match self {
            Change::Put(space, key, value) => {
                mark(model, space);
                model.put(space.as_bytes(), key, value);
            }
            Change::Delete(space, key) => {
                mark(model, space);
                model.delete(space.as_bytes(), key);
            }
            Change::DeleteRange(space, start, end) => {
                mark(model, space);
                model.delete_range(space.as_bytes(), start..end);
            }
            Change::DropSpace(name) => model.clear(name.as_bytes()),
            Change::DropPrefix(space, prefix) => {
                let mut end = prefix.to_vec();
                *end.last_mut().expect("no prefix here is empty") += 1;
                model.delete_range(space.as_bytes(), prefix..&end[..]);
            }
            Change::DropAll => {
                for space in SPACES {
                    model.clear(space.as_bytes());
                }
            }
        }
    }
}
