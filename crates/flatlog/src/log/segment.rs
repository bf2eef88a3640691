//! One file of the log, to read from.
//!
//! Invariant: bytes below `readable` are in the file and never change while anyone holds the
//! segment; nothing above is lent.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use disk::{File, View, read_exact_at};
use kv_api::{Bytes, Error, Place as Where, Result};

use crate::ids::{SegmentId, SpaceId};
use crate::log::cache::Cache;
use crate::log::frame::Seal;
use crate::log::proven::Proven;
use crate::log::{mapped, record};
use crate::names;
use crate::place::Place;
use crate::slice::Slice;
use crate::state_file::SegmentEntry;

/// Bytes of the header.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 64;
const MAGIC: [u8; 8] = *b"FlatSeg1";

/// Bytes of a record that are fetched ahead, at most: whoever reads a longer one goes through it in
/// order, which the processor sees by itself.
const PREFETCH_BYTES_MAX: u32 = 512;

/// The header of a segment's file.
pub(crate) fn encode_header(seal: &Seal) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&seal.store);
    bytes.extend_from_slice(&seal.segment.0.to_le_bytes());
    bytes.extend_from_slice(&seal.epoch.to_le_bytes());
    bytes.resize(SEGMENT_HEADER_BYTES as usize - 4, 0);
    let sum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// How a segment's bytes are reached.
enum Source {
    Mapped(Arc<dyn View>),
    Read(Arc<Cache>),
}

/// One file of the log.
pub(crate) struct Segment {
    pub(crate) seal: Seal,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    source: Source,
    salt: u32,
    capacity_bytes: u32,
    readable: AtomicU64,
    /// Bytes of records that the newest index names.
    live_bytes: AtomicU64,
    /// Bytes beside live records that the rewrite that made this segment could not do without.
    kept_bytes: AtomicU64,
    /// Which records were compared with their sums and with what leads to them.
    pub(crate) proven: Proven,
    /// What could not be written although readers may already see it.
    stranded: OnceLock<Box<Stranded>>,
}

/// Whole frames that are in memory only, and those behind them.
struct Stranded {
    offset: u32,
    bytes: Vec<u8>,
    behind: OnceLock<Box<Stranded>>,
}

impl Segment {
    /// A segment whose file is `readable` bytes long and may grow to `capacity_bytes`.
    pub(crate) fn new(
        seal: Seal,
        path: PathBuf,
        file: Arc<dyn File>,
        readable: u32,
        capacity_bytes: u32,
        cache: Option<&Arc<Cache>>,
    ) -> Result<Segment> {
        let source = match cache {
            Some(cache) => Source::Read(Arc::clone(cache)),
            None => Source::Mapped(
                mapped::map(&*file, capacity_bytes.into())
                    .map_err(|error| Error::io("mapping a segment", error))?,
            ),
        };
        Ok(Segment {
            salt: salt_of(&seal.store),
            seal,
            path,
            file,
            source,
            capacity_bytes,
            readable: AtomicU64::new(readable.into()),
            live_bytes: AtomicU64::new(0),
            kept_bytes: AtomicU64::new(0),
            proven: Proven::new(capacity_bytes),
            stranded: OnceLock::new(),
        })
    }

    pub(crate) fn id(&self) -> SegmentId {
        self.seal.segment
    }

    /// How the state names this segment while it holds nothing.
    pub(crate) fn fresh_entry(&self) -> SegmentEntry {
        SegmentEntry {
            id: self.id(),
            epoch: self.seal.epoch,
            len: SEGMENT_HEADER_BYTES,
            sorted: false,
        }
    }

    pub(crate) fn capacity_bytes(&self) -> u32 {
        self.capacity_bytes
    }

    /// Bytes that may be read.
    pub(crate) fn readable(&self) -> u32 {
        u32::try_from(self.readable.load(Ordering::Acquire)).unwrap_or(u32::MAX)
    }

    /// Says that the file holds `bytes` from its beginning, for good.
    pub(crate) fn set_readable(&self, bytes: u32) {
        self.readable.store(bytes.into(), Ordering::Release);
    }

    /// Keeps frames in memory that could not be brought to the file, so that they can be read.
    pub(crate) fn strand(&self, offset: u32, bytes: &[u8]) {
        let (mut slot, mut known) = (&self.stranded, offset);
        while let Some(block) = slot.get() {
            known = known.max(block.offset + u32::try_from(block.bytes.len()).unwrap_or(0));
            slot = &block.behind;
        }
        let new = bytes.get((known - offset) as usize..).unwrap_or_default();
        if !new.is_empty() {
            // Only whoever holds the log comes here, so the slot is still free.
            let _ = slot.set(Box::new(Stranded {
                offset: known,
                bytes: new.to_vec(),
                behind: OnceLock::new(),
            }));
        }
    }

    pub(crate) fn live_bytes(&self) -> u64 {
        self.live_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn add_live(&self, bytes: u32) {
        self.live_bytes.fetch_add(bytes.into(), Ordering::Relaxed);
    }

    /// The same for many records at once.
    pub(crate) fn add_live_sum(&self, bytes: u64) {
        self.live_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn remove_live(&self, bytes: u32) {
        self.live_bytes.fetch_sub(bytes.into(), Ordering::Relaxed);
    }

    pub(crate) fn kept_bytes(&self) -> u64 {
        self.kept_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn set_kept_bytes(&self, bytes: u64) {
        self.kept_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Damage at `offset`, in words.
    pub(crate) fn damaged(&self, offset: u32, what: impl Into<String>) -> Error {
        Error::corrupt(
            Where::Offset {
                file: names::segment(self.id()),
                offset: offset.into(),
            },
            what,
        )
    }

    /// The value that `key` of this space has in the record at `place`. The first time a record is
    /// read it is compared with its sum, and with the space and the key.
    #[inline]
    pub(crate) fn value(&self, place: Place, space: SpaceId, key: &[u8]) -> Result<Slice<'_>> {
        let value = self
            .known(place)
            .and_then(|bytes| bytes.get(place.header_len() as usize + key.len()..));
        if let Some(value) = value {
            return Ok(Slice::Lent(value));
        }
        match self.first_value(place, space, key)? {
            Some(value) => Ok(value),
            None => Err(self
                .record(place)
                .err()
                .unwrap_or_else(|| self.other(place))),
        }
    }

    /// The whole record at `place`, if it was found to be what the entry that leads there says.
    #[inline]
    pub(crate) fn known(&self, place: Place) -> Option<&[u8]> {
        let end = u64::from(place.offset) + u64::from(place.len);
        let Source::Mapped(view) = &self.source else {
            return None;
        };
        let is_known = self.proven.has(place) && end <= self.readable.load(Ordering::Acquire);
        match is_known {
            true => view.bytes(place.offset.into(), place.len as usize).ok(),
            false => None,
        }
    }

    /// The same while the record is not [`known`](Segment::known); `None` if it is of another key.
    pub(crate) fn first_value(
        &self,
        place: Place,
        space: SpaceId,
        key: &[u8],
    ) -> Result<Option<Slice<'_>>> {
        let header_len = place.header_len() as usize;
        match self.unproven(place)? {
            Slice::Lent(bytes) => {
                let Some(value) = record::value_of(bytes, header_len, space, key) else {
                    return Ok(None);
                };
                if !record::is_sound(bytes, self.salt) {
                    return Err(self.unsound(place));
                }
                self.proven.add(place);
                Ok(Some(Slice::Lent(value)))
            }
            Slice::Owned(bytes) => {
                let value = record::value_of(&bytes, header_len, space, key);
                let start = value.map(|value| bytes.len() - value.len());
                Ok(start.map(|start| Slice::Owned(bytes.slice(start..))))
            }
        }
    }

    /// What [`value`](Segment::value) lent before.
    pub(crate) fn again(&self, place: Place, key_len: usize) -> Option<&[u8]> {
        let end = u64::from(place.offset) + u64::from(place.len);
        let whole = match &self.source {
            Source::Mapped(view) if end <= self.readable().into() => {
                let bytes = view.bytes(place.offset.into(), place.len as usize);
                Slice::Lent(bytes.ok()?)
            }
            _ => self.stranded_record(place).ok()?,
        };
        match whole {
            Slice::Lent(bytes) => bytes.get(place.header_len() as usize + key_len..),
            Slice::Owned(_) => None,
        }
    }

    /// The whole record at `place`, compared with its sum. Whose it is is for the caller to
    /// see.
    pub(crate) fn record(&self, place: Place) -> Result<Slice<'_>> {
        let record = self.unproven(place)?;
        match record::is_sound(&record, self.salt) {
            true => Ok(record),
            false => Err(self.unsound(place)),
        }
    }

    /// The bytes at `place`; what is lent was not compared with its sum.
    #[inline]
    fn unproven(&self, place: Place) -> Result<Slice<'_>> {
        let end = u64::from(place.offset) + u64::from(place.len);
        if end > self.readable.load(Ordering::Acquire) {
            return self.stranded_record(place);
        }
        match &self.source {
            Source::Mapped(view) => view
                .bytes(place.offset.into(), place.len as usize)
                .map(Slice::Lent)
                .map_err(|error| Error::io("reading a segment's mapping", error)),
            Source::Read(cache) => self.cached(cache, place).map(Slice::Owned),
        }
    }

    #[cold]
    fn unsound(&self, place: Place) -> Error {
        self.damaged(place.offset, "a record does not match its sum")
    }

    #[cold]
    fn other(&self, place: Place) -> Error {
        self.damaged(place.offset, "the record of another key")
    }

    /// Says that the record at `place` will be read in a moment.
    #[inline]
    pub(crate) fn prefetch(&self, place: Place) {
        if let Source::Mapped(view) = &self.source {
            view.prefetch(
                place.offset.into(),
                place.len.min(PREFETCH_BYTES_MAX) as usize,
            );
            self.proven.prefetch(place);
        }
    }

    fn cached(&self, cache: &Cache, place: Place) -> Result<Bytes> {
        let name = (self.id(), place.offset);
        if let Some(bytes) = cache.get(name) {
            return Ok(bytes);
        }
        let mut bytes = vec![0; place.len as usize];
        read_exact_at(&*self.file, &mut bytes, place.offset.into())
            .map_err(|error| Error::io("reading a segment", error))?;
        if !record::is_sound(&bytes, self.salt) {
            return Err(self.unsound(place));
        }
        let bytes = Bytes::from(bytes);
        cache.put(name, bytes.clone());
        Ok(bytes)
    }

    fn stranded_record(&self, place: Place) -> Result<Slice<'_>> {
        let (mut slot, mut found) = (&self.stranded, None);
        while let Some(block) = slot.get() {
            if let Some(start) = place.offset.checked_sub(block.offset) {
                let start = start as usize;
                found = block.bytes.get(start..start + place.len as usize).or(found);
            }
            slot = &block.behind;
        }
        found
            .map(Slice::Lent)
            .ok_or_else(|| self.damaged(place.offset, "a record behind the end of its segment"))
    }
}

/// What the sums of a store's records begin with.
pub(crate) fn salt_of(store: &[u8; 16]) -> u32 {
    crc32fast::hash(store)
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
