//! A commit as one record of a log.

use crate::entry::{Entry, Extra, Kind};
use crate::id::{FileId, Sequence};
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

/// Appends a change; answers where in `to` its value begins.
pub(crate) fn put(to: &mut Vec<u8>, change: &Change<'_>, stays: bool) -> usize {
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
    let start = to.len();
    to.extend_from_slice(value);
    start
}

/// Begins a record of values that tables written later point at; it is no commit.
pub(crate) fn begin_values(to: &mut Vec<u8>) {
    to.push(VALUES);
}

/// Calls `each` with every change of the record `bytes`, as the memtable takes it. Where a value
/// stays in the log, `file` and the record's offset there make its pointer. `None` if the record
/// is not one of ours.
pub(crate) fn replay(
    bytes: &[u8],
    file: FileId,
    offset: u64,
    sequence: Sequence,
    mut each: impl FnMut(&Entry<'_>),
) -> Option<u64> {
    let mut read = Read::new(bytes);
    match read.u8()? {
        COMMIT => {}
        COMMIT_BEHIND => drop(read.varint()?),
        VALUES => return Some(0),
        _ => return None,
    }
    let count = read.varint()?;
    let mut code = Vec::new();
    for _ in 0..count {
        let first = read.u8()?;
        let kind = Kind::from_code(first)?;
        let extra = Extra::read(first & !STAYS, &mut read)?;
        let (key_len, value_len) = (read.length()?, read.length()?);
        let key = read.take(key_len)?;
        let at = bytes.len() - read.left();
        let value = read.take(value_len)?;
        let mut entry = Entry {
            key,
            sequence,
            kind,
            extra,
            value,
        };
        if first & STAYS != 0 {
            let pointer = Pointer {
                file,
                offset: offset.checked_add(at as u64)?,
                len: value.len() as u64,
                checksum: value_checksum(value),
            };
            code.clear();
            pointer.put(&mut code);
            entry.kind = Kind::Pointer;
            entry.value = &code;
        }
        each(&entry);
    }
    read.is_empty().then_some(count)
}

/// The version that the commit with `sequence` follows; none for a record that is no commit.
pub(crate) fn predecessor(bytes: &[u8], sequence: Sequence) -> Option<Sequence> {
    let mut read = Read::new(bytes);
    match read.u8()? {
        COMMIT => sequence.0.checked_sub(1).map(Sequence),
        COMMIT_BEHIND => read.varint().map(Sequence),
        _ => None,
    }
}
