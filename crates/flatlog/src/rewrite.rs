//! Writing records into new segments, beside the log: for compaction and restore.
//!
//! Nothing names these files until the caller's switch of `meta.state`; before it they are durable
//! with their names and exactly as long as what they hold.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use disk::{Disk, write_all_at};
use kv_api::{Error, Result};

use crate::ids::{SegmentId, SpaceId};
use crate::log::batch::Batch;
use crate::log::frame::{HEAD_BYTES, Head};
use crate::log::record::Kind;
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment, salt_of};
use crate::log::writer::{LogRules, create_segment};
use crate::place::Place;
use crate::state_file::SegmentEntry;

/// A frame is written once it is this long.
const FRAME_BYTES: usize = 1 << 20;

/// Segments on their way.
pub(crate) struct Rewriter {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    rules: LogRules,
    store: [u8; 16],
    next_segment: Arc<AtomicU32>,
    batch: Batch,
    current: Option<Current>,
    done: Vec<(Arc<Segment>, u32)>,
}

struct Current {
    segment: Arc<Segment>,
    end: u32,
    head_sum: u32,
}

impl Rewriter {
    pub(crate) fn new(
        disk: Arc<dyn Disk>,
        directory: PathBuf,
        rules: LogRules,
        store: [u8; 16],
        next_segment: Arc<AtomicU32>,
    ) -> Rewriter {
        Rewriter {
            disk,
            directory,
            rules,
            store,
            next_segment,
            batch: Batch::new(salt_of(&store)),
            current: None,
            done: Vec::new(),
        }
    }

    /// Adds a record; answers where it will lie.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        space: SpaceId,
        commit_index: u64,
        key: &[u8],
        value: &[u8],
    ) -> Result<Place> {
        let bytes = (key.len() + value.len()) as u64 + 64;
        if self.batch.body.len() >= FRAME_BYTES {
            self.write_frame()?;
        }
        let needed = self.batch.frame_bytes() + bytes;
        let full = self.current.as_ref().is_some_and(|current| {
            u64::from(current.end) + needed > u64::from(current.segment.capacity_bytes())
        });
        if full {
            self.end_segment()?;
        }
        let (id, end) = match &self.current {
            Some(current) => (current.segment.id(), current.end),
            None => self.begin_segment(needed)?,
        };
        if self.batch.ops.is_empty() {
            self.batch.commit_index = commit_index;
        }
        let step = commit_index
            .wrapping_sub(self.batch.commit_index)
            .cast_signed();
        let op = self.batch.push(kind, space, step, key, value)?;
        let offset = end + HEAD_BYTES + op.record_start;
        Ok(Place::new(id, offset, op.header_len, op.len))
    }

    fn begin_segment(&mut self, bytes: u64) -> Result<(SegmentId, u32)> {
        let id = SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed));
        let (disk, directory) = (&*self.disk, &*self.directory);
        let segment = create_segment(disk, directory, &self.rules, self.store, id, bytes)?;
        self.current = Some(Current {
            segment,
            end: SEGMENT_HEADER_BYTES,
            head_sum: 0,
        });
        Ok((id, SEGMENT_HEADER_BYTES))
    }

    fn write_frame(&mut self) -> Result<()> {
        let Some(current) = self.current.as_mut().filter(|_| !self.batch.ops.is_empty()) else {
            return Ok(());
        };
        let head = Head {
            body_len: u32::try_from(self.batch.body.len()).unwrap_or(u32::MAX),
            records: u32::try_from(self.batch.ops.len()).unwrap_or(u32::MAX),
            commit_index: self.batch.commit_index,
            durable: current.end,
            records_sum: self.batch.records_sum.0,
            before: current.head_sum,
        };
        let (head, sum) = current.segment.seal.encode(&head, current.end);
        let file = &*current.segment.file;
        write_all_at(file, &head, current.end.into())
            .and_then(|()| {
                write_all_at(file, &self.batch.body, u64::from(current.end + HEAD_BYTES))
            })
            .map_err(|error| Error::io("rewriting a segment", error))?;
        current.end += HEAD_BYTES + u32::try_from(self.batch.body.len()).unwrap_or(0);
        current.head_sum = sum;
        self.batch.clear();
        Ok(())
    }

    fn end_segment(&mut self) -> Result<()> {
        self.write_frame()?;
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let synced = current.segment.file.sync_all();
        synced.map_err(|error| Error::io("syncing a rewritten segment", error))?;
        current.segment.set_readable(current.end);
        self.done.push((current.segment, current.end));
        Ok(())
    }

    /// Makes everything durable and answers the segments with their entries for the state.
    pub(crate) fn finish(&mut self) -> Result<Vec<(Arc<Segment>, SegmentEntry)>> {
        self.end_segment()?;
        let synced = self.disk.sync_directory(&self.directory);
        synced.map_err(|error| Error::io("syncing the directory", error))?;
        let entries = std::mem::take(&mut self.done).into_iter();
        Ok(entries
            .map(|(segment, len)| {
                let entry = SegmentEntry {
                    id: segment.id(),
                    epoch: segment.seal.epoch,
                    len,
                    sorted: true,
                };
                (segment, entry)
            })
            .collect())
    }
}

impl Drop for Rewriter {
    /// What was not finished is of no use: nothing names it.
    fn drop(&mut self) {
        let unfinished = self.current.take().map(|current| current.segment);
        let done = self.done.drain(..).map(|(segment, _)| segment);
        for segment in done.chain(unfinished) {
            // Best effort: the next opening removes it.
            let _ = self.disk.remove(&segment.path);
        }
    }
}
