//! Reading a log from its beginning to where it ends or breaks off.

use std::sync::Arc;

use disk::{File, read_up_to_at};
use kv_api::{Error, Result};

use crate::id::{FileId, Sequence};
use crate::log::frame::{FRAME_ALIGN, FRAME_BYTES, Frame};
use crate::wire::to_usize;

/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// How often, and at how long a frame, it is looked for what an earlier life of a file left.
const REMAINS_LOOKS_MAX: u32 = 1_000;
const REMAINS_BYTES_MAX: u64 = 1 << 20;

/// What follows the last whole record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where the whole records end.
    pub end: u64,
    /// Bytes behind it that are not zero: a torn record. Of a file that is written again, only
    /// what can be told from what its earlier life left.
    pub torn_bytes: u64,
    /// The newest commit that a whole record behind the break calls durable.
    pub durable: Sequence,
    /// The newest commit in a whole record behind the break.
    pub newest: Sequence,
}

/// A place in a log.
pub(crate) struct Scan {
    file: Arc<dyn File>,
    id: FileId,
    len: u64,
    offset: u64,
    before: Option<u32>,
    window: Vec<u8>,
    window_start: u64,
}

impl Scan {
    /// A scan of `file` from `offset`, whose frame follows the one with checksum `before`, if
    /// that is known.
    pub fn new(file: Arc<dyn File>, id: FileId, offset: u64, before: Option<u32>) -> Result<Scan> {
        let len = file
            .len()
            .map_err(|error| Error::io("reading a log's length", error))?;
        Ok(Scan {
            file,
            id,
            len,
            offset,
            before,
            window: Vec::new(),
            window_start: 0,
        })
    }

    /// Bytes `offset..offset + len` of the file, or as many of them as there are.
    fn bytes(&mut self, offset: u64, len: usize) -> Result<&[u8]> {
        let held = offset >= self.window_start
            && offset + len as u64 <= self.window_start + self.window.len() as u64;
        if !held {
            let left = to_usize(self.len.saturating_sub(offset));
            let wanted = len.max(WINDOW_BYTES).min(left);
            self.window.clear();
            self.window.resize(wanted, 0);
            let read = read_up_to_at(&*self.file, &mut self.window, offset)
                .map_err(|error| Error::io("reading a log", error))?;
            self.window.truncate(read);
            self.window_start = offset;
        }
        let start = to_usize(offset - self.window_start);
        let end = start.saturating_add(len).min(self.window.len());
        Ok(self.window.get(start..end).unwrap_or_default())
    }

    /// The frame at `offset`, if it is whole, with the record's place.
    fn frame_at(&mut self, offset: u64) -> Result<Option<Frame>> {
        let Some(frame) = Frame::read(self.bytes(offset, FRAME_BYTES)?) else {
            return Ok(None);
        };
        let is_whole = frame.file == self.id && self.is_whole(&frame, offset)?;
        Ok(is_whole.then_some(frame))
    }

    /// The next record with its frame and its place in the file; `None` where the log ends.
    pub fn next(&mut self) -> Result<Option<(Frame, u64, &[u8])>> {
        let offset = self.offset;
        let Some(frame) = self.frame_at(offset)? else {
            return Ok(None);
        };
        if self.before.is_some_and(|before| before != frame.before) {
            return Ok(None);
        }
        let Some(stride) = frame.stride() else {
            return Ok(None);
        };
        self.before = Some(frame.checksum);
        self.offset = offset + stride;
        let start = offset + FRAME_BYTES as u64;
        let record = self.bytes(start, to_usize(frame.len))?;
        Ok(Some((frame, start, record)))
    }

    /// Whether a row of frames begins where the last one ended, with a frame that follows none of
    /// it; if so, `next` goes on there.
    pub fn begins_anew(&mut self) -> Result<bool> {
        let frame = self.frame_at(self.offset)?;
        let begins = frame.is_some_and(|frame| frame.before == 0 && self.before != Some(0));
        if begins {
            self.before = None;
        }
        Ok(begins)
    }

    /// What follows the last record that `next` answered.
    pub fn tail(mut self) -> Result<Tail> {
        let mut tail = Tail {
            end: self.offset,
            ..Tail::default()
        };
        let (mut offset, id) = (self.offset, self.id);
        let mut last = self.offset;
        let mut remains = Remains::default();
        // Where frames of this file reach that begin behind the end, whole or not.
        let mut own_end = self.offset;
        while offset < self.len {
            let bytes = self.bytes(offset, WINDOW_BYTES)?;
            let window = bytes.len();
            if window == 0 {
                break;
            }
            if let Some(at) = bytes.iter().rposition(|byte| *byte != 0) {
                last = offset + at as u64 + 1;
            }
            // A frame names its file in its second word; that is asked first.
            let words = bytes.chunks_exact(FRAME_ALIGN).enumerate().skip(1);
            let is_named = |word: &[u8]| {
                let named = word.first_chunk().map(|word| u64::from_le_bytes(*word));
                named.is_some_and(|named| named == id.0 || named > 0 && named < id.0)
            };
            let named: Vec<usize> = words
                .filter(|(_, word)| is_named(word))
                .map(|(at, _)| (at - 1) * FRAME_ALIGN)
                .collect();
            for place in named.into_iter().map(|at| offset + at as u64) {
                let Some(frame) = Frame::read(self.bytes(place, FRAME_BYTES)?) else {
                    continue;
                };
                if frame.file != id {
                    if remains.is_worth_a_look(&frame) {
                        remains.are_there = self.is_whole(&frame, place)?;
                    }
                    continue;
                }
                let is_whole = self.is_whole(&frame, place)?;
                if is_whole {
                    tail.durable = tail.durable.max(frame.durable);
                    tail.newest = tail.newest.max(frame.sequence);
                }
                // Any eight bytes may look like this file's number, but not the first ones.
                if is_whole || place == tail.end {
                    own_end = own_end.max(place.saturating_add(frame.stride().unwrap_or(0)));
                }
            }
            // The last word may be the first of a frame that goes on in the next window.
            let step = window.saturating_sub(FRAME_ALIGN).max(FRAME_ALIGN);
            offset += (step / FRAME_ALIGN * FRAME_ALIGN) as u64;
        }
        let torn_end = if remains.are_there {
            last.min(own_end)
        } else {
            last
        };
        tail.torn_bytes = torn_end.saturating_sub(tail.end);
        Ok(tail)
    }

    /// Whether the frame that `offset` begins with is whole, whatever file it was written for.
    fn is_whole(&mut self, frame: &Frame, offset: u64) -> Result<bool> {
        let room = self.len.saturating_sub(offset);
        let room = room.saturating_sub(FRAME_BYTES as u64);
        if frame.len > room {
            return Ok(false);
        }
        let whole = self.bytes(offset, FRAME_BYTES + to_usize(frame.len))?;
        Ok(frame.is_whole(whole))
    }
}

/// What an earlier life of a file left in it.
#[derive(Default)]
struct Remains {
    are_there: bool,
    looks: u32,
}

impl Remains {
    /// Small numbers are everywhere, so not every one is taken for a file's.
    fn is_worth_a_look(&mut self, frame: &Frame) -> bool {
        let is_likely = !self.are_there
            && self.looks < REMAINS_LOOKS_MAX
            && frame.len < REMAINS_BYTES_MAX
            && frame.durable <= frame.sequence;
        self.looks += u32::from(is_likely);
        is_likely
    }
}
