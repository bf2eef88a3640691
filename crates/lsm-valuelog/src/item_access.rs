//! Items of snapshots and transactions.

use kv_api::{Result, Space};

use crate::item::{Entry, Item};
use crate::item_options::ItemOptions;
use crate::items::{Ground, Items, found_item};
use crate::key::{StoredRange, after, stored};
use crate::snapshot::{LookupKey, Snapshot};
use crate::transaction::Transaction;

/// Walks show all versions of the one key.
fn versions() -> ItemOptions {
    ItemOptions::new().all_versions(true)
}

fn only(space: u64, key: &[u8]) -> StoredRange {
    let start = stored(space, key);
    StoredRange {
        end: after(start.clone()),
        start,
    }
}

impl Snapshot {
    /// The value of `key` with what was written beside it.
    pub fn get_item(&self, space: Space, key: &[u8]) -> Result<Option<Item<'_>>> {
        let lookup = LookupKey::new(self.number(space)?, key);
        let found = self.state().find(lookup.bytes(), self.sequence())?;
        let item = found.map(|found| {
            let found = (found.sequence, found.kind, found.extra, found.value);
            found_item(self.state(), self.now(), key, found)
        });
        Ok(item.filter(|item| !item.is_deleted_or_expired()))
    }

    /// A walk over the items of `space` that `options` ask for.
    pub fn items(&self, space: Space, options: &ItemOptions) -> Result<Items<'_>> {
        let number = self.number(space)?;
        let range = StoredRange::of(number, &options.keys);
        self.items_over(range, false, options)
    }

    /// All versions of `key` that are kept, newest first, deletions too.
    pub fn versions_of(&self, space: Space, key: &[u8]) -> Result<Items<'_>> {
        self.items_over(only(self.number(space)?, key), true, &versions())
    }

    pub(crate) fn items_over(
        &self,
        range: StoredRange,
        only: bool,
        options: &ItemOptions,
    ) -> Result<Items<'_>> {
        let ground = Ground {
            state: self.state(),
            at: self.sequence(),
            now: self.now(),
            range,
            own: None,
            only,
        };
        Items::new(ground, options)
    }
}

impl Transaction {
    /// Puts a value with a time to live or a byte beside it.
    pub fn put_entry(&mut self, space: Space, entry: &Entry<'_>) -> Result<()> {
        let extra = entry.extra(self.now());
        self.set(space, entry.key(), Some(entry.value()), extra)
    }

    /// The value of `key` with what was written beside it, the transaction's own change included.
    pub fn get_item(&self, space: Space, key: &[u8]) -> Result<Option<Item<'_>>> {
        // What was looked for counts as read, and a key of a banned namespace is refused.
        if kv_api::Reader::get(self, space, key)?.is_none() {
            return Ok(None);
        }
        let mut items =
            self.items_over(only(self.number(space)?, key), true, &ItemOptions::new())?;
        items.next().transpose()
    }

    /// A walk over the items of `space` that `options` ask for, the transaction's own changes
    /// included as they are now. What it goes over counts as read.
    pub fn items(&self, space: Space, options: &ItemOptions) -> Result<Items<'_>> {
        let range = StoredRange::of(self.number(space)?, &options.keys);
        self.items_over(range, false, options)
    }

    /// All versions of `key` that are kept, newest first, deletions and the transaction's own
    /// change too.
    pub fn versions_of(&self, space: Space, key: &[u8]) -> Result<Items<'_>> {
        self.items_over(only(self.number(space)?, key), true, &versions())
    }

    pub(crate) fn items_over(
        &self,
        range: StoredRange,
        only: bool,
        options: &ItemOptions,
    ) -> Result<Items<'_>> {
        let (state, at, now, own) = self.view();
        let ground = Ground {
            state,
            at,
            now,
            range,
            own: Some(own),
            only,
        };
        Items::new(ground, options)
    }
}
