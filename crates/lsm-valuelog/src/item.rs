//! A pair with what the lsm engine keeps beside it: version, time to live, a byte of the caller's.

use std::time::Duration;

use kv_api::Result;

use crate::entry::{Extra, Kind};
use crate::id::Sequence;
use crate::pointer::Pointer;
use crate::slice::Slice;
use crate::state::State;

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
/// assert_eq!((&*item.value()?, item.user_meta()), (&b"ann"[..], 7));
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

    /// The key.
    pub fn key(&self) -> &'e [u8] {
        self.key
    }

    /// The value.
    pub fn value(&self) -> &'e [u8] {
        self.value
    }

    /// What is stored beside the value, if it is put now.
    pub(crate) fn extra(&self, now: u64) -> Extra {
        let expires = match self.time_to_live {
            // A second too long rather than too short: time goes by whole seconds.
            Some(time) => now.saturating_add(time.as_secs()).saturating_add(1),
            None => self.expires_at,
        };
        Extra {
            expires,
            meta: self.user_meta,
            discards_earlier: self.discards_earlier,
        }
    }
}

/// A version of a key, with what was written beside its value. The value itself is fetched when it
/// is asked for, or ahead where that was ordered.
#[derive(Clone)]
pub struct Item<'a> {
    state: &'a State,
    now: u64,
    key: Slice<'a>,
    version: Sequence,
    kind: Kind,
    extra: Extra,
    /// The value, or where it is.
    stored: Slice<'a>,
    fetched: Option<Slice<'a>>,
}

/// What an item is made of.
pub(crate) struct Parts<'a> {
    pub key: Slice<'a>,
    pub version: Sequence,
    pub kind: Kind,
    pub extra: Extra,
    pub stored: Slice<'a>,
}

impl<'a> Item<'a> {
    pub(crate) fn new(state: &'a State, now: u64, parts: Parts<'a>) -> Item<'a> {
        Item {
            state,
            now,
            key: parts.key,
            version: parts.version,
            kind: parts.kind,
            extra: parts.extra,
            stored: parts.stored,
            fetched: None,
        }
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// The value; empty for a deletion. Where it is in the value log it is read and its checksum
    /// compared now, unless that was done ahead.
    ///
    /// # Errors
    ///
    /// `Corrupt` where the value log does not hold what was written.
    pub fn value(&self) -> Result<Slice<'a>> {
        if let Some(value) = &self.fetched {
            return Ok(value.clone());
        }
        match self.kind {
            Kind::Pointer => self.state.version.value(&self.stored),
            Kind::Put => Ok(self.stored.clone()),
            Kind::Delete => Ok(Slice::lent(&[])),
        }
    }

    /// Appends the value to `to`.
    pub fn copy_value(&self, to: &mut Vec<u8>) -> Result<()> {
        to.extend_from_slice(&self.value()?);
        Ok(())
    }

    /// The commit that wrote it; for a change of the transaction's own, the version that the
    /// transaction reads.
    pub fn version(&self) -> Sequence {
        self.version
    }

    /// The caller's own byte; 0 where none was given.
    pub fn user_meta(&self) -> u8 {
        self.extra.meta
    }

    /// Seconds since 1970 from which on it is gone; 0 for never.
    pub fn expires_at(&self) -> u64 {
        self.extra.expires
    }

    /// Whether it is a deletion, or its time has passed for its reader.
    pub fn is_deleted_or_expired(&self) -> bool {
        self.kind == Kind::Delete || self.extra.is_expired(self.now)
    }

    /// Whether it made all earlier versions of its key garbage.
    pub fn discards_earlier_versions(&self) -> bool {
        self.extra.discards_earlier
    }

    /// Whether its value is in the value log.
    pub fn is_separated(&self) -> bool {
        self.kind == Kind::Pointer
    }

    /// Bytes of the value, which is not read for that.
    pub fn value_bytes(&self) -> u64 {
        match self.kind {
            Kind::Pointer => Pointer::read(&self.stored).map_or(0, |pointer| pointer.len),
            Kind::Put => self.stored.len() as u64,
            Kind::Delete => 0,
        }
    }

    /// Bytes of key and value.
    pub fn estimated_bytes(&self) -> u64 {
        self.key.len() as u64 + self.value_bytes()
    }

    /// Where in the value log the value is.
    pub(crate) fn pointer(&self) -> Option<Pointer> {
        match self.kind {
            Kind::Pointer => Pointer::read(&self.stored),
            Kind::Put | Kind::Delete => None,
        }
    }

    /// Has the value at hand from now on.
    pub(crate) fn fetch(&mut self) -> Result<()> {
        self.fetched = Some(self.value()?);
        Ok(())
    }
}

impl std::fmt::Debug for Item<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Item")
            .field("key", &self.key)
            .field("version", &self.version)
            .field("value_bytes", &self.value_bytes())
            .finish_non_exhaustive()
    }
}
