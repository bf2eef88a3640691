//! A view that reads instead of mapping: for untrusted files, for interpreters without mappings,
//! and for disks that are not files.
//!
//! Invariants:
//! * a block once read is never changed, moved or dropped before the view, so slices of it may be
//!   lent for as long as the view lives;
//! * a view never holds more than twice the bytes it covers, whatever it is asked for: honest
//!   callers ask for each block alone and then for runs of blocks that do not overlap.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crate::{File, View, read_exact_at};

/// Blocks per group, and groups of groups: the table grows by need, not by the file's length.
const FAN_OUT: usize = 512;

type Slot = OnceLock<Box<[u8]>>;
type Group = OnceLock<Box<[Slots]>>;

/// What has been read at one block: the block alone, and a longer run that begins there.
#[derive(Default)]
struct Slots {
    block: Slot,
    run: Slot,
}

/// A view over positional reads.
pub struct ReadView {
    file: Arc<dyn File>,
    len: u64,
    block_bytes: u64,
    groups: Box<[OnceLock<Box<[Group]>>]>,
    held_bytes: AtomicU64,
}

impl ReadView {
    /// A view of the first `len` bytes of `file`, read in blocks of `block_bytes`. Slices are
    /// lent from block boundaries.
    pub fn new(file: Arc<dyn File>, len: u64, block_bytes: u64) -> ReadView {
        let block_bytes = block_bytes.max(1);
        let groups = len
            .div_ceil(block_bytes)
            .div_ceil((FAN_OUT * FAN_OUT) as u64);
        // A table entry stands for 256 Ki blocks, so this stays small: 4 KiB for a 128 GiB file.
        let groups = (0..groups).map(|_| OnceLock::new()).collect();
        ReadView {
            file,
            len,
            block_bytes,
            groups,
            held_bytes: AtomicU64::new(0),
        }
    }

    fn slots(&self, block: u64) -> io::Result<&Slots> {
        let end = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let block = usize::try_from(block).map_err(|_| end())?;
        let outer = self
            .groups
            .get(block / (FAN_OUT * FAN_OUT))
            .ok_or_else(end)?;
        let outer = outer.get_or_init(|| (0..FAN_OUT).map(|_| OnceLock::new()).collect());
        let inner = outer.get(block / FAN_OUT % FAN_OUT).ok_or_else(end)?;
        let inner = inner.get_or_init(|| (0..FAN_OUT).map(|_| Slots::default()).collect());
        inner.get(block % FAN_OUT).ok_or_else(end)
    }

    fn fill<'a>(&self, slot: &'a Slot, offset: u64, len: usize) -> io::Result<&'a [u8]> {
        if let Some(bytes) = slot.get() {
            return Ok(bytes);
        }
        let held = self.held_bytes.fetch_add(len as u64, Ordering::Relaxed) + len as u64;
        if held > self.len.saturating_mul(2).saturating_add(self.block_bytes) {
            self.held_bytes.fetch_sub(len as u64, Ordering::Relaxed);
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "runs of blocks overlap",
            ));
        }
        let mut bytes = vec![0; len];
        read_exact_at(&*self.file, &mut bytes, offset)?;
        Ok(slot.get_or_init(|| bytes.into_boxed_slice()))
    }
}

impl View for ReadView {
    fn len(&self) -> u64 {
        self.len
    }

    fn bytes(&self, offset: u64, len: usize) -> io::Result<&[u8]> {
        let end = offset
            .checked_add(len as u64)
            .filter(|end| *end <= self.len);
        if end.is_none() || !offset.is_multiple_of(self.block_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let slots = self.slots(offset / self.block_bytes)?;
        let slot = if len as u64 <= self.block_bytes {
            &slots.block
        } else {
            &slots.run
        };
        // A block is read whole, so that any shorter question finds its answer in it.
        let whole = if len as u64 <= self.block_bytes {
            self.block_bytes.min(self.len - offset)
        } else {
            len as u64
        };
        let whole = usize::try_from(whole).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let bytes = self.fill(slot, offset, whole)?;
        let longer = || io::Error::new(io::ErrorKind::InvalidData, "a run has two lengths");
        bytes.get(..len).ok_or_else(longer)
    }

    fn follows_writes(&self) -> bool {
        false
    }
}

impl fmt::Debug for ReadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadView")
            .field("file", &self.file)
            .field("len", &self.len)
            .finish()
    }
}
