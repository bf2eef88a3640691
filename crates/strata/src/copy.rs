//! Copying everything in one store into another, whatever their engines.

use kv_api::capability::BucketVisitor;
use kv_api::{Durability, Error, Result};

use crate::any_snapshot::AnySnapshot;
use crate::any_store::AnyStore;
use crate::any_transaction::AnyTransaction;
use crate::flatten::flat_key;
use crate::items::{Item, Items};
use crate::stream::transfer;

/// How to copy.
#[derive(Clone, Copy, Debug)]
pub struct CopyOptions {
    /// Commit whenever so many bytes of keys and values have been put; 0 for one transaction.
    pub transaction_bytes_max: u64,
    /// Fold what the target cannot nest into keys, as [`flat_key`](crate::flat_key) does, and
    /// leave out sequence numbers, empty nested buckets, commit indexes, times to live and bytes of
    /// the caller's own. Without this, copying
    /// what the target cannot hold is refused before anything is written.
    pub flatten: bool,
}

impl Default for CopyOptions {
    fn default() -> CopyOptions {
        CopyOptions {
            transaction_bytes_max: 16 << 20,
            flatten: false,
        }
    }
}

/// What was copied so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// Buckets met.
    pub buckets: u64,
    /// Pairs put.
    pub keys: u64,
    /// Bytes of the pairs' keys and values.
    pub bytes: u64,
}

/// Copies every bucket, sequence and pair of `from` into `to`, which keeps what else it holds.
/// `progress` is told what was copied after each commit. A copy is what the snapshot shows: of an lsm
/// store that keeps older versions, these stay behind, as they do in its backups. Whoever wants the
/// history copies it with `Snapshot::write_badger_backup` and `Db::load_badger_backup` of that engine.
///
/// Each commit is whole, and an error leaves those made before it. Commit indexes come along only
/// into a store of the same engine that has no commit yet: then the copy is one commit.
///
/// # Errors
///
/// `Unsupported` if the target cannot hold nested buckets, sequence numbers, commit indexes, times
/// to live or bytes of the caller's own that the source has, and flattening was not asked for.
pub fn copy(
    from: &AnySnapshot,
    to: &AnyStore,
    options: CopyOptions,
    progress: &mut dyn FnMut(Copied),
) -> Result<Copied> {
    if from.as_commit_indexes().is_some() && !options.flatten {
        let copied = copy_with_indexes(from, to)?;
        progress(copied);
        return Ok(copied);
    }
    let mut transaction = to.begin_write()?;
    let nests = (
        from.as_nested().is_some(),
        transaction.as_nested().is_some(),
    );
    let shape = match (nests, options.flatten) {
        ((_, true), _) => Shape::Nested,
        ((false, false), _) => Shape::Spaces,
        ((true, false), true) => Shape::Flat,
        ((true, false), false) => {
            from.walk(&mut Unnested { depth: 0 })?;
            Shape::Spaces
        }
    };
    let items = from.as_items();
    if let Some(items) = items
        && !to.holds_items()
        && !options.flatten
    {
        refuse_items(items)?;
    }
    let mut copier = Copier {
        to,
        transaction: Some(transaction),
        shape,
        options,
        path: Vec::new(),
        copied: Copied::default(),
        uncommitted_bytes: 0,
        progress,
    };
    match items {
        Some(items) if to.holds_items() => copier.take_items(items)?,
        _ => from.walk(&mut copier)?,
    }
    copier.commit()?;
    Ok(copier.copied)
}

/// Takes everything, commit indexes included, into a store that has no commit yet.
fn copy_with_indexes(from: &AnySnapshot, to: &AnyStore) -> Result<Copied> {
    let target = to.open_snapshot()?;
    let indexes = target.as_commit_indexes();
    let is_fresh = indexes.is_some_and(|indexes| indexes.newest_commit_index() == 0);
    match (from.as_stream(), to.as_restore()) {
        (Some(stream), Some(restore)) if is_fresh => transfer(stream, restore, &mut |_| true)?,
        _ => {
            return Err(Error::Unsupported {
                what: "a copy of commit indexes; ask to flatten",
            });
        }
    }
    let mut copied = Copied::default();
    from.walk(&mut copied)?;
    Ok(copied)
}

impl BucketVisitor for Copied {
    fn enter(&mut self, _name: &[u8], _sequence: u64) -> Result<()> {
        self.buckets += 1;
        Ok(())
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keys += 1;
        self.bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        Ok(())
    }
}

/// How the target holds what the source nests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    /// As it is.
    Nested,
    /// There is nothing to nest.
    Spaces,
    /// Folded into keys.
    Flat,
}

/// Refuses what only an engine that keeps items can hold.
fn refuse_items(items: &dyn Items) -> Result<()> {
    let mut refuse = |item: Item<'_>| match item.is_plain() {
        true => Ok(()),
        false => Err(Error::Unsupported {
            what: "a copy of times to live and user bytes; ask to flatten",
        }),
    };
    items.visit_items(None, &mut refuse)?;
    let names = items.item_spaces()?;
    names
        .iter()
        .try_for_each(|name| items.visit_items(Some(name), &mut refuse))
}

/// Refuses what a store of spaces cannot hold.
struct Unnested {
    depth: usize,
}

impl BucketVisitor for Unnested {
    fn enter(&mut self, _name: &[u8], sequence: u64) -> Result<()> {
        self.depth += 1;
        let what = match (self.depth, sequence) {
            (1, 0) => return Ok(()),
            (1, _) => "a copy of sequence numbers; ask to flatten",
            _ => "a copy of nested buckets; ask to flatten",
        };
        Err(Error::Unsupported { what })
    }

    fn pair(&mut self, _key: &[u8], _value: &[u8]) -> Result<()> {
        Ok(())
    }

    fn leave(&mut self) -> Result<()> {
        self.depth -= 1;
        Ok(())
    }
}

struct Copier<'a> {
    to: &'a AnyStore,
    /// Always there, but for the moment between two.
    transaction: Option<AnyTransaction>,
    shape: Shape,
    options: CopyOptions,
    path: Vec<Vec<u8>>,
    copied: Copied,
    uncommitted_bytes: u64,
    progress: &'a mut dyn FnMut(Copied),
}

impl Copier<'_> {
    fn commit(&mut self) -> Result<()> {
        if let Some(transaction) = self.transaction.take() {
            transaction.commit_with(Durability::Sync)?;
        }
        self.uncommitted_bytes = 0;
        (self.progress)(self.copied);
        Ok(())
    }

    /// Counts `bytes` to come, committing first if they would be too many.
    fn make_room(&mut self, bytes: usize) -> Result<&mut AnyTransaction> {
        let (bytes, max) = (bytes as u64, self.options.transaction_bytes_max);
        let full = self.uncommitted_bytes > 0 && self.uncommitted_bytes + bytes > max;
        if max > 0 && full {
            self.commit()?;
        }
        self.uncommitted_bytes += bytes;
        match &mut self.transaction {
            Some(transaction) => Ok(transaction),
            none => Ok(none.insert(self.to.begin_write()?)),
        }
    }
}

impl Copier<'_> {
    /// Copies every pair with what is beside it.
    fn take_items(&mut self, items: &dyn Items) -> Result<()> {
        items.visit_items(None, &mut |item| self.put_item(&[], item))?;
        for name in items.item_spaces()? {
            self.enter(&name, 0)?;
            items.visit_items(Some(&name), &mut |item| self.put_item(&[&name], item))?;
            self.leave()?;
        }
        Ok(())
    }

    fn put_item(&mut self, path: &[&[u8]], item: Item<'_>) -> Result<()> {
        let bytes = item.key.len() + item.value.len();
        self.make_room(bytes)?.put_item_at(path, &item)?;
        self.copied.keys += 1;
        self.copied.bytes += bytes as u64;
        Ok(())
    }
}

impl BucketVisitor for Copier<'_> {
    fn enter(&mut self, name: &[u8], sequence: u64) -> Result<()> {
        self.copied.buckets += 1;
        self.path.push(name.to_vec());
        let (shape, path) = (self.shape, self.path.clone());
        let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        let transaction = self.make_room(name.len())?;
        match (shape, path.as_slice()) {
            (Shape::Nested, path) => {
                transaction.create_at(path)?;
                match transaction.as_nested() {
                    Some(nested) if sequence != 0 => nested.set_sequence(path, sequence),
                    _ => Ok(()),
                }
            }
            (_, space @ [_]) => transaction.create_at(space),
            _ => Ok(()),
        }
    }

    fn pair(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        let path = std::mem::take(&mut self.path);
        let shape = self.shape;
        let transaction = self.make_room(key.len() + value.len())?;
        let put = {
            let path: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
            match (shape, path.split_first()) {
                (Shape::Flat, Some((space, inside))) => {
                    let key = flat_key(inside.iter().copied(), key);
                    transaction.put_at(&[space], &key, value)
                }
                _ => transaction.put_at(&path, key, value),
            }
        };
        self.path = path;
        self.copied.keys += 1;
        self.copied.bytes += (key.len() + value.len()) as u64;
        put
    }

    fn leave(&mut self) -> Result<()> {
        self.path.pop();
        Ok(())
    }
}
