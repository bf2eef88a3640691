//! A commit as one record of a log.

use crate::crypt::cipher::Opener;
use crate::entry::{Entry, Extra, Kind};
use crate::id::{FileId, Sequence};
use crate::log::record::Record;
use crate::pointer::{Pointer, value_checksum};
use crate::wire::{Put, Read};

/// Set where a record's value stays in the value log and is only pointed at.
const STAYS: u8 = 0x80;

/// What a record in a log is, by its first byte.
const COMMIT: u8 = 1;
const VALUES: u8 = 2;
/// A commit that says which one it follows: not the one with the number before its own.
const COMMIT_BEHIND: u8 = 3;

/// A change to one key, as a transaction made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub key: &'a [u8],
    /// The new value; none deletes the key.
    pub value: Option<&'a [u8]>,
    pub extra: Extra,
}

/// Begins the record of a commit of `count` changes, with the version before it and its own.
pub(crate) fn begin(to: &mut Vec<u8>, (last, sequence): (Sequence, Sequence), count: usize) {
    if sequence == last.next() {
        to.push(COMMIT);
    } else {
        to.push(COMMIT_BEHIND);
        to.put_varint(last.0);
    }
    to.put_varint(count as u64);
}

/// Appends a change. A value that stays in the log is only announced: it follows the head.
pub(crate) fn put(to: &mut Vec<u8>, change: &Change<'_>, stays: bool) {
    let kind = match change.value {
        Some(_) => Kind::Put,
        None => Kind::Delete,
    };
    let flag = if stays { STAYS } else { 0 };
    to.push(change.extra.first_byte(kind) | flag);
    change.extra.put(to);
    let value = change.value.unwrap_or_default();
    to.put_varint(change.key.len() as u64);
    to.put_varint(value.len() as u64);
    to.extend_from_slice(change.key);
    if !stays {
        to.extend_from_slice(value);
    }
}

/// Begins a record of values that tables written later point at; it is no commit.
pub(crate) fn begin_values(to: &mut Vec<u8>) {
    to.push(VALUES);
}

/// A change as a head tells it.
struct Told<'a> {
    kind: Kind,
    extra: Extra,
    key: &'a [u8],
    value_len: usize,
    /// The value, unless it stays in the log.
    value: Option<&'a [u8]>,
}

fn tell<'a>(read: &mut Read<'a>) -> Option<Told<'a>> {
    let first = read.u8()?;
    let kind = Kind::from_code(first)?;
    let extra = Extra::read(first & !STAYS, read)?;
    let (key_len, value_len) = (read.length()?, read.length()?);
    let key = read.take(key_len)?;
    let value = if first & STAYS == 0 {
        Some(read.take(value_len)?)
    } else {
        None
    };
    Some(Told {
        kind,
        extra,
        key,
        value_len,
        value,
    })
}

/// Bytes of the head of a commit's record, which `bytes` begin with.
fn head_len(bytes: &[u8]) -> Option<usize> {
    let mut read = Read::new(bytes);
    if read.u8()? == COMMIT_BEHIND {
        read.varint()?;
    }
    for _ in 0..read.varint()? {
        tell(&mut read)?;
    }
    Some(bytes.len() - read.left())
}

/// Whether a record is values alone, whose number it does not say.
pub(crate) fn is_values(record: &Record) -> bool {
    record.head().first() == Some(&VALUES)
}

/// Bytes of the values that stay in the log with this record; of values alone in a sealed file,
/// the bytes that seal them too.
pub(crate) fn staying_bytes(record: &Record) -> u64 {
    let mut read = Read::new(record.head());
    let mut counted = || {
        match read.u8()? {
            COMMIT => {}
            COMMIT_BEHIND => drop(read.varint()?),
            VALUES => return Some(record.len() as u64 - 1),
            _ => return None,
        }
        let mut bytes = 0;
        for _ in 0..read.varint()? {
            let told = tell(&mut read)?;
            bytes += if told.value.is_none() {
                told.value_len as u64
            } else {
                0
            };
        }
        Some(bytes)
    };
    counted().unwrap_or(0)
}

/// Calls `each` with every change of a record of the log `file`, as the memtable takes it: where a
/// value stays in the log, with its pointer. `None` if the record is not one of ours.
pub(crate) fn replay(
    record: &Record,
    opener: Option<&Opener>,
    file: FileId,
    sequence: Sequence,
    mut each: impl FnMut(&Entry<'_>),
) -> Option<u64> {
    let mut read = Read::new(record.head());
    match read.u8()? {
        COMMIT => {}
        COMMIT_BEHIND => drop(read.varint()?),
        VALUES => return Some(0),
        _ => return None,
    }
    let mut values = record.values(head_len(record.head())?, opener);
    let count = read.varint()?;
    let mut code = Vec::new();
    for _ in 0..count {
        let told = tell(&mut read)?;
        let mut entry = Entry {
            key: told.key,
            sequence,
            kind: told.kind,
            extra: told.extra,
            value: told.value.unwrap_or_default(),
        };
        if told.value.is_none() {
            let (offset, checksum) = values.next(told.value_len, value_checksum)?;
            let pointer = Pointer {
                file,
                offset,
                len: told.value_len as u64,
                checksum,
            };
            code.clear();
            pointer.put(&mut code);
            entry.kind = Kind::Pointer;
            entry.value = &code;
        }
        each(&entry);
    }
    values.is_empty().then_some(count)
}

/// The version that the commit with `sequence` follows; none for a record that is no commit.
pub(crate) fn predecessor(record: &Record, sequence: Sequence) -> Option<Sequence> {
    let mut read = Read::new(record.head());
    match read.u8()? {
        COMMIT => sequence.0.checked_sub(1).map(Sequence),
        COMMIT_BEHIND => read.varint().map(Sequence),
        _ => None,
    }
}
