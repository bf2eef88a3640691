//! The record a commit swings: 64 bytes behind the header of page 0 or page 1.
//!
//! Invariants:
//! * the checksum covers the 56 bytes before it, so a torn record does not validate;
//! * the valid record with the higher transaction number is the current one.

use crate::id::{PageId, TxId};
use crate::page::{HEADER_BYTES, PageKind, write_header};
use crate::wire::{u32_at, u64_at};
use crate::{Error, Result};

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
/// Bytes of the record.
pub const META_BYTES: usize = 64;
/// Bytes written when a meta is: the record and the page header before it.
pub const META_WRITE_BYTES: usize = HEADER_BYTES + META_BYTES;
const CHECKED_BYTES: usize = 56;

/// The freelist field of a file that stores no freelist: readers walk the tree instead.
pub const NO_FREELIST: PageId = PageId(u64::MAX);

/// One of the two places a meta can stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Page 0.
    Zero,
    /// Page 1.
    One,
}

impl Slot {
    /// The slot bbolt writes for this transaction.
    pub fn of(txid: TxId) -> Slot {
        if txid.0.is_multiple_of(2) {
            Slot::Zero
        } else {
            Slot::One
        }
    }

    /// The page.
    pub fn page(self) -> PageId {
        match self {
            Slot::Zero => PageId(0),
            Slot::One => PageId(1),
        }
    }

    /// The other slot.
    pub fn other(self) -> Slot {
        match self {
            Slot::Zero => Slot::One,
            Slot::One => Slot::Zero,
        }
    }
}

/// What one version of the file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meta {
    /// Bytes per page.
    pub page_bytes: u32,
    /// Never read; kept because other tools set it.
    pub flags: u32,
    /// Root page of the top bucket.
    pub root: PageId,
    /// Sequence of the top bucket, carried along.
    pub root_sequence: u64,
    /// First page of the stored freelist, or [`NO_FREELIST`].
    pub freelist: PageId,
    /// The first page number never used: the file's logical length in pages.
    pub high_water: PageId,
    /// The transaction that wrote this.
    pub txid: TxId,
}

impl Meta {
    /// Reads and validates the record at the beginning of `record` (behind the page header).
    ///
    /// # Errors
    ///
    /// Says which of magic, version and checksum is wrong, in that order.
    pub fn decode(record: &[u8]) -> Result<Meta> {
        let invalid = || Error::file("invalid database");
        if u32_at(record, 0).ok_or_else(invalid)? != MAGIC {
            return Err(invalid());
        }
        if u32_at(record, 4).ok_or_else(invalid)? != VERSION {
            return Err(Error::file("version mismatch"));
        }
        let checked = record.get(..CHECKED_BYTES).ok_or_else(invalid)?;
        if u64_at(record, CHECKED_BYTES).ok_or_else(invalid)? != fnv_1a(checked) {
            return Err(Error::file("checksum error"));
        }
        let word = |at| u64_at(record, at).ok_or_else(invalid);
        Ok(Meta {
            page_bytes: u32_at(record, 8).ok_or_else(invalid)?,
            flags: u32_at(record, 12).ok_or_else(invalid)?,
            root: PageId(word(16)?),
            root_sequence: word(24)?,
            freelist: PageId(word(32)?),
            high_water: PageId(word(40)?),
            txid: TxId(word(48)?),
        })
    }

    /// The record, checksum included.
    pub fn encode(&self) -> [u8; META_BYTES] {
        let pair = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
        let fields = [
            pair(MAGIC, VERSION),
            pair(self.page_bytes, self.flags),
            self.root.0,
            self.root_sequence,
            self.freelist.0,
            self.high_water.0,
            self.txid.0,
            0,
        ];
        let mut record = [0; META_BYTES];
        for (to, field) in record.as_chunks_mut().0.iter_mut().zip(fields) {
            *to = field.to_le_bytes();
        }
        let (checked, checksum) = record.split_at_mut(CHECKED_BYTES);
        checksum.copy_from_slice(&fnv_1a(checked).to_le_bytes());
        record
    }

    /// What is written of page `id` when it becomes this meta: the header and the record. The rest
    /// of the page is zeros since the file was made, and nobody reads it.
    pub fn record(&self, id: PageId) -> [u8; META_WRITE_BYTES] {
        let mut written = [0; META_WRITE_BYTES];
        write_header(&mut written, id, PageKind::Meta, 0, 0);
        if let Some(record) = written.last_chunk_mut() {
            *record = self.encode();
        }
        written
    }

    /// The checksum this record carries on disk.
    pub fn checksum(&self) -> u64 {
        u64_at(&self.encode(), CHECKED_BYTES).unwrap_or_default()
    }

    /// A whole page that holds this record, for page `id`.
    pub fn page_image(&self, id: PageId) -> Vec<u8> {
        let page_bytes = usize::try_from(self.page_bytes).unwrap_or(usize::MAX);
        let mut image = vec![0; page_bytes.max(META_WRITE_BYTES)];
        if let Some(written) = image.first_chunk_mut() {
            *written = self.record(id);
        }
        image
    }

    /// Whether the numbers in the record make sense for a file of `file_bytes`.
    pub fn check_against_file(&self, file_bytes: u64) -> Result<()> {
        let needed = self.high_water.0.checked_mul(u64::from(self.page_bytes));
        if needed.is_none_or(|needed| needed > file_bytes) {
            return Err(Error::file(format!(
                "the file has {file_bytes} bytes but {} pages of {} bytes are in use",
                self.high_water.0, self.page_bytes
            )));
        }
        let in_file = |id: PageId| id.0 >= 2 && id < self.high_water;
        if !in_file(self.root) {
            return Err(Error::page(
                self.root,
                "the root page lies outside the file",
            ));
        }
        if self.freelist != NO_FREELIST && !in_file(self.freelist) {
            return Err(Error::page(
                self.freelist,
                "the freelist lies outside the file",
            ));
        }
        Ok(())
    }
}

/// FNV-1a, 64 bits: the format's checksum.
fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(root: u64, freelist: u64, high_water: u64, txid: u64) -> Meta {
        Meta {
            page_bytes: 4096,
            flags: 0,
            root: PageId(root),
            root_sequence: 0,
            freelist: PageId(freelist),
            high_water: PageId(high_water),
            txid: TxId(txid),
        }
    }

    #[test]
    fn checksums_are_those_of_bbolt() {
        assert_eq!(meta(3, 2, 4, 0).checksum(), 0x0751_6e11_4689_fdee);
        assert_eq!(meta(3, 2, 4, 1).checksum(), 0x264c_351a_5179_480f);
        assert_eq!(meta(4, 5, 6, 2).checksum(), 0xeef9_6d7a_2c1b_336e);
    }

    #[test]
    fn a_record_reads_back_and_any_flipped_bit_is_seen() -> Result<()> {
        let record = meta(4, 5, 6, 2).encode();
        assert_eq!(Meta::decode(&record)?, meta(4, 5, 6, 2));
        for bit in 0..META_BYTES * 8 {
            let mut flipped = record;
            if let Some(byte) = flipped.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            assert!(Meta::decode(&flipped).is_err(), "bit {bit}");
        }
        Ok(())
    }
}
