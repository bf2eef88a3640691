//! Log files read one behind the other, commit by commit.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use disk::File;
use kv_api::Result;

use crate::id::{FileId, Sequence};
use crate::log::commit::is_commit;
use crate::log::frame::FRAME_BYTES;
use crate::log::scan::{Scan, Tail};

/// A log file to be read.
pub(crate) struct LogFile {
    pub file: Arc<dyn File>,
    pub id: FileId,
    pub name: String,
    pub from: u64,
}

/// A commit's record, read.
pub(crate) struct Record {
    pub sequence: Sequence,
    pub file: FileId,
    pub offset: u64,
    pub bytes: Vec<u8>,
}

/// Log files one behind the other, with the next commit in sight.
pub(crate) struct Chain {
    waiting: VecDeque<LogFile>,
    scan: Option<Scan>,
    pub name: String,
    pub next: Option<Record>,
    pub durable: Sequence,
    pub newest: Sequence,
    pub torn_bytes: u64,
    /// By file, from where to where it holds what is cut off.
    pub cuts: BTreeMap<String, (u64, u64)>,
    /// Where the whole records of each file end.
    pub ends: Vec<(FileId, u64)>,
    current: FileId,
}

impl Chain {
    /// All of them, with the first commit in sight.
    pub fn new(files: Vec<LogFile>) -> Result<Chain> {
        let mut chain = Chain {
            waiting: files.into(),
            scan: None,
            name: String::new(),
            next: None,
            durable: Sequence(0),
            newest: Sequence(0),
            torn_bytes: 0,
            cuts: BTreeMap::new(),
            ends: Vec::new(),
            current: FileId(0),
        };
        chain.advance()?;
        Ok(chain)
    }

    /// Brings the next commit in sight.
    pub fn advance(&mut self) -> Result<()> {
        self.next = None;
        loop {
            let Some(scan) = &mut self.scan else {
                let Some(next) = self.waiting.pop_front() else {
                    return Ok(());
                };
                self.name = next.name;
                self.current = next.id;
                self.scan = Some(Scan::new(next.file, next.id, next.from, None)?);
                continue;
            };
            while let Some((frame, offset, bytes)) = scan.next()? {
                self.durable = self.durable.max(frame.durable);
                if is_commit(bytes) {
                    self.newest = self.newest.max(frame.sequence);
                    self.next = Some(Record {
                        sequence: frame.sequence,
                        file: self.current,
                        offset,
                        bytes: bytes.to_vec(),
                    });
                    return Ok(());
                }
            }
            if let Some(scan) = self.scan.take() {
                let Tail {
                    end,
                    torn_bytes,
                    durable,
                    newest,
                } = scan.tail()?;
                self.ends.push((self.current, end));
                if torn_bytes > 0 {
                    self.cut(end, end + torn_bytes);
                }
                self.torn_bytes += torn_bytes;
                self.durable = self.durable.max(durable);
                self.newest = self.newest.max(newest);
            }
        }
    }

    /// Notes that what the current file holds there is not brought back.
    fn cut(&mut self, from: u64, to: u64) {
        let (first, last) = self.cuts.entry(self.name.clone()).or_insert((from, to));
        (*first, *last) = (from.min(*first), to.max(*last));
    }

    /// The number of the commit in sight.
    pub fn sequence(&self) -> Option<Sequence> {
        self.next.as_ref().map(|record| record.sequence)
    }

    /// Reads on to the end, for what the rest says about durability.
    pub fn exhaust(&mut self) -> Result<u64> {
        let mut left = 0;
        while let Some(record) = &self.next {
            left += 1;
            let from = record.offset - FRAME_BYTES as u64;
            self.cut(from, record.offset + record.bytes.len() as u64);
            self.advance()?;
        }
        Ok(left)
    }
}
