//! `meta.state`: which files make up the store, and what of them is certain.
//!
//! It is replaced as a whole: written beside, synced, renamed, and the directory synced. So there
//! is always one whole copy under its name, the old one or the new one.

use std::path::Path;

use disk::{Disk, OpenOptions, read_exact_at, write_all_at};
use kv_api::{Error, Place, Result};

use crate::ids::SegmentId;
use crate::names;
use crate::varint::{take_array, take_fixed_u32, take_fixed_u64};

const MAGIC: [u8; 8] = *b"FlatMeta";
const VERSION: u32 = 1;
/// A store would need 3 million segments to reach this.
const STATE_BYTES_MAX: u64 = 1 << 26;
/// No store writes so many checkpoints: counting on from here never ends.
const CHECKPOINT_MAX: u32 = 1 << 31;

/// One segment, as the state names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentEntry {
    pub(crate) id: SegmentId,
    pub(crate) epoch: u64,
    /// The file's exact length; for the last segment of a store that was not closed, how much of
    /// it is certain.
    pub(crate) len: u32,
    /// Written by a rewrite, in key order: replaying it costs little more than a checkpoint.
    pub(crate) sorted: bool,
}

/// The contents of `meta.state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StateFile {
    pub(crate) store: [u8; 16],
    /// Counts replacements.
    pub(crate) sequence: u64,
    /// The store was closed, and every length is exact.
    pub(crate) clean: bool,
    /// No commit up to here may be applied again.
    pub(crate) last_commit_index: u64,
    pub(crate) next_segment: u32,
    pub(crate) next_space: u32,
    pub(crate) next_checkpoint: u32,
    pub(crate) checkpoint: Option<u32>,
    /// In the order of replay; the last one is written to.
    pub(crate) segments: Vec<SegmentEntry>,
}

impl StateFile {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(96 + 16 * self.segments.len());
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.store);
        bytes.extend_from_slice(&self.sequence.to_le_bytes());
        bytes.extend_from_slice(&u32::from(self.clean).to_le_bytes());
        bytes.extend_from_slice(&self.last_commit_index.to_le_bytes());
        bytes.extend_from_slice(&self.next_segment.to_le_bytes());
        bytes.extend_from_slice(&self.next_space.to_le_bytes());
        bytes.extend_from_slice(&self.next_checkpoint.to_le_bytes());
        bytes.extend_from_slice(&self.checkpoint.unwrap_or(0).to_le_bytes());
        let count = u32::try_from(self.segments.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for segment in &self.segments {
            bytes.extend_from_slice(&segment.id.0.to_le_bytes());
            bytes.extend_from_slice(&segment.epoch.to_le_bytes());
            bytes.extend_from_slice(&segment.len.to_le_bytes());
            bytes.push(segment.sorted.into());
        }
        let sum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<StateFile> {
        let damaged = |what: &str| {
            let place = Place::Offset {
                file: names::STATE.into(),
                offset: 0,
            };
            Error::corrupt(place, what)
        };
        let summed = bytes.split_last_chunk::<4>();
        let (body, sum) = summed.ok_or_else(|| damaged("the file is too short"))?;
        if !body.starts_with(&MAGIC) {
            return Err(damaged("this is no state of a flat store"));
        }
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(damaged("the file does not match its sum"));
        }
        let mut rest = body.get(MAGIC.len()..).unwrap_or_default();
        match take_fixed_u32(&mut rest) {
            Some(VERSION) => {}
            _ => {
                return Err(Error::Unsupported {
                    what: "a flat store of a later version",
                });
            }
        }
        parse(&mut rest).ok_or_else(|| damaged("its contents are malformed"))
    }

    /// The state of the store in `directory`, if it has one.
    pub(crate) fn read(disk: &dyn Disk, directory: &Path) -> Result<Option<StateFile>> {
        let reading = |error| Error::io("reading meta.state", error);
        let file = match disk.open(&directory.join(names::STATE), &OpenOptions::READ) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(reading(error)),
        };
        let len = file.len().map_err(reading)?;
        if len > STATE_BYTES_MAX {
            return Err(Error::corrupt(Place::Store, "meta.state is too long"));
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
        read_exact_at(&*file, &mut bytes, 0).map_err(reading)?;
        StateFile::decode(&bytes).map(Some)
    }

    /// Writes the state beside the old one, durably. Nothing is named by it yet.
    pub(crate) fn write_beside(&self, disk: &dyn Disk, directory: &Path) -> Result<()> {
        let writing = |error| Error::io("writing meta.state", error);
        let path = directory.join(names::STATE_NEW);
        // A crash in the middle of a rename may have left both names for one file: writing to it
        // would write to the state itself.
        match disk.remove(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(writing(error));
            }
            _ => {}
        }
        let file = disk.open(&path, &OpenOptions::NEW).map_err(writing)?;
        let bytes = self.encode();
        write_all_at(&*file, &bytes, 0)
            .and_then(|()| file.sync_all())
            .map_err(writing)
    }

    /// Puts what [`write_beside`](StateFile::write_beside) wrote in the old one's place.
    pub(crate) fn rename(disk: &dyn Disk, directory: &Path) -> Result<()> {
        disk.rename(
            &directory.join(names::STATE_NEW),
            &directory.join(names::STATE),
        )
        .map_err(|error| Error::io("replacing meta.state", error))
    }

    /// Makes the new name durable.
    pub(crate) fn sync_name(disk: &dyn Disk, directory: &Path) -> Result<()> {
        disk.sync_directory(directory)
            .map_err(|error| Error::io("syncing the directory", error))
    }

    /// Both, where a failure ends everything anyway.
    pub(crate) fn switch(disk: &dyn Disk, directory: &Path) -> Result<()> {
        StateFile::rename(disk, directory)?;
        StateFile::sync_name(disk, directory)
    }

    /// The segment that is written to.
    pub(crate) fn active(&self) -> Option<&SegmentEntry> {
        self.segments.last()
    }
}

fn parse(rest: &mut &[u8]) -> Option<StateFile> {
    let mut state = StateFile {
        store: take_array(rest)?,
        sequence: take_fixed_u64(rest)?,
        clean: match take_fixed_u32(rest)? {
            0 => false,
            1 => true,
            _ => return None,
        },
        last_commit_index: take_fixed_u64(rest)?,
        next_segment: take_fixed_u32(rest)?,
        next_space: take_fixed_u32(rest)?,
        next_checkpoint: take_fixed_u32(rest)?,
        checkpoint: Some(take_fixed_u32(rest)?).filter(|number| *number != 0),
        segments: Vec::new(),
    };
    for _ in 0..take_fixed_u32(rest)? {
        state.segments.push(SegmentEntry {
            id: Some(SegmentId(take_fixed_u32(rest)?)).filter(|id| !id.is_unwritten())?,
            epoch: take_fixed_u64(rest)?,
            len: take_fixed_u32(rest)?,
            sorted: match take_array::<1>(rest)? {
                [0] => false,
                [1] => true,
                _ => return None,
            },
        });
    }
    let whole = rest.is_empty() && !state.segments.is_empty() && names_are_fresh(&state);
    whole.then_some(state)
}

/// Whether no file that the state names can be named once more: a file that is made anew is
/// emptied first, and one of these may be mapped.
fn names_are_fresh(state: &StateFile) -> bool {
    let mut ids: Vec<u32> = state.segments.iter().map(|entry| entry.id.0).collect();
    ids.sort_unstable();
    let last = ids.last().copied().unwrap_or(0);
    ids.is_sorted_by(|left, right| left < right)
        && last < state.next_segment
        && state.checkpoint.unwrap_or(0) < state.next_checkpoint
        && state.next_checkpoint <= CHECKPOINT_MAX
}
