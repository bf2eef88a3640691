//! Reading a segment's frames one behind the other, believing nothing.

use std::sync::Arc;

use disk::{File, read_exact_at, read_up_to_at};
use kv_api::{Error, Result};

use crate::log::batch::Op;
use crate::log::frame::{HEAD_BYTES, Head, MAGIC, Seal};
use crate::log::record::{self, SumOfSums};
use crate::log::segment::salt_of;

/// Bytes looked through at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A whole frame whose sums are its own.
pub(crate) struct Frame {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    /// Where the body begins in the segment.
    pub(crate) body_start: u32,
    /// The changes; keys lie in `body`, records are counted from its beginning.
    pub(crate) ops: Vec<Op>,
}

/// Frames from a place on, up to the first that is none.
pub(crate) struct Frames {
    file: Arc<dyn File>,
    seal: Seal,
    salt: u32,
    /// Where the next frame begins: after the last one, where the log ends.
    pub(crate) at: u32,
    /// The sum of the head before it.
    pub(crate) head_sum: u32,
    file_len: u64,
}

fn reading(error: std::io::Error) -> Error {
    Error::io("reading a segment", error)
}

impl Frames {
    pub(crate) fn new(file: Arc<dyn File>, seal: Seal, at: u32, head_sum: u32) -> Result<Frames> {
        let file_len = file.len().map_err(reading)?;
        Ok(Frames {
            salt: salt_of(&seal.store),
            file,
            seal,
            at,
            head_sum,
            file_len,
        })
    }

    /// The next frame; `None` where no whole one follows.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>> {
        let Some((head, sum)) = self.head_at(self.at)? else {
            return Ok(None);
        };
        let body_start = self.at + HEAD_BYTES;
        let end = u64::from(body_start) + u64::from(head.body_len);
        if head.before != self.head_sum || end > self.file_len {
            return Ok(None);
        }
        let mut body = vec![0; head.body_len as usize];
        read_exact_at(&*self.file, &mut body, body_start.into()).map_err(reading)?;
        let Some(ops) = self.records(&head, &body) else {
            return Ok(None);
        };
        self.at = u32::try_from(end).unwrap_or(u32::MAX);
        self.head_sum = sum;
        Ok(Some(Frame {
            head,
            body,
            body_start,
            ops,
        }))
    }

    fn records(&self, head: &Head, body: &[u8]) -> Option<Vec<Op>> {
        // No record is shorter than seven bytes, so this is no unchecked length.
        let mut ops = Vec::with_capacity((head.records as usize).min(body.len() / 7));
        let mut at = 0;
        let mut sums = SumOfSums::default();
        while let Some(rest) = body.get(at..).filter(|rest| !rest.is_empty()) {
            let record = record::read(rest, self.salt)?;
            let start = u32::try_from(at).ok()?;
            let key_start = start + record.header_len;
            ops.push(Op::of(&record, start, key_start, head.commit_index));
            sums.add(record.sum);
            at += record.len as usize;
        }
        let whole = ops.len() == head.records as usize && sums.0 == head.records_sum;
        whole.then_some(ops)
    }

    fn head_at(&self, at: u32) -> Result<Option<(Head, u32)>> {
        let mut bytes = [0; HEAD_BYTES as usize];
        let read = read_up_to_at(&*self.file, &mut bytes, at.into()).map_err(reading)?;
        if read < bytes.len() {
            return Ok(None);
        }
        Ok(self.seal.decode(&bytes, at))
    }

    /// The first head behind the end of the log that says the log was durable beyond its end: the
    /// proof that something is missing in between which no crash can have taken.
    pub(crate) fn find_proof_of_damage(&self) -> Result<Option<u32>> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut at = u64::from(self.at);
        while at < self.file_len {
            let read = read_up_to_at(&*self.file, &mut window, at).map_err(reading)?;
            let bytes = window.get(..read).unwrap_or_default();
            for (found, _) in bytes
                .windows(MAGIC.len())
                .enumerate()
                .filter(|(_, four)| *four == MAGIC)
            {
                let Ok(offset) = u32::try_from(at + found as u64) else {
                    continue;
                };
                if let Some((head, _)) = self.head_at(offset)?
                    && head.durable > self.at
                {
                    return Ok(Some(offset));
                }
            }
            if read < window.len() {
                break;
            }
            // A head's first bytes may lie across two windows.
            at += (read - MAGIC.len()) as u64;
        }
        Ok(None)
    }

    /// Where the bytes that are not zero end, behind the end of the log; `None` if there are none.
    pub(crate) fn end_of_remains(&self) -> Result<Option<u32>> {
        let mut window = vec![0; WINDOW_BYTES];
        let mut at = u64::from(self.at);
        let mut end = None;
        while at < self.file_len {
            let read = read_up_to_at(&*self.file, &mut window, at).map_err(reading)?;
            let bytes = window.get(..read).unwrap_or_default();
            if let Some(last) = bytes.iter().rposition(|byte| *byte != 0) {
                end = u32::try_from(at + last as u64 + 1).ok();
            }
            if read == 0 {
                break;
            }
            at += read as u64;
        }
        Ok(end)
    }
}
