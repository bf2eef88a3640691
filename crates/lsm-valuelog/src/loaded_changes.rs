//! What of a bulk load is of interest to a subscription, read back from the load's tables.

use std::sync::Arc;

use kv_api::Result;

use crate::entry::{Entry, Kind};
use crate::id::Sequence;
use crate::key::{StoredRange, after, split, stored};
use crate::log::commit::Change;
use crate::spaces;
use crate::subscribers::{Changed, Interest, bytes_of, changed};
use crate::table::cursor::RunCursor;
use crate::table::reader::Table;
use crate::version::Version;

/// The changes of a load that are of interest, by key and of each the newest; none if they take more
/// than so many bytes, or cannot be read. Learns what the load says about the space.
///
/// Only ranges of keys that a pattern allows are read, so what is of no interest costs nothing,
/// unless a pattern begins with a byte that may be any.
pub(crate) fn changes_of(
    version: &Version,
    tables: &[Arc<Table>],
    interest: &mut Interest,
    bytes_max: usize,
) -> Option<Vec<Changed>> {
    let read = read(version, tables, interest, bytes_max);
    read.unwrap_or_else(|error| {
        tracing::warn!(%error, "a bulk load could not be told");
        None
    })
}

fn read(
    version: &Version,
    tables: &[Arc<Table>],
    interest: &mut Interest,
    bytes_max: usize,
) -> Result<Option<Vec<Changed>>> {
    let mut cursor = RunCursor::in_passing(tables);
    let newest = Sequence(u64::MAX);
    if let Some(name) = &interest.space {
        let record = spaces::record_key(name);
        cursor.seek(&record, newest)?;
        if let Some(entry) = cursor.entry().filter(|entry| entry.key == record) {
            interest.number = Some(spaces::decode(entry.value)?);
        }
    }
    let Some(number) = interest.number else {
        return Ok(Some(Vec::new()));
    };
    let (mut wanted, mut bytes) = (Vec::new(), 0);
    // What the next key must not be below: no key is told twice, though ranges overlap.
    let mut from = Vec::new();
    for range in ranges(interest, number) {
        cursor.seek(&range.start.max(from.clone()), newest)?;
        while let Some(entry) = cursor.entry().filter(|entry| entry.key < &range.end[..]) {
            let is_first = from.as_slice() <= entry.key;
            if is_first && !version.hides(entry.key) {
                let change = told(version, interest, &entry)?;
                bytes += change.as_ref().map_or(0, bytes_of);
                wanted.extend(change);
            }
            if bytes > bytes_max {
                return Ok(None);
            }
            if is_first {
                from = after(entry.key.to_vec());
            }
            cursor.next()?;
        }
    }
    Ok(Some(wanted))
}

/// Where keys of interest may be, ascending by their beginnings.
fn ranges(interest: &Interest, number: u64) -> Vec<StoredRange> {
    let literals = interest.patterns.iter().map(|pattern| pattern.literal());
    let mut ranges: Vec<StoredRange> = literals
        .map(|literal| StoredRange::prefix(&stored(number, &literal)))
        .collect();
    ranges.sort_by(|a, b| a.start.cmp(&b.start));
    ranges
}

fn told(version: &Version, interest: &Interest, entry: &Entry<'_>) -> Result<Option<Changed>> {
    let Some((_, key)) = split(entry.key) else {
        return Ok(None);
    };
    if !interest.patterns.iter().any(|pattern| pattern.matches(key)) {
        return Ok(None);
    }
    let tell = |value: Option<&[u8]>| {
        let change = Change {
            key: entry.key,
            value,
            extra: entry.extra,
        };
        Some(changed(key, &change))
    };
    Ok(match entry.kind {
        Kind::Delete => tell(None),
        Kind::Put => tell(Some(entry.value)),
        Kind::Pointer => tell(Some(&version.value(entry.value)?)),
    })
}
