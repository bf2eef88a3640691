//! A change to the tree of buckets, made alike to a store and to the kit's model.
//!
//! A bucket is a space named by its path; a pair with an empty key stands for the bucket itself
//! and holds its sequence number. The top bucket shows that pair only once it has a number.

use std::ops::Range;

use crash_kit::{Direction, Model, Scan};
use txn::{Bucket, BucketId, Result, Transaction};

/// Names on the way from the top bucket.
pub type Path = Vec<&'static str>;

/// The names that buckets of a workload have; no key begins like one.
pub const NAMES: [&str; 5] = ["a", "b", "c", "x", "y"];

/// How deep buckets nest.
const DEPTH_MAX: usize = 3;

#[derive(Clone, Debug)]
pub enum Change {
    /// Makes the buckets on the way where they are missing.
    Put(Path, Vec<u8>, Vec<u8>),
    Delete(Path, Vec<u8>),
    DeleteRange(Path, Range<Vec<u8>>),
    Sequence(Path, u64),
    /// Removes a bucket if it is there.
    Drop(Path),
    /// Moves a bucket into another, if both are there and the other has none of that name.
    Move(Path, Path),
}

/// The name of a bucket's space.
fn space(path: &[&str]) -> Vec<u8> {
    path.join("/").into_bytes()
}

/// Every bucket that a workload could have made below `path`, and `path`.
fn below(path: &[&'static str]) -> Vec<Path> {
    let mut found = vec![path.to_vec()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        if parent.len() < DEPTH_MAX {
            found.extend(
                NAMES
                    .iter()
                    .map(|name| [parent.as_slice(), &[*name]].concat()),
            );
        }
    }
    found
}

impl Change {
    /// Whether a move stays within the depth that [`below`] looks at, and out of itself.
    fn is_possible(from: &[&str], into: &[&str]) -> bool {
        from.len() < DEPTH_MAX && into.len() < DEPTH_MAX - 1 && !into.starts_with(from)
    }

    pub fn make_in(&self, model: &mut Model) {
        match self {
            Change::Put(path, key, value) => {
                make_model(model, path);
                model.put(&space(path), key, value);
            }
            Change::Delete(path, key) => model.delete(&space(path), key),
            Change::DeleteRange(path, keys) => {
                model.delete_range(&space(path), &keys.start..&keys.end);
            }
            Change::Sequence(path, sequence) => {
                make_model(model, path);
                model.put(&space(path), b"", &sequence.to_be_bytes());
            }
            Change::Drop(path) => below(path)
                .iter()
                .for_each(|path| model.clear(&space(path))),
            Change::Move(from, into) => move_model(model, from, into),
        }
    }

    pub fn make_to(&self, tx: &mut Transaction) -> Result<()> {
        match self {
            Change::Put(path, key, value) => {
                let bucket = make(tx, path)?;
                tx.at(bucket).put(key, value)
            }
            Change::Delete(path, key) => match find(tx, path)? {
                Some(bucket) => tx.at(bucket).delete(key),
                None => Ok(()),
            },
            Change::DeleteRange(path, keys) => match find(tx, path)? {
                Some(bucket) => tx.at(bucket).delete_range(keys.clone()),
                None => Ok(()),
            },
            Change::Sequence(path, sequence) => {
                let bucket = make(tx, path)?;
                tx.at(bucket).set_sequence(*sequence)
            }
            Change::Drop(path) => {
                let (name, parent) = path.split_last().unwrap();
                match (find(tx, path)?, find(tx, parent)?) {
                    (Some(_), Some(parent)) => tx.at(parent).delete_bucket(name),
                    _ => Ok(()),
                }
            }
            Change::Move(from, into) => move_bucket(tx, from, into),
        }
    }
}

fn make_model(model: &mut Model, path: &[&str]) {
    for depth in 1..=path.len() {
        let space = space(&path[..depth]);
        if model.get(&space, b"").is_none() {
            model.put(&space, b"", &0_u64.to_be_bytes());
        }
    }
}

fn move_model(model: &mut Model, from: &Path, into: &Path) {
    let there = |path: &[&str]| path.is_empty() || model.get(&space(path), b"").is_some();
    let target = [into.as_slice(), &[*from.last().unwrap()]].concat();
    if !Change::is_possible(from, into) || !there(from) || !there(into) || there(&target) {
        return;
    }
    for old in below(from) {
        let new = [target.as_slice(), &old[from.len()..]].concat();
        let pairs: Vec<(Vec<u8>, Vec<u8>)> = model
            .space(&space(&old))
            .map(|(key, value)| (key.to_vec(), value.to_vec()))
            .collect();
        model.clear(&space(&old));
        for (key, value) in pairs {
            model.put(&space(&new), &key, &value);
        }
    }
}

fn find(tx: &mut Transaction, path: &[&str]) -> Result<Option<BucketId>> {
    let mut at = tx.root().id();
    for name in path {
        match tx.at(at).bucket_if_exists(name)? {
            Some(bucket) => at = bucket.id(),
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn make(tx: &mut Transaction, path: &[&str]) -> Result<BucketId> {
    let mut at = tx.root().id();
    for name in path {
        at = tx.at(at).create_bucket_if_missing(name)?.id();
    }
    Ok(at)
}

fn move_bucket(tx: &mut Transaction, from: &Path, into: &Path) -> Result<()> {
    let (name, parent) = from.split_last().unwrap();
    let target = [into.as_slice(), &[*name]].concat();
    if !Change::is_possible(from, into) || find(tx, &target)?.is_some() {
        return Ok(());
    }
    match (find(tx, from)?, find(tx, parent)?, find(tx, into)?) {
        (Some(_), Some(parent), Some(into)) => tx.move_bucket(name, parent, into),
        _ => Ok(()),
    }
}

/// Shows a bucket's pairs and then those of the buckets in it. Forward by cursor and backward by
/// range, so that both are held against the model, and each key looked up as well.
pub fn show(bucket: Bucket<'_>, path: &str, direction: Direction, scan: &mut Scan) -> Result<()> {
    let space = path.as_bytes();
    let sequence = bucket.sequence().to_be_bytes();
    let shown = !path.is_empty() || bucket.sequence() != 0;
    let mut inner = Vec::new();
    match direction {
        Direction::Forward => {
            if shown {
                scan.pair(space, b"", &sequence);
            }
            bucket.for_each(|key, value| {
                match value {
                    Some(value) => scan.pair(space, key, value),
                    None => inner.push(key),
                }
                Ok(())
            })?;
        }
        Direction::Backward => {
            for pair in bucket.range(..).rev() {
                let (key, value) = pair?;
                // A lookup that goes another way than the walk makes the walks differ.
                let found = bucket.get(key)?.unwrap_or(b"not found");
                scan.pair(space, key, if found == value { value } else { found });
            }
            if shown {
                scan.pair(space, b"", &sequence);
            }
            bucket.for_each_bucket(|name| {
                inner.push(name);
                Ok(())
            })?;
        }
    }
    for name in inner {
        let name = std::str::from_utf8(name).unwrap_or("?");
        let slash = if path.is_empty() { "" } else { "/" };
        show(
            bucket.bucket(name)?,
            &format!("{path}{slash}{name}"),
            direction,
            scan,
        )?;
    }
    Ok(())
}
