//! What the manifest knows of a table.

use crate::id::{FileId, Sequence};
use crate::wire::{Put, Read};

/// A table's references to one file of the value log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub file: FileId,
    /// Values pointed at.
    pub values: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// A table, described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableMeta {
    pub id: FileId,
    /// Bytes of the file.
    pub bytes: u64,
    /// Stored keys.
    pub smallest: Vec<u8>,
    pub biggest: Vec<u8>,
    pub min_sequence: Sequence,
    pub max_sequence: Sequence,
    pub entries: u64,
    /// Distinct keys.
    pub keys: u64,
    pub tombstones: u64,
    /// Bytes of keys and values before compression.
    pub raw_bytes: u64,
    /// The earliest and the latest time at which a record expires; 0 where none does.
    pub expires_min: u64,
    pub expires_max: u64,
    /// Records that never expire.
    pub lasting: u64,
    /// Ascending by file.
    pub references: Vec<Reference>,
}

impl TableMeta {
    pub fn put(&self, to: &mut Vec<u8>) {
        for number in [
            self.id.0,
            self.bytes,
            self.min_sequence.0,
            self.max_sequence.0,
            self.entries,
            self.keys,
            self.tombstones,
            self.raw_bytes,
            self.expires_min,
            self.expires_max,
            self.lasting,
        ] {
            to.put_varint(number);
        }
        to.put_bytes(&self.smallest);
        to.put_bytes(&self.biggest);
        to.put_varint(self.references.len() as u64);
        for reference in &self.references {
            to.put_varint(reference.file.0);
            to.put_varint(reference.values);
            to.put_varint(reference.bytes);
        }
    }

    pub fn read(from: &mut Read<'_>) -> Option<TableMeta> {
        let mut meta = TableMeta {
            id: FileId(from.varint()?),
            bytes: from.varint()?,
            min_sequence: Sequence(from.varint()?),
            max_sequence: Sequence(from.varint()?),
            entries: from.varint()?,
            keys: from.varint()?,
            tombstones: from.varint()?,
            raw_bytes: from.varint()?,
            expires_min: from.varint()?,
            expires_max: from.varint()?,
            lasting: from.varint()?,
            smallest: from.bytes()?.to_vec(),
            biggest: from.bytes()?.to_vec(),
            references: Vec::new(),
        };
        for _ in 0..from.varint()? {
            meta.references.push(Reference {
                file: FileId(from.varint()?),
                values: from.varint()?,
                bytes: from.varint()?,
            });
        }
        Some(meta)
    }

    /// Whether the table's keys overlap `start..=end`.
    pub fn overlaps(&self, start: &[u8], end: &[u8]) -> bool {
        self.smallest.as_slice() <= end && start <= self.biggest.as_slice()
    }

    /// How much of the records are deletions, or have all expired by `now`, in percent.
    pub fn waste_share(&self, now: u64) -> u64 {
        let have_expired = self.expires_max != 0 && self.expires_max <= now;
        let expired = if have_expired {
            self.entries.saturating_sub(self.lasting)
        } else {
            0
        };
        let waste = self.tombstones.saturating_add(expired);
        waste.saturating_mul(100) / self.entries.max(1)
    }

    pub fn covers(&self, key: &[u8]) -> bool {
        self.overlaps(key, key)
    }

    /// Bytes of the value log that the table's records point at.
    pub fn referenced_bytes(&self) -> u64 {
        self.references
            .iter()
            .map(|reference| reference.bytes)
            .sum()
    }
}
