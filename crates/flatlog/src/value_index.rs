//! The value index of an open store: kept up with every change, lent to every version.
//!
//! *Ids.* A new key has a fresh id. The id of a deleted key may be given to another one only when
//! no version shows the deleted key any more, since a version finds its rows by ids. Versions are
//! told apart by eras: each holds its own, the writer begins a new one after some deletions, and
//! the ids that were deleted in an era are free once that era and all before it are held by none.
//!
//! *Failure.* Where a value cannot be read, the index gives up: queries go on without it.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use kv_api::Result;
use roaring::RoaringBitmap;

use crate::ids::KeyId;
use crate::index::{Item, SpaceIndex, Walk};
use crate::log::watcher::{Happening, Watcher};
use crate::root::Root;
use crate::search::{KeyDirectory, KeyRuns, SearchIndex};
use crate::slice::Slice;
use crate::value_view::{Era, KnownValues, ValueIndex, ValueView};

/// Deletions in one era.
const ERA_DELETIONS: usize = 256;

/// Keeps a value index up with a store.
pub(crate) struct ValueWatcher {
    index: Arc<ValueIndex>,
    era: Arc<Era>,
    /// Deleted in this era.
    dying: Vec<KeyId>,
    /// Former eras that may be held, and what was deleted in them.
    eras: VecDeque<(Weak<Era>, Vec<KeyId>)>,
    free: Vec<KeyId>,
    last: KeyId,
    /// What was read for the index so far.
    pub(crate) read: ValuesRead,
}

/// How many values were read, and their bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ValuesRead {
    pub(crate) values: u64,
    pub(crate) bytes: u64,
}

impl ValuesRead {
    fn add(&mut self, value: &[u8]) {
        self.values += 1;
        self.bytes += value.len() as u64;
    }
}

impl ValueWatcher {
    /// Of an index of nothing.
    pub(crate) fn new() -> ValueWatcher {
        ValueWatcher {
            index: Arc::default(),
            era: Arc::new(Era),
            dying: Vec::new(),
            eras: VecDeque::new(),
            free: Vec::new(),
            last: KeyId(0),
            read: ValuesRead::default(),
        }
    }

    /// Of the rows of a checkpoint that was read into `root`, with what it says of their values.
    /// What it does not say is read where the values are. Their ids are their numbers from 1.
    pub(crate) fn loaded(root: &Root, keys: KeyRuns, known: Option<KnownValues>) -> ValueWatcher {
        let last = KeyId(u32::try_from(keys.len()).unwrap_or(u32::MAX));
        let (tokens, unknown) = match known {
            Some(known) => (known.tokens, Some(known.unknown)),
            None => (SearchIndex::default(), None),
        };
        let mut watcher = ValueWatcher {
            index: Arc::new(ValueIndex {
                tokens,
                keys: KeyDirectory::of(keys),
            }),
            last,
            ..ValueWatcher::new()
        };
        if unknown.as_ref().is_none_or(|unknown| !unknown.is_empty()) {
            for (space, index) in root.spaces() {
                let at = Happening {
                    segments: &root.segments,
                    space,
                    commit_index: 0,
                };
                watcher.learn(&at, index, unknown.as_ref());
            }
        }
        watcher
    }

    /// Reads the values of the rows of a space that are `unknown`; of all without that.
    fn learn(&mut self, at: &Happening<'_>, index: &SpaceIndex, unknown: Option<&RoaringBitmap>) {
        let mut walk = Walk::new(Some(index));
        let mut entry = walk.first();
        while let Some((key, item)) = entry {
            let id = item.key_id;
            if unknown.is_none_or(|unknown| unknown.contains(id.0)) {
                let value = value(at, key, &item);
                let put = value.map(|value| {
                    self.read.add(&value);
                    self.put_values(id, at, None, &value);
                });
                self.give_up(put);
            }
            entry = walk.next();
        }
    }

    fn fresh_id(&mut self) -> KeyId {
        if self.free.is_empty() {
            self.free_forgotten();
        }
        self.free.pop().unwrap_or_else(|| {
            self.last = KeyId(self.last.0.saturating_add(1));
            self.last
        })
    }

    /// Frees the ids of eras that no version is of.
    fn free_forgotten(&mut self) {
        while let Some((era, _)) = self.eras.front()
            && era.strong_count() == 0
            && let Some((_, ids)) = self.eras.pop_front()
        {
            ids.iter().for_each(|id| self.index.keys.clear(*id));
            self.free.extend(ids);
        }
    }

    fn put_values(&self, id: KeyId, at: &Happening<'_>, old: Option<&[u8]>, new: &[u8]) {
        match old {
            Some(old) => self.index.tokens.replace(id, old, new, at.commit_index),
            None => self.index.tokens.insert(id, new, at.commit_index),
        }
    }

    fn give_up(&self, result: Result<()>) {
        if let Err(error) = result {
            tracing::warn!(%error, "the value index gives up");
            self.index.tokens.give_up();
        }
    }
}

fn value<'a>(at: &Happening<'a>, key: &[u8], item: &Item) -> Result<Slice<'a>> {
    at.segments
        .get(item.place.segment())?
        .value(item.place, at.space, key)
}

impl Watcher for ValueWatcher {
    fn put(&mut self, at: &Happening<'_>, key: &[u8], old: Option<&Item>, new: &Item) -> KeyId {
        let id = match old {
            Some(old) => old.key_id,
            None => {
                let id = self.fresh_id();
                self.index.keys.set(id, at.space, key);
                id
            }
        };
        let done = old
            .map(|old| value(at, key, old))
            .transpose()
            .and_then(|old| {
                let new = value(at, key, new)?;
                self.read.add(&new);
                self.put_values(id, at, old.as_deref(), &new);
                Ok(())
            });
        self.give_up(done);
        id
    }

    fn delete(&mut self, at: &Happening<'_>, key: &[u8], old: &Item) {
        let done = value(at, key, old).map(|value| {
            self.index
                .tokens
                .remove(old.key_id, &value, at.commit_index);
        });
        self.give_up(done);
        self.dying.push(old.key_id);
    }

    fn view(&mut self) -> ValueView {
        if self.dying.len() >= ERA_DELETIONS {
            let era = std::mem::replace(&mut self.era, Arc::new(Era));
            let ids = std::mem::take(&mut self.dying);
            self.eras.push_back((Arc::downgrade(&era), ids));
        }
        ValueView {
            index: Arc::clone(&self.index),
            _era: Arc::clone(&self.era),
        }
    }
}
