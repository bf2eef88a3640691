//! The end of the log: where frames are added.
//!
//! Invariants:
//! * the active segment's file holds the log up to `end - pending.len()`; `pending` is the rest;
//! * behind that the file holds zeros up to `zeroed` and ends there;
//! * everything below `synced` is durable, and so is every segment before the active one;
//! * `state` is what `meta.state` durably says; it names every segment that holds a commit.

use std::io::IoSlice;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use disk::{Disk, write_all_at, write_all_vectored_at};
use kv_api::{Error, Result};

use crate::ids::SegmentId;
use crate::log::batch::Batch;
use crate::log::covered::Covered;
use crate::log::failed::Failed;
use crate::log::frame::{HEAD_BYTES, Head};
use crate::log::new_segment::{LogRules, create_segment};
use crate::log::segment::{SEGMENT_HEADER_BYTES, Segment};
use crate::log::watcher::Watcher;
use crate::state_file::{SegmentEntry, StateFile};
use crate::waker::Waker;

/// Bytes of commits that are kept back from the file, at most.
const PENDING_BYTES_MAX: usize = 256 << 10;
/// A commit below this length has its place written with zeros ahead of time, so that syncing it
/// need not make the file system's own notes durable.
const SMALL_COMMIT_BYTES: u64 = 64 << 10;

/// Frames below this length together are written from one buffer.
const GATHERED_BYTES: u64 = 16 << 10;

static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The log's end.
pub(crate) struct Log {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) rules: LogRules,
    pub(crate) state: StateFile,
    pub(crate) active: Arc<Segment>,
    pub(crate) end: u32,
    pub(crate) head_sum: u32,
    pub(crate) synced: u32,
    pub(crate) zeroed: u32,
    pub(crate) pending: Vec<u8>,
    /// Where small frames are gathered to be written, kept for its memory.
    pub(crate) gathered: Vec<u8>,
    /// The next segment's number; shared with whoever rewrites segments beside.
    pub(crate) next_segment: Arc<AtomicU32>,
    /// The first id that no space has had.
    pub(crate) next_space: u32,
    /// Bytes that an opening would go through one by one for want of a newer checkpoint.
    pub(crate) since_checkpoint: u64,
    /// Woken when a segment was ended.
    pub(crate) waker: Option<Waker>,
    /// Sees every change: whoever has the log is the one who makes changes.
    pub(crate) watcher: Option<Box<dyn Watcher>>,
}

impl Log {
    fn written(&self) -> u32 {
        self.end - u32::try_from(self.pending.len()).unwrap_or(0)
    }

    /// The place that everything before is covered by, if it is durable.
    pub(crate) fn covered(&self) -> Covered {
        Covered {
            segment: self.active.id(),
            at: self.end,
            head_sum: self.head_sum,
        }
    }

    /// Bytes that the next opening would go through one by one, without a checkpoint: what stands
    /// in order costs little more than a checkpoint, but an index over values reads all of them.
    pub(crate) fn bytes_to_replay(&self) -> u64 {
        let one_by_one = |entry: &&SegmentEntry| self.watcher.is_some() || !entry.sorted;
        let sealed = self.state.segments.iter().filter(one_by_one);
        let sealed: u64 = sealed.map(|entry| u64::from(entry.len)).sum();
        sealed.max(self.end.into()) - u64::from(SEGMENT_HEADER_BYTES)
    }

    /// Whether something was committed that is not durable.
    pub(crate) fn is_behind(&self) -> bool {
        self.synced < self.end
    }

    fn head(&self, batch: &Batch) -> Head {
        Head {
            body_len: u32::try_from(batch.body.len()).unwrap_or(u32::MAX),
            records: u32::try_from(batch.ops.len()).unwrap_or(u32::MAX),
            commit_index: batch.commit_index,
            durable: self.synced,
            records_sum: batch.records_sum.0,
            before: self.head_sum,
        }
    }

    /// Lets what was kept back be read from memory.
    pub(crate) fn strand(&self) {
        self.active.strand(self.written(), &self.pending);
    }

    /// Adds a commit without writing it yet, if it is small and the store is known to be in use.
    /// Answers where its records begin.
    pub(crate) fn defer(&mut self, batch: &Batch) -> Option<u32> {
        if self.state.clean {
            return None;
        }
        let bytes = batch.frame_bytes();
        let fits = u64::from(self.end) + bytes <= u64::from(self.active.capacity_bytes());
        if !fits || self.pending.len() as u64 + bytes > PENDING_BYTES_MAX as u64 {
            return None;
        }
        let base = self.end + HEAD_BYTES;
        let head = self.advance_over(batch);
        self.pending.extend_from_slice(&head);
        self.pending.extend_from_slice(&batch.body);
        Some(base)
    }

    fn advance(&mut self, bytes: u64, head_sum: u32) {
        self.end += u32::try_from(bytes).unwrap_or(0);
        self.since_checkpoint += bytes;
        self.head_sum = head_sum;
    }

    /// Writes what was kept back.
    pub(crate) fn flush(&mut self) -> Result<(), Failed> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let written = write_all_at(&*self.active.file, &self.pending, self.written().into());
        // Earlier commits were promised nothing yet: what is left of this is written again, at
        // the same place, or never.
        written.map_err(|error| Failed::by_kind(Error::io("writing to the log", error)))?;
        self.pending.clear();
        self.zeroed = self.zeroed.max(self.end);
        self.active.set_readable(self.end);
        Ok(())
    }

    /// Writes `batches` behind the log's end, where they can be read from then on;
    /// [`sync_written`](Log::sync_written) follows if `syncs`. Answers where their frames begin,
    /// which lie one behind the other. They fit: see [`make_room`](Log::make_room).
    pub(crate) fn write(&mut self, batches: &[Arc<Batch>], syncs: bool) -> Result<u32, Failed> {
        self.flush()?;
        self.leave_clean()?;
        let start = self.end;
        let before = (self.head_sum, self.since_checkpoint);
        let bytes: u64 = batches.iter().map(|batch| batch.frame_bytes()).sum();
        let zeros = self.zeros_behind(u64::from(start) + bytes, bytes, syncs);
        let written = if bytes < GATHERED_BYTES && zeros == 0 {
            self.write_gathered(batches)
        } else {
            self.write_vectored(batches, zeros)
        };
        if let Err(error) = written {
            self.end = start;
            (self.head_sum, self.since_checkpoint) = before;
            return Err(self.take_back(Error::io("writing to the log", error)));
        }
        self.zeroed = self.zeroed.max(self.end + zeros);
        self.active.set_readable(self.end);
        Ok(start)
    }

    /// Makes what was just written durable.
    pub(crate) fn sync_written(&mut self) -> Result<(), Failed> {
        self.sync_active().map_err(Failed::doubtful)
    }

    /// What came of a sync of the active segment that somebody else made since the last write.
    pub(crate) fn note_synced(&mut self, synced: std::io::Result<()>) -> Result<(), Failed> {
        synced.map_err(|error| Failed::doubtful(Error::io("syncing the log", error)))?;
        self.synced = self.written();
        Ok(())
    }

    /// The head of the frame of a batch at the log's end, which moves behind the frame.
    fn advance_over(&mut self, batch: &Batch) -> [u8; HEAD_BYTES as usize] {
        let head = self.head(batch);
        let (head, sum) = self.active.seal.encode(&head, self.end);
        self.advance(batch.frame_bytes(), sum);
        head
    }

    /// Writes small frames from one buffer: the system takes that faster than a list of pieces.
    fn write_gathered(&mut self, batches: &[Arc<Batch>]) -> std::io::Result<()> {
        let start = self.end;
        let mut gathered = std::mem::take(&mut self.gathered);
        gathered.clear();
        for batch in batches {
            gathered.extend_from_slice(&self.advance_over(batch));
            gathered.extend_from_slice(&batch.body);
        }
        let written = write_all_at(&*self.active.file, &gathered, start.into());
        self.gathered = gathered;
        written
    }

    /// Writes frames from where they are, and zeros behind them.
    fn write_vectored(&mut self, batches: &[Arc<Batch>], zeros: u32) -> std::io::Result<()> {
        let start = self.end;
        let heads: Vec<_> = batches.iter().map(|b| self.advance_over(b)).collect();
        let mut slices = Vec::with_capacity(2 * batches.len() + 1);
        for (head, batch) in heads.iter().zip(batches) {
            slices.push(IoSlice::new(head));
            slices.push(IoSlice::new(&batch.body));
        }
        push_zeros(&mut slices, zeros);
        write_all_vectored_at(&*self.active.file, &mut slices, start.into())
    }

    /// How many zeros to write behind the end: none while there are some, or for a large commit.
    fn zeros_behind(&self, end: u64, bytes: u64, sync: bool) -> u32 {
        if !sync || bytes >= SMALL_COMMIT_BYTES || end <= self.zeroed.into() {
            return 0;
        }
        let room = u64::from(self.active.capacity_bytes()).saturating_sub(end);
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        self.rules.prewrite_bytes.min(room)
    }

    /// After a write that failed: no whole frame may be found where it began, unless the outcome
    /// is in doubt.
    fn take_back(&mut self, error: Error) -> Failed {
        if !matches!(error, Error::NoSpace { .. }) {
            return Failed::doubtful(error);
        }
        let file = &self.active.file;
        let at = u64::from(self.end);
        let erased = file.len().and_then(|len| {
            let head = len.saturating_sub(at).min(u64::from(HEAD_BYTES));
            let head = usize::try_from(head).unwrap_or(0);
            write_all_at(&**file, ZEROS.get(..head).unwrap_or_default(), at)?;
            // The bytes may be on the disk already, so the zeros must be, too.
            file.sync_data()
        });
        match erased {
            Ok(()) => {
                self.synced = self.end;
                Failed::refused(error)
            }
            Err(_) => Failed::doubtful(error),
        }
    }

    fn sync_active(&mut self) -> Result<()> {
        let synced = self.active.file.sync_data();
        synced.map_err(|error| Error::io("syncing the log", error))?;
        self.synced = self.written();
        Ok(())
    }

    /// Makes every commit durable.
    pub(crate) fn sync(&mut self) -> Result<(), Failed> {
        self.flush()?;
        if self.is_behind() {
            self.sync_active().map_err(Failed::broken)?;
        }
        Ok(())
    }

    /// Says durably that the store is in use, before the first write to the log.
    fn leave_clean(&mut self) -> Result<(), Failed> {
        if !self.state.clean {
            return Ok(());
        }
        let mut state = self.state.clone();
        state.clean = false;
        self.replace_state(state)
    }

    /// Puts `state` in the place of what `meta.state` says.
    pub(crate) fn replace_state(&mut self, mut state: StateFile) -> Result<(), Failed> {
        state.sequence += 1;
        if let Some(active) = state.segments.last_mut()
            && !state.clean
            && active.id == self.active.id()
        {
            active.len = self.synced;
        }
        state.next_segment = self.next_segment.load(Ordering::Relaxed);
        state.next_space = self.next_space;
        state
            .write_beside(&*self.disk, &self.directory)
            .map_err(Failed::by_kind)?;
        StateFile::rename(&*self.disk, &self.directory).map_err(Failed::by_kind)?;
        // Now only reopening tells which state is the durable one.
        StateFile::sync_name(&*self.disk, &self.directory).map_err(Failed::broken)?;
        self.state = state;
        Ok(())
    }

    /// Makes room for `bytes` in the active segment, by beginning a new one if need be. Answers
    /// that one.
    pub(crate) fn make_room(&mut self, bytes: u64) -> Result<Option<Arc<Segment>>, Failed> {
        if u64::from(self.end) + bytes <= u64::from(self.active.capacity_bytes()) {
            return Ok(None);
        }
        self.roll(bytes).map(Some)
    }

    /// Ends the active segment and begins another with room for `bytes` at least.
    pub(crate) fn roll(&mut self, bytes: u64) -> Result<Arc<Segment>, Failed> {
        self.end_active()?;
        let segment = self.create_segment(bytes).map_err(Failed::by_kind)?;
        let mut state = self.state.clone();
        state.clean = false;
        if let Some(active) = state.segments.last_mut() {
            active.len = self.end;
        }
        state.segments.push(segment.fresh_entry());
        if let Err(failed) = self.replace_state(state) {
            if !failed.poisons {
                // Best effort. Where the switch may have happened, the file must stay.
                let _ = self.disk.remove(&segment.path);
            }
            return Err(failed);
        }
        self.begin_at(Arc::clone(&segment));
        tracing::debug!(segment = segment.id().0, "began a segment");
        if let Some(waker) = &self.waker {
            waker.wake();
        }
        Ok(segment)
    }

    /// Goes on in `segment`, which is empty and named by `meta.state`.
    pub(crate) fn begin_at(&mut self, segment: Arc<Segment>) {
        self.active = segment;
        self.end = SEGMENT_HEADER_BYTES;
        self.synced = self.end;
        self.zeroed = self.end;
        self.head_sum = 0;
    }

    /// Makes the active segment durable and exactly as long as what it holds.
    pub(crate) fn end_active(&mut self) -> Result<(), Failed> {
        self.flush()?;
        let (file, end) = (&self.active.file, u64::from(self.end));
        // A write that failed may have left more than the zeros.
        let cut = file.len().and_then(|len| match len == end {
            true => Ok(()),
            false => file.set_len(end),
        });
        cut.map_err(|error| Failed::broken(Error::io("ending a segment", error)))?;
        self.zeroed = self.end;
        let synced = file.sync_all();
        synced.map_err(|error| Failed::broken(Error::io("syncing the log", error)))?;
        self.synced = self.end;
        Ok(())
    }

    /// Makes the file of the next segment, durable with its name. Nothing names it yet.
    pub(crate) fn create_segment(&self, bytes: u64) -> Result<Arc<Segment>> {
        let id = SegmentId(self.next_segment.fetch_add(1, Ordering::Relaxed));
        create_segment(
            &*self.disk,
            &self.directory,
            &self.rules,
            self.state.store,
            id,
            bytes,
        )
    }
}

fn push_zeros(slices: &mut Vec<IoSlice<'_>>, zeros: u32) {
    let mut left = zeros as usize;
    while left > 0 {
        let part = left.min(ZEROS.len());
        slices.push(IoSlice::new(ZEROS.get(..part).unwrap_or_default()));
        left -= part;
    }
}
