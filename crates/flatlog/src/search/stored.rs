//! The value index in a checkpoint.
//!
//! `MAGIC ids_end:u32 token* 0 crc32:u32`, little-endian; a token is `length bytes count
//! list_length difference*`, its numbers LEB128 varints, the tokens and the ids of each ascending,
//! the list's length being that of its differences in bytes. The checksum covers all before it.
//! Commit indexes of changes are not stored: what is read back serves snapshots begun later only.
//!
//! Ids may be given other numbers on the way, so that a checkpoint need not store them: it counts
//! its rows. The writer of the index goes on meanwhile; the changed ids, asked for at the end, say
//! about which rows the stored sets are not to be believed, and reading leaves these out.

use std::fmt;
use std::io::{self, Write};
use std::ops::Range;
use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::search::dictionary::Dictionary;
use crate::search::index::SearchIndex;
use crate::search::posting::Posting;
use crate::search::stored_list::{StoredList, StoredLists};

const MAGIC: &[u8; 8] = b"flatidx\x02";

/// How many tokens are copied under one hold of the lock.
const TOKENS_PER_HOLD: usize = 256;

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
    /// Writes the index to `to`. Changes made meanwhile may be in it or not.
    pub fn write_to(&self, to: &mut impl Write) -> io::Result<()> {
        let ids_end = self.read().changes.ids_end();
        self.write_renumbered(to, ids_end, &|id| Some(id))
    }

    /// The same with other ids, each below `ids_end`; ids without a number are left out.
    pub(crate) fn write_renumbered(
        &self,
        to: &mut impl Write,
        ids_end: u32,
        number_of: &dyn Fn(u32) -> Option<u32>,
    ) -> io::Result<()> {
        self.write().dictionary.sort();
        let mut out = Checked::new(to);
        out.buffer.extend_from_slice(MAGIC);
        out.buffer.extend_from_slice(&ids_end.to_le_bytes());
        let mut last = Vec::new();
        loop {
            let lists = self.lists_after(&last);
            let Some((token, _)) = lists.last() else {
                break;
            };
            last.clone_from(token);
            for (token, list) in &lists {
                let mut ids = Vec::new();
                list.for_each(|id| ids.extend(number_of(id)));
                ids.sort_unstable();
                out.token(token, &ids)?;
            }
        }
        put_number(&mut out.buffer, 0);
        out.finish()
    }

    /// The next tokens behind `last` and their lists, under one short hold.
    fn lists_after(&self, last: &[u8]) -> Vec<(Vec<u8>, Posting)> {
        let parts = self.read();
        let numbers = parts.dictionary.in_order_after(last).take(TOKENS_PER_HOLD);
        numbers
            .map(|number| {
                let list = parts.postings.get(number.0 as usize);
                let token = parts.dictionary.token(number).to_vec();
                (token, list.cloned().unwrap_or_default())
            })
            .collect()
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
        SearchIndex::read_without(bytes, &RoaringBitmap::new())
    }

    /// The same, leaving out the ids `unknown`: the caller inserts these.
    pub(crate) fn read_without(
        bytes: &[u8],
        unknown: &RoaringBitmap,
    ) -> Result<SearchIndex, DamagedIndex> {
        let mut input = Input::open(bytes)?;
        let mut dictionary = Dictionary::new();
        let mut postings = Vec::new();
        while let Some(token) = input.token()? {
            let list = input.posting(&token, unknown)?;
            if list.len() == 0 {
                continue;
            }
            if dictionary.find_or_add(input.before).is_none() {
                return Err(damage(input.at, "more tokens than an index holds"));
            }
            postings.push(list);
        }
        input.end()?;
        let ids_end = input.ids_end;
        Ok(SearchIndex::with_parts(dictionary, postings, ids_end))
    }

    /// The same, but for what the lists say: that is read when somebody asks. What is wrong in
    /// them although the sum fits is read as less than was written.
    pub(crate) fn read_lazily(bytes: Vec<u8>) -> Result<SearchIndex, DamagedIndex> {
        let mut input = Input::open(&bytes)?;
        let mut found = Vec::new();
        while let Some(token) = input.token()? {
            input.take(token.list_len)?;
            found.push(token);
        }
        input.end()?;
        let ids_end = input.ids_end;
        let bytes_of = |token: &StoredToken| bytes.get(token.bytes.clone()).unwrap_or_default();
        let dictionary = Dictionary::of_sorted(found.iter().map(bytes_of))
            .ok_or(damage(bytes.len(), "more tokens than an index holds"))?;
        let lists = Arc::new(StoredLists { bytes, ids_end });
        let posting = |token: &StoredToken| {
            let start = token.bytes.end + token.counts_len;
            let list = StoredList::new(&lists, start, token.list_len, token.count);
            Posting::of_stored(list)
        };
        let postings = found.iter().map(posting).collect();
        Ok(SearchIndex::with_parts(dictionary, postings, ids_end))
    }
}

/// Writes through a buffer, and keeps the checksum.
struct Checked<'a, W: Write> {
    to: &'a mut W,
    sum: crc32fast::Hasher,
    buffer: Vec<u8>,
    /// The list on its way.
    list: Vec<u8>,
}

impl<'a, W: Write> Checked<'a, W> {
    fn new(to: &'a mut W) -> Checked<'a, W> {
        Checked {
            to,
            sum: crc32fast::Hasher::new(),
            buffer: Vec::with_capacity(2 * BUFFER_BYTES),
            list: Vec::new(),
        }
    }

    /// Adds a token and its ids, which ascend; nothing if there are none.
    fn token(&mut self, token: &[u8], ids: &[u32]) -> io::Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        put_number(&mut self.buffer, token.len() as u64);
        self.buffer.extend_from_slice(token);
        put_number(&mut self.buffer, ids.len() as u64);
        self.list.clear();
        let mut next = 0;
        for &id in ids {
            put_number(&mut self.list, u64::from(id - next));
            next = id.saturating_add(1);
        }
        put_number(&mut self.buffer, self.list.len() as u64);
        self.buffer.extend_from_slice(&self.list);
        self.flush_when_full()
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

/// A token, and how long its list is, which stands behind it.
struct StoredToken {
    bytes: Range<usize>,
    /// From the token's end to the list.
    counts_len: usize,
    count: u32,
    list_len: usize,
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    ids_end: u32,
    /// The last token.
    before: &'a [u8],
}

impl<'a> Input<'a> {
    /// Reads up to the first token.
    fn open(bytes: &'a [u8]) -> Result<Input<'a>, DamagedIndex> {
        let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
            return Err(damage(0, "no checksum"));
        };
        if crc32fast::hash(body) != u32::from_le_bytes(*sum) {
            return Err(damage(body.len(), "a wrong checksum"));
        }
        let mut input = Input {
            bytes: body,
            at: 0,
            ids_end: 0,
            before: &[],
        };
        if input.take(MAGIC.len())? != MAGIC {
            return Err(damage(0, "another format or version"));
        }
        input.ids_end = input.fixed()?;
        Ok(input)
    }

    /// Nothing stands behind the last token.
    fn end(&self) -> Result<(), DamagedIndex> {
        match self.at == self.bytes.len() {
            true => Ok(()),
            false => Err(damage(self.at, "bytes behind the last token")),
        }
    }

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

    /// The next token, up to its list; none at the end.
    fn token(&mut self) -> Result<Option<StoredToken>, DamagedIndex> {
        let len = self.number()?;
        if len == 0 {
            return Ok(None);
        }
        let start = self.at;
        let token = self.take(usize::try_from(len).unwrap_or(usize::MAX))?;
        if token <= self.before {
            return Err(damage(self.at, "a token out of order"));
        }
        if std::str::from_utf8(token).is_err() {
            return Err(damage(self.at, "a token that is not UTF-8"));
        }
        self.before = token;
        let end = self.at;
        let (count, list_len) = (self.number()?, self.number()?);
        if count == 0 {
            return Err(damage(self.at, "a token without keys"));
        }
        let list_len = usize::try_from(list_len).unwrap_or(usize::MAX);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        // A difference takes a byte at least.
        if list_len < count as usize {
            return Err(damage(self.at, "a list too short for its keys"));
        }
        Ok(Some(StoredToken {
            bytes: start..end,
            counts_len: self.at - end,
            count,
            list_len,
        }))
    }

    /// The list of `token`, which stands here.
    fn posting(
        &mut self,
        token: &StoredToken,
        unknown: &RoaringBitmap,
    ) -> Result<Posting, DamagedIndex> {
        let end = self.at.checked_add(token.list_len);
        let mut list = Posting::default();
        let mut next = 0u64;
        for _ in 0..token.count {
            let id = next.checked_add(self.number()?);
            let id = id.and_then(|id| u32::try_from(id).ok());
            let Some(id) = id.filter(|&id| id < self.ids_end) else {
                return Err(damage(self.at, "an id above the largest"));
            };
            if !unknown.contains(id) {
                list.insert(id);
            }
            next = u64::from(id) + 1;
        }
        match Some(self.at) == end {
            true => Ok(list),
            false => Err(damage(self.at, "a list of another length")),
        }
    }
}
