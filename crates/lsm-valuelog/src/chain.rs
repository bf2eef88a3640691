//! Log files one behind the other, read as one row of commits.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use disk::File;
use kv_api::{Error, Place, Result};

use crate::crypt::cipher::Opener;
use crate::crypt::envelope::FileKind;
use crate::crypt::ring::KeyRing;
use crate::error::damage;
use crate::id::{FileId, Sequence};
use crate::log::commit::{predecessor, staying_bytes};
use crate::log::frame::FRAME_BYTES;
use crate::log::record::Record;
use crate::log::scan::{Scan, Tail};
use crate::values::open_header;

/// A log file to be read.
pub(crate) struct LogFile {
    pub file: Arc<dyn File>,
    pub id: FileId,
    pub name: String,
    pub from: u64,
}

/// A commit's record, read.
pub(crate) struct Next {
    pub sequence: Sequence,
    /// The version of the commit before it.
    pub behind: Sequence,
    pub file: FileId,
    pub offset: u64,
    pub record: Record,
    /// Bytes of the record as stored.
    pub stored_bytes: u64,
}

/// How the records of a log are read.
pub(crate) enum Opening {
    Clear,
    Sealed(Arc<Opener>),
    /// The header, which is written with the first frames, is not there.
    Lost,
}

impl Opening {
    fn of(log: &LogFile, keys: Option<&KeyRing>) -> Result<Opening> {
        let kind = if log.name.ends_with("vlog") {
            FileKind::Values
        } else {
            FileKind::WriteAhead
        };
        match open_header(&*log.file, &log.name, kind, log.id, keys) {
            Ok(Some(opener)) => Ok(Opening::Sealed(Arc::new(opener))),
            Ok(None) => Ok(Opening::Clear),
            // Its header says nothing that the frames of a log in clear do not say themselves.
            Err(Error::Corrupt { place, .. }) if is_in(&place, &log.name) => Ok(match keys {
                Some(_) => Opening::Lost,
                None => Opening::Clear,
            }),
            Err(error) => Err(error),
        }
    }

    pub fn opener(&self) -> Option<Arc<Opener>> {
        match self {
            Opening::Sealed(opener) => Some(Arc::clone(opener)),
            Opening::Clear | Opening::Lost => None,
        }
    }
}

fn is_in(place: &Place, name: &str) -> bool {
    matches!(place, Place::Offset { file, .. } if file == name)
}

/// Where a log ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogEnd {
    pub file: FileId,
    pub end: u64,
    /// Bytes of the values in the whole records from where it was read.
    pub value_bytes: u64,
}

/// Log files one behind the other, with the next commit in sight.
pub(crate) struct Chain {
    waiting: VecDeque<LogFile>,
    scan: Option<Scan>,
    keys: Option<Arc<KeyRing>>,
    /// What opens the records of the current file; none if its header is lost.
    pub opener: Opening,
    pub name: String,
    pub next: Option<Next>,
    pub durable: Sequence,
    pub newest: Sequence,
    pub torn_bytes: u64,
    /// By file, from where to where it holds what is cut off.
    pub cuts: BTreeMap<String, (u64, u64)>,
    /// Where the whole records of each file end.
    pub ends: Vec<LogEnd>,
    current: FileId,
    /// Bytes of the values in the whole records of the current file.
    value_bytes: u64,
}

impl Chain {
    pub fn new(files: Vec<LogFile>, keys: Option<Arc<KeyRing>>) -> Result<Chain> {
        let mut chain = Chain {
            waiting: files.into(),
            scan: None,
            keys,
            opener: Opening::Clear,
            name: String::new(),
            next: None,
            durable: Sequence(0),
            newest: Sequence(0),
            torn_bytes: 0,
            cuts: BTreeMap::new(),
            ends: Vec::new(),
            current: FileId(0),
            value_bytes: 0,
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
                self.opener = Opening::of(&next, self.keys.as_deref())?;
                self.name = next.name;
                self.current = next.id;
                self.scan = Some(Scan::new(next.file, next.id, next.from, None)?);
                continue;
            };
            while let Some((frame, offset, bytes)) = scan.next()? {
                self.durable = self.durable.max(frame.durable);
                if matches!(self.opener, Opening::Lost) {
                    // Neither were its frames ever durable, or one behind them says so.
                    self.newest = self.newest.max(frame.sequence);
                    break;
                }
                let opener = self.opener.opener();
                let stored_bytes = bytes.len() as u64;
                let record = Record::open(bytes, offset, opener.as_deref());
                let record = record
                    .ok_or_else(|| damage(&self.name, offset, "a record is not what was sealed"))?;
                self.value_bytes += staying_bytes(&record);
                if let Some(behind) = predecessor(&record, frame.sequence) {
                    self.newest = self.newest.max(frame.sequence);
                    self.next = Some(Next {
                        sequence: frame.sequence,
                        behind,
                        file: self.current,
                        offset,
                        record,
                        stored_bytes,
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
                self.ends.push(LogEnd {
                    file: self.current,
                    end,
                    value_bytes: std::mem::take(&mut self.value_bytes),
                });
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

    pub fn sequence(&self) -> Option<Sequence> {
        self.next.as_ref().map(|record| record.sequence)
    }

    /// Whether the commit in sight is the one that follows `last`.
    pub fn follows(&self, last: Sequence) -> bool {
        let next = self.next.as_ref();
        next.is_some_and(|next| next.behind == last && next.sequence > last)
    }

    /// Reads on to the end, for what the rest says about durability.
    pub fn exhaust(&mut self) -> Result<u64> {
        let mut left = 0;
        while let Some(next) = &self.next {
            left += 1;
            let from = next.offset - FRAME_BYTES as u64;
            self.cut(from, next.offset + next.stored_bytes);
            self.advance()?;
        }
        Ok(left)
    }
}
