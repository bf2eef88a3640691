//! What a step does: it follows from its numbers alone.

use crash_kit::{Model, Rng, Step};
use flatlog::Transaction;
use kv_api::{Durability, KeyRange, Reader, Result, Space, Transaction as _};

/// Names of the spaces beside the default one.
const NAMES: [&[u8]; 2] = [b"a", b"b"];

/// One change of a transaction.
#[derive(Clone, Debug)]
pub enum Change {
    Put(usize, Vec<u8>, Vec<u8>),
    Delete(usize, Vec<u8>),
    DeleteRange(usize, Vec<u8>, Vec<u8>),
    DropSpace(usize),
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Deed {
    Commit(Durability, Vec<Change>),
    Reopen,
    Sync,
    Compact,
    Checkpoint,
    Snapshot,
    Restore(Vec<(usize, Vec<u8>, Vec<u8>)>),
}

/// How often deeds other than commits come, in percent, and how commits are spread.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub deferred: usize,
    pub buffered: usize,
    pub other_deeds: usize,
    pub large: usize,
}

fn key(rng: &mut Rng) -> Vec<u8> {
    let number = rng.below(24);
    match number % 5 {
        0 => format!("k{number}").into_bytes(),
        1 => vec![b'u'; 40 + number],
        _ => format!("user:0000{number:04}").into_bytes(),
    }
}

fn value(rng: &mut Rng, large: usize) -> Vec<u8> {
    let len = match rng.below(100) {
        sized if sized < large => 600 + rng.below(1500),
        sized if sized < 10 => 0,
        _ => rng.below(90),
    };
    let mut value = vec![0; len];
    rng.fill(&mut value);
    value
}

impl Deed {
    pub fn of(step: Step, mix: &Mix) -> Deed {
        let (seed, index, is_probe) = match step {
            Step::Work { seed, index } => (seed, index as u64, false),
            Step::Probe { depth } => (77, depth as u64, true),
        };
        let mut rng =
            Rng::new(seed.wrapping_mul(0x9E37_79B9) ^ index.wrapping_mul(0x85EB_CA6B) ^ 5);
        if is_probe {
            let value = format!("depth {index}").into_bytes();
            let change = Change::Put(0, b"probe".to_vec(), value);
            return Deed::Commit(Durability::Sync, vec![change]);
        }
        if rng.below(100) < mix.other_deeds {
            return Deed::other(&mut rng);
        }
        let durability = match rng.below(100) {
            part if part < mix.deferred => Durability::Deferred,
            part if part < mix.deferred + mix.buffered => Durability::Buffered,
            _ => Durability::Sync,
        };
        let most = if rng.below(6) == 0 { 12 } else { 3 };
        let count = 1 + rng.below(most);
        let changes = (0..count)
            .map(|_| Change::random(&mut rng, mix.large))
            .collect();
        Deed::Commit(durability, changes)
    }

    fn other(rng: &mut Rng) -> Deed {
        match rng.below(9) {
            0 | 1 => Deed::Reopen,
            2 => Deed::Sync,
            3 | 4 => Deed::Compact,
            5 => Deed::Checkpoint,
            6 => Deed::Snapshot,
            _ => {
                let pairs = (0..rng.below(8)).map(|_| {
                    let space = rng.below(3);
                    (space, key(rng), value(rng, 5))
                });
                Deed::Restore(pairs.collect())
            }
        }
    }
}

impl Change {
    fn random(rng: &mut Rng, large: usize) -> Change {
        let space = rng.below(4).min(2);
        match rng.below(20) {
            0..13 => Change::Put(space, key(rng), value(rng, large)),
            13..17 => Change::Delete(space, key(rng)),
            17..19 => {
                let (left, right) = (key(rng), key(rng));
                Change::DeleteRange(space, left.clone().min(right.clone()), left.max(right))
            }
            _ => Change::DropSpace(space.max(1)),
        }
    }

    pub fn make(&self, tx: &mut Transaction) -> Result<()> {
        match self {
            Change::Put(space, key, value) => {
                let space = open(tx, *space)?;
                tx.put_in(space, key, value)
            }
            Change::Delete(space, key) => {
                let space = open(tx, *space)?;
                kv_api::Transaction::delete(tx, space, key)
            }
            Change::DeleteRange(space, from, to) => {
                let space = open(tx, *space)?;
                kv_api::Transaction::delete_range(tx, space, KeyRange::from(&from[..]..&to[..]))
            }
            Change::DropSpace(space) => tx.drop_space(NAMES[*space - 1]).map(drop),
        }
    }

    pub fn make_in(&self, model: &mut Model) {
        match self {
            Change::Put(space, key, value) => {
                create_in(model, *space);
                model.put(name(*space), key, value);
            }
            Change::Delete(space, key) => {
                create_in(model, *space);
                model.delete(name(*space), key);
            }
            Change::DeleteRange(space, from, to) => {
                create_in(model, *space);
                model.delete_range(name(*space), from..to);
            }
            Change::DropSpace(space) => model.clear(name(*space)),
        }
    }
}

/// The name by which model and scan know a space.
pub fn name(space: usize) -> &'static [u8] {
    match space {
        0 => b"",
        _ => NAMES[space - 1],
    }
}

/// An empty space counts: a pair with an empty key stands for it.
fn create_in(model: &mut Model, space: usize) {
    if space > 0 {
        model.put(name(space), b"", b"");
    }
}

fn open(tx: &mut Transaction, space: usize) -> Result<Space> {
    match space {
        0 => Ok(Space::DEFAULT),
        _ => tx.create_space(NAMES[space - 1]),
    }
}

/// Puts the pairs of a restore into an empty store.
pub fn fill(tx: &mut Transaction, pairs: &[(usize, Vec<u8>, Vec<u8>)]) -> Result<()> {
    for (space, key, value) in pairs {
        let space = open(tx, *space)?;
        tx.put_in(space, key, value)?;
    }
    Ok(())
}

/// The same for the model.
pub fn fill_model(model: &mut Model, pairs: &[(usize, Vec<u8>, Vec<u8>)]) {
    (0..=NAMES.len()).for_each(|space| model.clear(name(space)));
    for (space, key, value) in pairs {
        create_in(model, *space);
        model.put(name(*space), key, value);
    }
}

/// All spaces there can be.
pub fn spaces(reader: &impl Reader) -> Result<Vec<(&'static [u8], Space)>> {
    let mut found = vec![(name(0), Space::DEFAULT)];
    for name in NAMES {
        found.extend(reader.space(name)?.map(|space| (name, space)));
    }
    Ok(found)
}
