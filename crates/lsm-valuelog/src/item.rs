//! A pair with what the lsm engine keeps beside it: version, time to live, a byte of the caller's.

use std::time::Duration;

use kv_api::{Reader, Result, Space};

use crate::entry::{Extra, Kind};
use crate::id::Sequence;
use crate::slice::Slice;
use crate::snapshot::{LookupKey, Snapshot};
use crate::transaction::Transaction;

/// What a value is written with.
///
/// ```
/// # fn main() -> kv_api::Result<()> {
/// # let directory = tempfile::tempdir().expect("a temporary directory");
/// use std::time::Duration;
/// use kv_api::{Space, Store};
/// use lsm_valuelog::{Db, Entry};
///
/// let db = Db::open(directory.path().join("store"))?;
/// let entry = Entry::new(b"session 9", b"ann").time_to_live(Duration::from_secs(60)).user_meta(7);
/// db.update(|tx| tx.put_entry(Space::DEFAULT, &entry))?;
/// let snapshot = db.snapshot()?;
/// let item = snapshot.get_item(Space::DEFAULT, b"session 9")?.expect("it was just put");
/// assert_eq!((&*item.value, item.user_meta), (&b"ann"[..], 7));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Entry<'e> {
    key: &'e [u8],
    value: &'e [u8],
    expires_at: u64,
    time_to_live: Option<Duration>,
    user_meta: u8,
    discards_earlier: bool,
}

impl<'e> Entry<'e> {
    /// A value that lasts.
    pub fn new(key: &'e [u8], value: &'e [u8]) -> Entry<'e> {
        Entry {
            key,
            value,
            expires_at: 0,
            time_to_live: None,
            user_meta: 0,
            discards_earlier: false,
        }
    }

    /// The pair is gone so long after it is put, to the second.
    pub fn time_to_live(mut self, time: Duration) -> Entry<'e> {
        self.time_to_live = Some(time);
        self
    }

    /// The pair is gone from this time on: seconds since 1970; 0 for never.
    pub fn expires_at(mut self, seconds: u64) -> Entry<'e> {
        self.expires_at = seconds;
        self
    }

    /// A byte of the caller's own.
    pub fn user_meta(mut self, meta: u8) -> Entry<'e> {
        self.user_meta = meta;
        self
    }

    /// Makes all earlier versions of the key garbage, however many are kept.
    pub fn discard_earlier_versions(mut self) -> Entry<'e> {
        self.discards_earlier = true;
        self
    }
}

/// A value with what was written beside it.
#[derive(Clone, Debug)]
pub struct Item<'a> {
    /// The value.
    pub value: Slice<'a>,
    /// The commit that wrote it.
    pub version: Sequence,
    /// The caller's own byte; 0 where none was given.
    pub user_meta: u8,
    /// Seconds since 1970 from which on it is gone; 0 for never.
    pub expires_at: u64,
}

impl Transaction {
    /// Puts a value with a time to live or a byte beside it.
    pub fn put_entry(&mut self, space: Space, entry: &Entry<'_>) -> Result<()> {
        let expires = match entry.time_to_live {
            // A second too long rather than too short: time goes by whole seconds.
            Some(time) => self.now().saturating_add(time.as_secs()).saturating_add(1),
            None => entry.expires_at,
        };
        let extra = Extra {
            expires,
            meta: entry.user_meta,
            discards_earlier: entry.discards_earlier,
        };
        self.set(space, entry.key, Some(entry.value), extra)
    }
}

impl Snapshot {
    /// The value of `key` with what was written beside it.
    pub fn get_item(&self, space: Space, key: &[u8]) -> Result<Option<Item<'_>>> {
        // Checks the space, and that there is something to be seen.
        if self.get(space, key)?.is_none() {
            return Ok(None);
        }
        let lookup = LookupKey::new(self.number(space)?, key);
        let Some(found) = self.state().find(lookup.bytes(), self.sequence())? else {
            return Ok(None);
        };
        let value = match found.kind {
            Kind::Pointer => self.state().version.value(&found.value)?,
            Kind::Put | Kind::Delete => found.value,
        };
        Ok(Some(Item {
            value,
            version: found.sequence,
            user_meta: found.extra.meta,
            expires_at: found.extra.expires,
        }))
    }
}
