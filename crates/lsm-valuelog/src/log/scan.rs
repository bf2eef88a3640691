//! Reading a log from its beginning to where it ends or breaks off.

use std::sync::Arc;

use disk::{File, read_up_to_at};
use kv_api::{Error, Result};

use crate::id::{FileId, Sequence};
use crate::log::frame::{FRAME_ALIGN, FRAME_BYTES, Frame};
use crate::wire::to_usize;

/// Bytes read at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What follows the last whole record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tail {
    /// Where the whole records end.
    pub end: u64,
    /// Bytes behind it that are not zero: a torn record.
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
        let (len, id) = (self.len, self.id);
        let Some(frame) = Frame::read(self.bytes(offset, FRAME_BYTES)?) else {
            return Ok(None);
        };
        let room = len
            .saturating_sub(offset)
            .saturating_sub(FRAME_BYTES as u64);
        if frame.file != id || frame.len > room {
            return Ok(None);
        }
        let whole = self.bytes(offset, FRAME_BYTES + to_usize(frame.len))?;
        Ok(frame.is_whole(whole).then_some(frame))
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

    /// What follows the last record that `next` answered.
    pub fn tail(mut self) -> Result<Tail> {
        let mut tail = Tail {
            end: self.offset,
            ..Tail::default()
        };
        let mut offset = self.offset;
        while offset < self.len {
            let id = self.id;
            let bytes = self.bytes(offset, WINDOW_BYTES)?;
            let window = bytes.len();
            if window == 0 {
                break;
            }
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                tail.torn_bytes = offset + last as u64 + 1 - tail.end;
            }
            // A frame names its file in its second word; that is asked first.
            let words = bytes.chunks_exact(FRAME_ALIGN).enumerate().skip(1);
            let is_named = |word: &[u8]| word.first_chunk() == Some(&id.0.to_le_bytes());
            let named: Vec<usize> = words
                .filter(|(_, word)| is_named(word))
                .map(|(at, _)| (at - 1) * FRAME_ALIGN)
                .collect();
            for at in named {
                if let Some(frame) = self.frame_at(offset + at as u64)? {
                    tail.durable = tail.durable.max(frame.durable);
                    tail.newest = tail.newest.max(frame.sequence);
                }
            }
            // The last word may be the first of a frame that goes on in the next window.
            let step = window.saturating_sub(FRAME_ALIGN).max(FRAME_ALIGN);
            offset += (step / FRAME_ALIGN * FRAME_ALIGN) as u64;
        }
        Ok(tail)
    }
}
