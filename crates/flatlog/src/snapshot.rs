//! One version of a store, to read from.

use std::fmt;
use std::sync::{Arc, OnceLock};

use kv_api::{Bytes, KeyRange, Range, Reader, Result, Space};

use crate::cursor::Cursor;
use crate::ids::SpaceId;
use crate::index::Item;
use crate::reader::{Source, fresh_stamp, space_id};
use crate::root::Root;
use crate::slice::Slice;

/// One version of a store, owned: it may be kept, cloned and sent to other threads. Writers never
/// wait for it, nor it for them. The files it reads from stay while it lives, whatever is
/// compacted, restored or closed meanwhile; so does the lock on the store.
pub struct Snapshot {
    root: Arc<Root>,
    /// Drawn when the first space is resolved, so that a snapshot without spaces costs nothing
    /// for it.
    stamp: OnceLock<u64>,
}

impl Snapshot {
    pub(crate) fn new(root: Arc<Root>) -> Snapshot {
        let stamp = OnceLock::new();
        Snapshot { root, stamp }
    }

    pub(crate) fn root(&self) -> &Arc<Root> {
        &self.root
    }

    fn stamp(&self) -> u64 {
        *self.stamp.get_or_init(fresh_stamp)
    }

    #[inline]
    pub(crate) fn source(&self) -> Source<'_> {
        Source::of(&self.root)
    }

    pub(crate) fn id_of(&self, space: Space) -> Result<SpaceId> {
        space_id(space, || self.stamp())
    }

    /// The index of the last commit in this version.
    pub fn last_commit_index(&self) -> u64 {
        self.root.last_commit_index
    }

    /// How many keys the default space has. O(1).
    pub fn len(&self) -> u64 {
        self.root
            .space(SpaceId::DEFAULT)
            .map_or(0, |space| space.len())
    }

    /// Whether the default space has no keys.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of `key` in the default space: O(log n) in memory and at most one read. The first
    /// time a record is read it is compared with its sum.
    ///
    /// # Errors
    ///
    /// `Corrupt` with file and offset, if it does not match.
    #[inline]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Result<Option<Slice<'_>>> {
        self.source().get(SpaceId::DEFAULT, key.as_ref())
    }

    /// The index of the commit that wrote the pair `key` of the default space.
    pub fn commit_index_of(&self, key: impl AsRef<[u8]>) -> Option<u64> {
        let item = self.source().item(SpaceId::DEFAULT, key.as_ref());
        item.map(|item| item.commit_index)
    }

    /// The pairs of the default space whose keys are in `keys`, from either end.
    pub fn range(&self, keys: impl Into<KeyRange>) -> Range<Cursor<'_>> {
        let cursor = || self.cursor_at(SpaceId::DEFAULT);
        Range::new(cursor(), cursor(), keys.into())
    }

    /// The pairs of the default space whose keys begin with `prefix`, from either end.
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Range<Cursor<'_>> {
        self.range(KeyRange::prefix(prefix.as_ref()))
    }

    /// A cursor over the default space.
    pub fn cursor(&self) -> Cursor<'_> {
        self.cursor_at(SpaceId::DEFAULT)
    }

    fn cursor_at(&self, id: SpaceId) -> Cursor<'_> {
        Cursor::new(self.source(), id)
    }

    pub(crate) fn item(&self, space: Space, key: &[u8]) -> Result<Option<Item>> {
        Ok(self.source().item(self.id_of(space)?, key))
    }
}

impl Reader for Snapshot {
    type Slice<'a> = Slice<'a>;
    type Cursor<'a> = Cursor<'a>;

    fn space(&self, name: &[u8]) -> Result<Option<Space>> {
        let named = self.root.names.get(name);
        Ok(named.map(|named| Space::new(named.id.0.into(), self.stamp())))
    }

    fn space_names(&self) -> Result<Vec<Bytes>> {
        Ok(self.source().space_names())
    }

    #[inline]
    fn get(&self, space: Space, key: &[u8]) -> Result<Option<Slice<'_>>> {
        self.source().get(self.id_of(space)?, key)
    }

    fn cursor(&self, space: Space) -> Result<Cursor<'_>> {
        Ok(self.cursor_at(self.id_of(space)?))
    }
}

impl kv_api::Snapshot for Snapshot {
    fn get_bytes(&self, space: Space, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(item) = self.item(space, key)? else {
            return Ok(None);
        };
        let value = self.source().value(&item, self.id_of(space)?, key)?;
        match value {
            Slice::Owned(bytes) => Ok(Some(bytes)),
            Slice::Lent(_) => Ok(Some(Bytes::from_owner(Pinned {
                root: Arc::clone(&self.root),
                item,
                key_len: key.len(),
            }))),
        }
    }
}

/// A value that keeps its version alive instead of being copied.
struct Pinned {
    root: Arc<Root>,
    item: Item,
    key_len: usize,
}

impl AsRef<[u8]> for Pinned {
    fn as_ref(&self) -> &[u8] {
        // These were compared and lent when this was made, and they do not change.
        let segment = self.root.segments.find(self.item.place.segment());
        let again = segment.and_then(|segment| segment.again(self.item.place, self.key_len));
        again.unwrap_or_default()
    }
}

impl Clone for Snapshot {
    fn clone(&self) -> Snapshot {
        Snapshot::new(Arc::clone(&self.root))
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("last_commit_index", &self.root.last_commit_index)
            .finish_non_exhaustive()
    }
}
