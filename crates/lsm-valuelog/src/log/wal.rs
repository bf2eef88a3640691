//! Writing to a log: a write-ahead log or the value log's newest file.
//!
//! Invariants:
//! * `offset` is where the written frames end; what is in `buffer` follows them;
//! * nothing is written twice at one place, except where a refused write is made void;
//! * a write-ahead log of small commits that are synced grows by zeros written ahead, so that most
//!   syncs find the file's length and blocks as they were; a recycled file has them already.

use std::sync::Arc;

use disk::{File, write_all_at};

use crate::id::{FileId, Sequence};
use crate::log::frame::{self, FRAME_BYTES, Frame};
use crate::values::HEADER_BYTES;

/// A file that commits are appended to.
#[derive(Debug)]
pub(crate) struct LogWriter {
    pub file: Arc<dyn File>,
    pub id: FileId,
    /// Where the written frames end.
    pub offset: u64,
    /// Frames not written yet.
    buffer: Vec<u8>,
    /// Checksum of the newest frame.
    before: u32,
    /// Whether written frames wait for a sync.
    pub is_unsynced: bool,
    /// How far the file holds bytes to be overwritten.
    ahead: u64,
    /// Zeros written ahead at a time; 0 for none. Records above a share of it are written without:
    /// the zeros would cost as much as they save, and hold up every so manieth commit.
    ahead_step: usize,
    /// Whether it was synced since zeros were written ahead: nobody else gains by them.
    is_synced: bool,
}

/// How many writes zeros written ahead are to serve at least.
const AHEAD_SHARE: usize = 256;

/// A point to come back to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    offset: u64,
    buffered: usize,
    before: u32,
}

impl Mark {
    /// The beginning of a write-ahead log.
    pub const BEGINNING: Mark = Mark {
        offset: HEADER_BYTES as u64,
        buffered: 0,
        before: 0,
    };
}

impl LogWriter {
    /// A writer that appends at `offset` of a file that is `len` bytes long.
    pub fn new(
        file: Arc<dyn File>,
        id: FileId,
        (offset, len): (u64, u64),
        before: u32,
        ahead_step: usize,
    ) -> LogWriter {
        LogWriter {
            file,
            id,
            offset,
            buffer: Vec::new(),
            before,
            is_unsynced: false,
            ahead: len,
            ahead_step,
            is_synced: false,
        }
    }

    /// The place in the file of the next frame.
    pub fn end(&self) -> u64 {
        self.offset + self.buffer.len() as u64
    }

    /// Bytes that the file takes.
    pub fn bytes(&self) -> u64 {
        self.ahead.max(self.end())
    }

    pub fn buffered_bytes(&self) -> usize {
        self.buffer.len()
    }

    pub fn mark(&self) -> Mark {
        Mark {
            offset: self.offset,
            buffered: self.buffer.len(),
            before: self.before,
        }
    }

    /// Appends a frame to the buffer around what `fill` writes. `fill` is told the place in the
    /// file of the buffer's beginning, so that it can tell the place of all it writes.
    pub fn append(
        &mut self,
        sequence: Sequence,
        durable: Sequence,
        fill: impl FnOnce(&mut Vec<u8>, u64),
    ) {
        let start = Frame::begin(&mut self.buffer);
        fill(&mut self.buffer, self.offset);
        let (id, before) = (self.id, self.before);
        self.before = frame::finish(&mut self.buffer, start, before, id, sequence, durable);
    }

    /// Hands the buffer to the system.
    pub fn write_out(&mut self) -> std::io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let end = self.end();
        if end > self.ahead && self.is_synced && self.buffer.len() <= self.ahead_step / AHEAD_SHARE
        {
            self.is_synced = false;
            let zeros = vec![0; self.ahead_step];
            let start = self.ahead.max(self.offset);
            write_all_at(&*self.file, &zeros, start)?;
            self.ahead = start + zeros.len() as u64;
        }
        self.is_unsynced = true;
        write_all_at(&*self.file, &self.buffer, self.offset)?;
        self.offset = end;
        self.ahead = self.ahead.max(end);
        self.buffer.clear();
        Ok(())
    }

    pub fn sync(&mut self) -> std::io::Result<()> {
        if self.is_unsynced {
            self.file.sync_data()?;
            self.is_unsynced = false;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Takes back the frames appended since `mark`, written or not, and makes void what the file
    /// may have of them.
    pub fn take_back(&mut self, mark: Mark) -> std::io::Result<()> {
        let place = mark.offset + mark.buffered as u64;
        if self.offset >= place {
            self.offset = place;
            self.buffer.clear();
        } else {
            self.buffer.truncate(mark.buffered);
        }
        self.before = mark.before;
        if self.is_unsynced {
            write_all_at(&*self.file, &[0; FRAME_BYTES], self.offset)?;
            self.file.sync_data()?;
            self.is_unsynced = false;
        }
        Ok(())
    }
}
