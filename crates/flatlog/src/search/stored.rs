//! The value index in a checkpoint.
//!
//! `MAGIC ids_end:u32 tokens:u32 token* crc32:u32`, little-endian; a token is `length bytes count
//! difference*`, its numbers LEB128 varints, the tokens and the ids of each ascending. The
//! checksum covers all before it. Commit indexes of changes are not stored: what is read back
//! serves snapshots begun later only.

use std::fmt;
use std::io::{self, Write};

use crate::search::dictionary::Dictionary;
use crate::search::index::SearchIndex;
use crate::search::posting::Posting;

const MAGIC: &[u8; 8] = b"flatidx\x01";

/// How many bytes are gathered before they are written.
const BUFFER_BYTES: usize = 1 << 16;

/// Bytes that are not a stored index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DamagedIndex {
    /// Where, in bytes from the index's beginning.
    pub offset: usize,
    /// What is wrong there.
    pub what: &'static str,
}

impl fmt::Display for DamagedIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} at byte {} of the value index",
            self.what, self.offset
        )
    }
}

impl std::error::Error for DamagedIndex {}

impl SearchIndex {
    /// Writes the index to `to`. The caller keeps the writer still meanwhile; readers go on.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        self.write().dictionary.sort();
        let parts = self.read();
        let mut out = Checked::new(to);
        let live = parts.postings.iter().filter(|list| list.len() > 0).count();
        out.buffer.extend_from_slice(MAGIC);
        out.buffer
            .extend_from_slice(&parts.changes.ids_end().to_le_bytes());
        let live = u32::try_from(live).unwrap_or(u32::MAX);
        out.buffer.extend_from_slice(&live.to_le_bytes());
        for number in parts.dictionary.in_order() {
            let Some(list) = parts.postings.get(number.0 as usize) else {
                continue;
            };
            if list.len() == 0 {
                continue;
            }
            let token = parts.dictionary.token(number);
            put_number(&mut out.buffer, token.len() as u64);
            out.buffer.extend_from_slice(token);
            put_number(&mut out.buffer, list.len());
            let mut next = 0;
            list.for_each(|id| {
                put_number(&mut out.buffer, u64::from(id - next));
                next = id.saturating_add(1);
            });
            out.flush_when_full()?;
        }
        out.finish()
    }

    /// Reads what [`write_to`](SearchIndex::write_to) wrote. Memory grows with what is really
    /// there, never by a length alone.
    ///
    /// ```
    /// use flatlog::search::{KeyId, SearchIndex};
    /// let index = SearchIndex::new();
    /// index.insert(KeyId(7), b"disk full", 1);
    /// let mut bytes = Vec::new();
    /// index.write_to(&mut bytes).unwrap();
    /// assert_eq!(SearchIndex::read_from(&bytes).unwrap().tokens(), 2);
    /// bytes[20] ^= 1;
    /// assert!(SearchIndex::read_from(&bytes).is_err());
    /// ```
    pub fn read_from(bytes: &[u8]) -> Result<SearchIndex, DamagedIndex> {
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
            return Err(damage(0, "no checksum"));
        };
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(damage(body.len(), "a wrong checksum"));
        }
        let mut input = Input { bytes: body, at: 0 };
        if input.take(MAGIC.len())? != MAGIC {
            return Err(damage(0, "another format or version"));
        }
        let ids_end = input.fixed()?;
        let tokens = input.fixed()?;
        let mut dictionary = Dictionary::new();
        let mut postings = Vec::new();
        let mut before: &[u8] = &[];
        for _ in 0..tokens {
            let token = input.token(before)?;
            let list = input.posting(ids_end)?;
            if dictionary.find_or_add(token).is_none() {
                return Err(damage(input.at, "more tokens than an index holds"));
            }
            postings.push(list);
            before = token;
        }
        if input.at != body.len() {
            return Err(damage(input.at, "bytes behind the last token"));
        }
        Ok(SearchIndex::with_parts(dictionary, postings, ids_end))
    }
}

/// Writes through a buffer, and keeps the checksum.
struct Checked<'a, W: Write> {
    to: &'a mut W,
    sum: crc32fast::Hasher,
    buffer: Vec<u8>,
}

impl<'a, W: Write> Checked<'a, W> {
    fn new(to: &'a mut W) -> Checked<'a, W> {
        Checked {
            to,
            sum: crc32fast::Hasher::new(),
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
        }
    }

    fn flush_when_full(&mut self) -> io::Result<()> {
        if self.buffer.len() < BUFFER_BYTES {
            return Ok(());
        }
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sum.update(&self.buffer);
        self.to.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        let sum = self.sum.finalize();
        self.to.write_all(&sum.to_le_bytes())
    }
}

fn put_number(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(low_bits(number) | 0x80);
        number >>= 7;
    }
    to.push(low_bits(number));
}

fn low_bits(number: u64) -> u8 {
    let [low, ..] = number.to_le_bytes();
    low & 0x7F
}

fn damage(offset: usize, what: &'static str) -> DamagedIndex {
    DamagedIndex { offset, what }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], DamagedIndex> {
        let end = self.at.checked_add(len);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or(damage(self.at, "an end too early"))?;
        self.at += len;
        Ok(taken)
    }

    fn fixed(&mut self) -> Result<u32, DamagedIndex> {
        let bytes = self.take(4)?.first_chunk::<4>().copied();
        Ok(bytes.map_or(0, u32::from_le_bytes))
    }

    fn number(&mut self) -> Result<u64, DamagedIndex> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let &byte = self.take(1)?.first().unwrap_or(&0);
            if shift == 63 && byte > 1 {
                break;
            }
            number |= u64::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(damage(self.at, "a number above 64 bits"))
    }

    fn token(&mut self, before: &[u8]) -> Result<&'a [u8], DamagedIndex> {
        let len = self.number()?;
        let token = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        if token <= before {
            return Err(damage(self.at, "a token out of order"));
        }
        if std::str::from_utf8(token).is_err() {
            return Err(damage(self.at, "a token that is not UTF-8"));
        }
        Ok(token)
    }

    fn posting(&mut self, ids_end: u32) -> Result<Posting, DamagedIndex> {
        let count = self.number()?;
        let mut list = Posting::default();
        let mut next = 0u64;
        for _ in 0..count {
            let id = next.checked_add(self.number()?);
            let id = id.and_then(|id| u32::try_from(id).ok());
            let Some(id) = id.filter(|&id| id < ids_end) else {
                return Err(damage(self.at, "an id above the largest"));
            };
            list.insert(id);
            next = u64::from(id) + 1;
        }
        if list.len() == 0 {
            return Err(damage(self.at, "a token without keys"));
        }
        Ok(list)
    }
}
