//! One version of the store, to read from.

use std::sync::{Arc, OnceLock};

use kv_api::{Bytes, Error, Reader, Result, Space};

use crate::cursor::Cursor;
use crate::id::Sequence;
use crate::key::{DEFAULT_SPACE, SPACE_CODE_BYTES_MAX, SYSTEM_SPACE, StoredRange, put_space};
use crate::slice::Slice;
use crate::spaces;
use crate::stamp::fresh_stamp;
use crate::state::State;

/// One version of the store, owned: it may be kept and sent to other threads. It keeps the files
/// of its version on disk for as long as it lives; nobody waits for it.
pub struct Snapshot {
    state: Arc<State>,
    at: Sequence,
    /// The time that decides what has expired; the same for as long as the snapshot lives.
    now: u64,
    /// Sets this snapshot's spaces apart; drawn when the first is resolved.
    stamp: OnceLock<u64>,
}

/// A stored key for looking up: short ones stand on the stack.
pub(crate) struct LookupKey {
    short: [u8; 64],
    len: usize,
    long: Vec<u8>,
}

impl LookupKey {
    #[inline]
    pub fn new(space: u64, key: &[u8]) -> LookupKey {
        let mut lookup = LookupKey {
            short: [0; 64],
            len: 0,
            long: Vec::new(),
        };
        if space == DEFAULT_SPACE
            && let Some((first, rest)) = lookup.short.split_first_mut()
            && let Some(rest) = rest.get_mut(..key.len())
        {
            *first = DEFAULT_SPACE.to_le_bytes()[0];
            rest.copy_from_slice(key);
            lookup.len = key.len() + 1;
            return lookup;
        }
        lookup.long.reserve_exact(key.len() + SPACE_CODE_BYTES_MAX);
        put_space(&mut lookup.long, space);
        lookup.long.extend_from_slice(key);
        lookup
    }

    #[inline]
    pub fn bytes(&self) -> &[u8] {
        if self.len == 0 {
            return &self.long;
        }
        self.short.get(..self.len).unwrap_or_default()
    }
}

impl Snapshot {
    pub(crate) fn new(state: Arc<State>, at: Sequence, now: u64) -> Snapshot {
        Snapshot {
            state,
            at,
            now,
            stamp: OnceLock::new(),
        }
    }

    /// The newest commit that this snapshot shows.
    pub fn sequence(&self) -> Sequence {
        self.at
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }

    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    fn stamp(&self) -> u64 {
        *self.stamp.get_or_init(fresh_stamp)
    }

    pub(crate) fn number(&self, space: Space) -> Result<u64> {
        if space.is_default() {
            return Ok(DEFAULT_SPACE);
        }
        if space.owner() != self.stamp() {
            return Err(Error::ForeignSpace);
        }
        Ok(space.id())
    }

    pub(crate) fn cursor_over(&self, space: u64) -> Cursor<'_> {
        let moment = (self.at, self.now);
        Cursor::new(&self.state, StoredRange::space(space), moment, None)
    }
}

/// The keys that a cursor over the system's space meets are names.
pub(crate) fn names(mut cursor: Cursor<'_>) -> Result<Vec<Bytes>> {
    let mut names = Vec::new();
    let mut moved = kv_api::Cursor::first(&mut cursor)?;
    while let Some((name, _)) = moved {
        names.push(name.into_bytes());
        moved = kv_api::Cursor::next(&mut cursor)?;
    }
    Ok(names)
}

impl Reader for Snapshot {
    type Slice<'a> = Slice<'a>;
    type Cursor<'a> = Cursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let record = self
            .state
            .get(&spaces::record_key(name), self.at, self.now)?;
        let number = record.map(|value| spaces::decode(&value)).transpose()?;
        Ok(number.map(|number| Space::new(number, self.stamp())))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        names(self.cursor_over(SYSTEM_SPACE))
    }

    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice<'_>>> {
        let key = LookupKey::new(self.number(space)?, key);
        self.state.get(key.bytes(), self.at, self.now)
    }

    fn cursor(&self, space: Space) -> Result<Cursor<'_>> {
        Ok(self.cursor_over(self.number(space)?))
    }
}

/// Values up to this length are copied rather than kept with their version.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// A value that keeps its version alive instead of being copied.
struct Pinned {
    state: Arc<State>,
    key: Vec<u8>,
    at: Sequence,
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        // The same question was answered when this was made, from bytes that do not change; at
        // time 0 nothing has expired.
        match self.state.get(&self.key, self.at, 0) {
            Ok(Some(value)) => value.lent_bytes().unwrap_or_default(),
            _ => &[],
        }
    }
}

impl kv_api::Snapshot for Snapshot {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        let number = self.number(space)?;
        let lookup = LookupKey::new(number, key);
        let Some(value) = self.state.get(lookup.bytes(), self.at, self.now)? else {
            return Ok(None);
        };
        if value.lent_bytes().is_none() || value.len() <= COPIED_BYTES_MAX {
            return Ok(Some(value.into_bytes()));
        }
        let bytes = Bytes::from_owner(Pinned {
            state: Arc::clone(&self.state),
            key: lookup.bytes().to_vec(),
            at: self.at,
        });
        if bytes.len() != value.len() {
            // What is asked for a second time cannot tell that it failed.
            let what = "a value that was read could not be read again";
            return Err(Error::corrupt(kv_api::Place::Store, what));
        }
        Ok(Some(bytes))
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot")
            .field("sequence", &self.at)
            .finish_non_exhaustive()
    }
}
