//! The index over values in a checkpoint: a stored index, cut into entries.

use std::io::{self, Write};

use kv_api::{Error, Result};
use roaring::RoaringBitmap;

use crate::blocks::BlockWriter;
use crate::ids::KeyId;
use crate::search::SearchIndex;
use crate::stream::take_prefixed;
use crate::value_view::KnownValues;
use crate::varint::{self, take_u32};

/// A piece of the index over values.
const VALUES: u8 = 4;
/// The number of a row that it does not know.
const UNKNOWN: u8 = 5;
/// It gave up while it was written.
const UNUSABLE: u8 = 6;

/// Writes the index over values, for the rows with these ids in a version of `commit_index`.
pub(crate) fn write_values(
    tokens: &SearchIndex,
    ids: &[KeyId],
    commit_index: u64,
    writer: &mut BlockWriter<'_>,
) -> Result<()> {
    let ids_end = ids.iter().map(|id| id.0 as usize + 1).max().unwrap_or(0);
    let mut numbers = vec![0u32; ids_end];
    for (id, number) in ids.iter().zip(1u32..) {
        if let Some(slot) = numbers.get_mut(id.0 as usize) {
            *slot = number;
        }
    }
    let number_of = |id: u32| {
        numbers
            .get(id as usize)
            .copied()
            .filter(|number| *number != 0)
    };
    let end = u32::try_from(ids.len())
        .unwrap_or(u32::MAX)
        .saturating_add(1);
    let written = tokens.write_renumbered(&mut Pieces { writer }, end, &number_of);
    written.map_err(|error| Error::io("writing a checkpoint", error))?;
    // Asked for last: what is not among these was the same all the time.
    for id in tokens.changed_after(commit_index) {
        if let Some(number) = number_of(id) {
            writer.block.push(UNKNOWN);
            varint::push(&mut writer.block, number.into());
            writer.end_entry()?;
        }
    }
    if !tokens.is_complete() {
        writer.block.push(UNUSABLE);
    }
    Ok(())
}

/// Writes bytes as entries.
struct Pieces<'w, 'a> {
    writer: &'w mut BlockWriter<'a>,
}

impl Write for Pieces<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.block.push(VALUES);
        varint::push(&mut self.writer.block, bytes.len() as u64);
        self.writer.block.extend_from_slice(bytes);
        self.writer.end_entry().map_err(io::Error::from)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The index over values, as it is read piece by piece.
#[derive(Default)]
pub(crate) struct StoredValues {
    bytes: Vec<u8>,
    unknown: RoaringBitmap,
    unusable: bool,
}

impl StoredValues {
    /// Whether entries with this tag are part of it.
    pub(crate) fn has(tag: u8) -> bool {
        matches!(tag, VALUES | UNKNOWN | UNUSABLE)
    }

    /// Whether all of it can be read.
    pub(crate) fn verify(self) -> Result<(), String> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let read = SearchIndex::read_without(&self.bytes, &self.unknown);
        read.map(drop).map_err(|error| error.to_string())
    }

    /// The index, if it is there, for so many rows.
    pub(crate) fn read(self, rows: usize) -> Result<Option<KnownValues>, String> {
        if self.bytes.is_empty() || self.unusable {
            return Ok(None);
        }
        // A list is read late only as it stands.
        let tokens = match self.unknown.is_empty() {
            true => SearchIndex::read_late(self.bytes),
            false => SearchIndex::read_without(&self.bytes, &self.unknown),
        };
        let tokens = tokens.map_err(|error| error.to_string())?;
        if tokens.ids_end() as usize != rows + 1 {
            return Err("the value index is of other rows".into());
        }
        Ok(Some(KnownValues {
            tokens,
            unknown: self.unknown,
        }))
    }
}

pub(crate) fn take_values(
    tag: u8,
    rest: &mut &[u8],
    values: Option<&mut StoredValues>,
) -> Option<()> {
    let mut unwanted = StoredValues::default();
    let values = values.unwrap_or(&mut unwanted);
    match tag {
        VALUES => values.bytes.extend_from_slice(take_prefixed(rest)?),
        UNKNOWN => drop(values.unknown.insert(take_u32(rest)?)),
        _ => values.unusable = true,
    }
    Some(())
}
