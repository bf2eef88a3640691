//! A change to what the store is made of. It happens whole or not at all.

use crate::banned::Banned;
use crate::id::{FileId, Sequence};
use crate::late::Late;
use crate::memtable::LogPlace;
use crate::table::meta::TableMeta;
use crate::version::ValueFileState;
use crate::wire::{Put, Read};

/// One part of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    AddTable(usize, TableMeta),
    RemoveTable(usize, FileId),
    /// Every commit up to this one is in tables.
    Flushed(Sequence),
    /// Commits that are in no table are replayed from here.
    Logs(LogPlace),
    /// No file has this number or a higher one.
    NextFile(FileId),
    /// A value-log file is there, or what is known of it has changed.
    Values(FileId, ValueFileState),
    RemoveValues(FileId),
    /// The store as of a version before this one may be lost in part.
    Discarded(Sequence),
    /// Keys were dropped without deletions being written up to this version.
    Dropped(Sequence),
    /// Records up to a version may lie above newer ones of their keys.
    Late(Late),
    /// From which size on values were last sent to the value log.
    Threshold(u64),
    /// A namespace is banned: its place in keys and its number.
    Ban(usize, u64),
}

/// An edit.
pub(crate) type Edit = Vec<Part>;

fn code(part: &Part) -> u8 {
    match part {
        Part::AddTable(..) => 1,
        Part::RemoveTable(..) => 2,
        Part::Flushed(_) => 3,
        Part::Logs(_) => 4,
        Part::NextFile(_) => 5,
        Part::Values(..) => 6,
        Part::RemoveValues(_) => 7,
        Part::Discarded(_) => 16,
        Part::Dropped(_) => 17,
        Part::Ban(..) => 18,
        Part::Late(_) => 19,
        Part::Threshold(_) => 32,
    }
}

/// Appends the code of `edit`.
pub(crate) fn put(to: &mut Vec<u8>, edit: &[Part]) {
    for part in edit {
        to.push(code(part));
        match part {
            Part::AddTable(level, meta) => {
                to.put_varint(*level as u64);
                meta.put(to);
            }
            Part::RemoveTable(level, id) => {
                to.put_varint(*level as u64);
                to.put_varint(id.0);
            }
            Part::Flushed(sequence) | Part::Discarded(sequence) | Part::Dropped(sequence) => {
                to.put_varint(sequence.0);
            }
            Part::Ban(offset, namespace) => {
                to.put_varint(*offset as u64);
                to.put_varint(*namespace);
            }
            Part::Late(late) => {
                to.put_varint(late.version.0);
                to.put_varint(late.seen.0);
            }
            Part::Threshold(bytes) => to.put_varint(*bytes),
            Part::Logs(place) => {
                to.put_varint(place.wal.0);
                let (file, offset) = place.values.unwrap_or_default();
                to.put_varint(file.0);
                to.put_varint(offset);
            }
            Part::NextFile(id) | Part::RemoveValues(id) => to.put_varint(id.0),
            Part::Values(id, state) => {
                to.put_varint(id.0);
                to.put_varint(state.physical.0);
                to.put_varint(state.len);
                to.put_varint(state.value_bytes);
                to.push(u8::from(state.is_sealed));
            }
        }
    }
}

/// Reads the code of an edit.
pub(crate) fn read(bytes: &[u8]) -> Option<Edit> {
    let mut from = Read::new(bytes);
    let mut edit = Vec::new();
    while !from.is_empty() {
        edit.push(match from.u8()? {
            1 => Part::AddTable(from.length()?, TableMeta::read(&mut from)?),
            2 => Part::RemoveTable(from.length()?, FileId(from.varint()?)),
            3 => Part::Flushed(Sequence(from.varint()?)),
            4 => {
                let wal = FileId(from.varint()?);
                let (file, offset) = (FileId(from.varint()?), from.varint()?);
                let values = (file.0 != 0).then_some((file, offset));
                Part::Logs(LogPlace { wal, values })
            }
            5 => Part::NextFile(FileId(from.varint()?)),
            6 => Part::Values(
                FileId(from.varint()?),
                ValueFileState {
                    physical: FileId(from.varint()?),
                    len: from.varint()?,
                    value_bytes: from.varint()?,
                    is_sealed: from.u8()? != 0,
                },
            ),
            32 => Part::Threshold(from.varint()?),
            7 => Part::RemoveValues(FileId(from.varint()?)),
            16 => Part::Discarded(Sequence(from.varint()?)),
            17 => Part::Dropped(Sequence(from.varint()?)),
            18 => Part::Ban(from.length()?, from.varint()?),
            19 => Part::Late(Late {
                version: Sequence(from.varint()?),
                seen: Sequence(from.varint()?),
            }),
            _ => return None,
        });
    }
    Some(edit)
}

/// Bans as parts of an edit.
pub(crate) fn bans(banned: &Banned) -> impl Iterator<Item = Part> {
    let offset = banned.offset;
    let namespaces = banned.namespaces.iter();
    namespaces.map(move |namespace| Part::Ban(offset, *namespace))
}
