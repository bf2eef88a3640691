//! Any sequence of operations, on the engine and on nested maps.
//!
//! The disk is in memory and watches that no byte changes while a reader was lent it; the engine
//! checks itself after each commit (`strict`). Refusals must agree with the model, too.

use crash_kit::{CrashDisk, Survivors};
use kv_api::Durability;
use txn::{
    BucketId, CompactOptions, Db, ErrorKind, FreelistKind, FreelistStorage, Options, Result,
    Snapshot, Transaction,
};

use crate::hostile::choices::Choices;
use crate::hostile::memory::MemoryDisk;
use crate::model::Model;

const PATH: &str = "store.db";
/// More would only make a finding harder to read.
const STEPS_MAX: usize = 400;
const READERS_MAX: usize = 3;

/// Runs the operations that `input` stands for.
///
/// # Panics
///
/// If the engine does anything but what the model says.
pub fn operations(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut world = World::new(&mut choices);
    for _ in 0..STEPS_MAX {
        if choices.is_done() {
            break;
        }
        world.step(&mut choices);
    }
    world.expect_current();
    world.expect_readers();
    assert_eq!(world.disk.violations(), Vec::<String>::new());
}

struct World {
    disk: CrashDisk,
    setup: (usize, usize, u32),
    db: Db,
    /// What is visible, and what would be left after a crash.
    model: Model,
    durable: Model,
    readers: Vec<(Snapshot, Model)>,
}

impl World {
    fn new(choices: &mut Choices<'_>) -> World {
        let page_bytes = choices.pick(&[1024, 1024, 4096]);
        let setup = (choices.below(3), choices.below(2), page_bytes);
        let disk = CrashDisk::new();
        let db = open(&disk, setup);
        World {
            disk,
            setup,
            db,
            model: Model::default(),
            durable: Model::default(),
            readers: Vec::new(),
        }
    }

    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.below(16) {
            0 => self.reopen(),
            1 => self.crash(),
            2 => {
                self.db.sync().unwrap();
                self.durable = self.model.clone();
            }
            3 if self.readers.len() < READERS_MAX => {
                self.readers
                    .push((self.db.snapshot().unwrap(), self.model.clone()));
            }
            4 => {
                let gone = choices.below(READERS_MAX);
                if gone < self.readers.len() {
                    self.readers.swap_remove(gone);
                }
            }
            5 => self.compact(choices),
            6 => self.expect_readers(),
            _ => self.transaction(choices),
        }
        self.expect_current();
    }

    /// Closes and opens: everything is durable then.
    fn reopen(&mut self) {
        self.readers.clear();
        self.db.close().unwrap();
        self.db = open(&self.disk, self.setup);
        self.durable = self.model.clone();
    }

    /// Loses what was not synced.
    fn crash(&mut self) {
        self.readers.clear();
        assert_eq!(self.disk.violations(), Vec::<String>::new());
        self.disk = self.disk.after_crash(Survivors::Synced);
        self.db = open(&self.disk, self.setup);
        self.model = self.durable.clone();
    }

    fn compact(&self, choices: &mut Choices<'_>) {
        let options = Options::new().no_sync(true).page_bytes(1024).strict(true);
        let to = options
            .disk(MemoryDisk::default().as_dyn())
            .open(PATH)
            .unwrap();
        let transaction_bytes_max = choices.pick(&[0, 1, 500, 1 << 20]);
        let how = CompactOptions {
            transaction_bytes_max,
        };
        txn::compact(&self.db.snapshot().unwrap(), &to, how, &mut |_| {}).unwrap();
        let copy = to.snapshot().unwrap();
        self.model.compare(&copy.root(), true).unwrap();
    }

    fn transaction(&mut self, choices: &mut Choices<'_>) {
        let mut next = self.model.clone();
        let mut transaction = self.db.begin().unwrap();
        for _ in 0..=choices.below(12) {
            change(&mut transaction, &mut next, choices).unwrap();
        }
        match choices.below(8) {
            0 => return transaction.rollback(),
            1 | 2 => transaction.commit_with(Durability::Deferred).unwrap(),
            _ => {
                transaction.commit().unwrap();
                self.durable = next.clone();
            }
        }
        self.model = next;
    }

    fn expect_current(&self) {
        let snapshot = self.db.snapshot().unwrap();
        self.model.compare(&snapshot.root(), true).unwrap();
    }

    fn expect_readers(&self) {
        for (snapshot, model) in &self.readers {
            model.compare(&snapshot.root(), true).unwrap();
        }
    }
}

fn open(disk: &CrashDisk, (storage, kind, page_bytes): (usize, usize, u32)) -> Db {
    let storage = [
        FreelistStorage::WhileSmall,
        FreelistStorage::Always,
        FreelistStorage::Never,
    ][storage];
    let kind = [FreelistKind::Hashmap, FreelistKind::Array][kind];
    let options = Options::new().page_bytes(page_bytes).strict(true);
    let options = options.freelist(storage).freelist_kind(kind);
    options.disk(disk.as_dyn()).open(PATH).unwrap()
}

/// A small, skewed alphabet, so that keys meet; and now and then a length at a boundary.
fn key(choices: &mut Choices<'_>) -> Vec<u8> {
    match choices.below(16) {
        0 => Vec::new(),
        1 => vec![b'x'; choices.pick(&[1, 255, 980, 1008, 32_768, 32_769])],
        2..=9 => vec![b'a' + choices.byte() % 8],
        _ => vec![b'k', choices.byte() % 32, choices.byte() % 4],
    }
}

fn value(choices: &mut Choices<'_>) -> Vec<u8> {
    let fill = choices.byte();
    let len = match choices.below(8) {
        0 => choices.pick(&[0, 1, 992, 1007, 1008, 1009, 4080, 9000]),
        1 | 2 => choices.below(1200),
        _ => choices.below(100),
    };
    vec![fill; len]
}

/// A bucket's path, as far as there are buckets.
fn path(model: &Model, choices: &mut Choices<'_>) -> Vec<Vec<u8>> {
    let mut path = Vec::new();
    let mut model = model;
    for _ in 0..choices.below(5) {
        let names: Vec<_> = model.buckets.iter().collect();
        if names.is_empty() {
            break;
        }
        let (name, inside) = names[choices.below(names.len())];
        path.push(name.clone());
        model = inside;
    }
    path
}

fn open_path(tx: &mut Transaction, path: &[Vec<u8>]) -> Result<BucketId> {
    path.iter().try_fold(tx.root().id(), |id, name| {
        tx.at(id).bucket(name).map(|bucket| bucket.id())
    })
}

/// One change, in the engine and in the model.
fn change(tx: &mut Transaction, model: &mut Model, choices: &mut Choices<'_>) -> Result<()> {
    let path = path(model, choices);
    let id = open_path(tx, &path)?;
    let key = key(choices);
    let inside = model.at(&path).expect("the path was made from it");
    match choices.below(16) {
        0..=5 => put(tx, id, inside, &key, &value(choices)),
        6 | 7 => delete(tx, id, inside, &key),
        8 | 9 => create(tx, id, inside, &key),
        10 => delete_bucket(tx, id, inside, &key),
        11 => return move_bucket(tx, model, &path, choices),
        12 => {
            let end = [&key[..], &[0xFF]].concat();
            tx.at(id).delete_range(key.clone()..end.clone())?;
            inside.pairs.retain(|held, _| *held < key || *held >= end);
        }
        13 => return walk_and_delete(tx, id, inside, choices),
        14 if !path.is_empty() => {
            inside.sequence = choices.number(2);
            tx.at(id).set_sequence(inside.sequence)?;
        }
        _ => {
            let mut bucket = tx.at(id);
            assert_eq!(
                bucket.get(&key)?,
                inside.pairs.get(&key).map(|value| &value[..])
            );
            let found = bucket
                .cursor_mut()
                .seek(&key)?
                .map(|(found, _)| found.to_vec());
            let expected = inside
                .entries()
                .into_iter()
                .find(|(held, _)| *held >= &key[..]);
            assert_eq!(found.as_deref(), expected.map(|(held, _)| held));
        }
    }
    Ok(())
}

#[track_caller]
fn refused<T>(done: Result<T>, kinds: &[ErrorKind]) {
    let kind = done.map(drop).unwrap_err().kind();
    assert!(kinds.contains(&kind), "{kind:?}");
}

fn put(tx: &mut Transaction, id: BucketId, model: &mut Model, key: &[u8], value: &[u8]) {
    let done = tx.at(id).put(key, value);
    if key.is_empty() || key.len() > 32_768 || model.buckets.contains_key(key) {
        use ErrorKind::{Incompatible, Invalid, TooLarge};
        return refused(done, &[Invalid, TooLarge, Incompatible]);
    }
    done.unwrap();
    model.pairs.insert(key.to_vec(), value.to_vec());
}

fn delete(tx: &mut Transaction, id: BucketId, model: &mut Model, key: &[u8]) {
    let done = tx.at(id).delete(key);
    if model.buckets.contains_key(key) {
        return refused(done, &[ErrorKind::Incompatible]);
    }
    done.unwrap();
    model.pairs.remove(key);
}

fn create(tx: &mut Transaction, id: BucketId, model: &mut Model, name: &[u8]) {
    let done = tx.at(id).create_bucket(name).map(drop);
    if name.is_empty() || name.len() > 32_768 || model.has(name) {
        use ErrorKind::{Exists, Incompatible, Invalid, TooLarge};
        return refused(done, &[Invalid, TooLarge, Exists, Incompatible]);
    }
    done.unwrap();
    model.buckets.insert(name.to_vec(), Model::default());
}

fn delete_bucket(tx: &mut Transaction, id: BucketId, model: &mut Model, name: &[u8]) {
    let done = tx.at(id).delete_bucket(name);
    if model.buckets.remove(name).is_none() {
        return refused(done, &[ErrorKind::NotFound, ErrorKind::Incompatible]);
    }
    done.unwrap();
}

/// Moves a bucket at `path` to some other place, which may be a bad one.
fn move_bucket(
    tx: &mut Transaction,
    model: &mut Model,
    path: &[Vec<u8>],
    choices: &mut Choices<'_>,
) -> Result<()> {
    let Some((name, parents)) = path.split_last() else {
        return Ok(());
    };
    let target = self::path(model, choices);
    let (from, to) = (open_path(tx, parents)?, open_path(tx, &target)?);
    let done = tx.move_bucket(name, from, to);
    let taken = model.at(&target).is_some_and(|target| target.has(name));
    if target.starts_with(path) || target == parents || taken {
        use ErrorKind::{Exists, Incompatible, Invalid};
        refused(done, &[Invalid, Exists, Incompatible]);
        return Ok(());
    }
    done?;
    let moved = model.at(parents).and_then(|from| from.buckets.remove(name));
    let moved = moved.expect("the path was made from it");
    let target = model.at(&target).expect("the path was made from it");
    target.buckets.insert(name.clone(), moved);
    Ok(())
}

/// Goes along a bucket with a cursor and deletes some pairs on the way.
fn walk_and_delete(
    tx: &mut Transaction,
    id: BucketId,
    model: &mut Model,
    choices: &mut Choices<'_>,
) -> Result<()> {
    let entries = model.entries();
    let mut expected: Vec<(Vec<u8>, bool)> = entries
        .iter()
        .map(|(key, value)| (key.to_vec(), value.is_some()))
        .collect();
    let forward = choices.below(2) == 0;
    if !forward {
        expected.reverse();
    }
    let mut bucket = tx.at(id);
    let mut cursor = bucket.cursor_mut();
    let mut pattern = choices.number(4);
    for (place, (key, is_pair)) in expected.iter().enumerate() {
        let moved = match (place, forward) {
            (0, true) => cursor.first()?,
            (0, false) => cursor.last()?,
            (_, true) => cursor.next()?,
            (_, false) => cursor.prev()?,
        };
        assert_eq!(moved.map(|(found, _)| found), Some(&key[..]));
        if pattern & 1 == 1 {
            let deleted = cursor.delete();
            if *is_pair {
                deleted?;
                model.pairs.remove(key);
            } else {
                refused(deleted, &[ErrorKind::Incompatible]);
            }
        }
        pattern = pattern.rotate_right(1);
    }
    Ok(())
}
