//! The commit protocol, and the only place where commits are written and become visible.
//!
//! 1. A transaction numbers its batch and queues it, and gives the turn back: the next one may
//!    begin, built on what is queued.
//! 2. If nobody leads, it leads: it takes what is queued, as much as fits the segment.
//! 3. The frames are written with one vectored write. If any of them asks for `Sync`, one
//!    `fdatasync` follows; it makes all earlier commits durable, too.
//! 4. Only then the batches enter the index, in their order, under the lock: readers never see
//!    what a power cut could still take from a `Sync` commit. Large groups enter a version beside,
//!    some while the sync goes on, and that takes its place only then.
//! 5. Everyone whose commit was taken is told, and someone whose commit was not leads next.
//!
//! `Deferred` commits that come alone skip step 3: their frames are kept back in memory, and
//! written before anyone reads them, with the next commit that is written, or when they are many.
//!
//! A failure before the write, or a refusal for space whose remains could be erased durably, is
//! "not committed", and the store lives on. Any other failed write and every failed sync leaves
//! the group in doubt and poisons the handle.

use std::sync::Arc;

use kv_api::{Durability, Error, Result};

use crate::apply::{Changes, apply};
use crate::log::batch::Batch;
use crate::log::failed::Failed;
use crate::log::frame::HEAD_BYTES;
use crate::log::segment::Segment;
use crate::log::table::SegmentTable;
use crate::log::writer::Log;
use crate::root::Root;
use crate::shared::{Locked, Queued, Shared, State, doubt};
use crate::ticket::Ticket;

/// Changes that are made under the lock; more are made in a version beside, without it.
const OPS_UNDER_LOCK_MAX: usize = 256;
/// The same where no one reads any version: then nothing has to be copied, which is most of the
/// work, and who begins to read meanwhile waits for some milliseconds at most.
const OPS_IN_PLACE_MAX: usize = 8 << 10;

/// What a transaction hands over.
pub(crate) struct Submission {
    pub(crate) batch: Batch,
    /// The first id that no space has had.
    pub(crate) next_space: u32,
    /// [`State::refusals`] when it began.
    pub(crate) refusals: u64,
}

/// Commits. The caller has the turn; it is given back once the batch is queued or refused.
pub(crate) fn commit(shared: &Shared, submission: Submission) -> Result<()> {
    let mut state = shared.lock();
    if let Err(refused) = admit(&state, &submission) {
        state.busy = false;
        shared.release(state);
        return Err(refused);
    }
    state.busy = false;
    state.last_index = submission.batch.commit_index;
    state.next_space = submission.next_space;
    let batch = Arc::new(submission.batch);
    if state.queue.is_empty()
        && batch.durability != Durability::Deferred
        && let Some(log) = state.log.take()
    {
        // Nobody else is about to commit: no queue, and no ticket to wait with.
        return lead_batches(shared, state, log, &[batch]);
    }
    let ticket = Arc::new(Ticket::new());
    let long = batch.durability == Durability::Sync;
    state.queue.push(Queued {
        batch,
        ticket: Arc::clone(&ticket),
    });
    wait(shared, state, &ticket, long)
}

/// Waits until the ticket's commit has ended, which may take `long`; leads where nobody else does.
fn wait<'a>(shared: &'a Shared, mut state: Locked<'a>, ticket: &Ticket, long: bool) -> Result<()> {
    loop {
        match state.log.take() {
            Some(log) => lead_group(shared, state, log),
            None => {
                // The turn is free; whoever waits for it may begin.
                shared.release(state);
                ticket.sleep(long);
            }
        }
        if let Some(done) = ticket.outcome() {
            return done.clone();
        }
        state = shared.lock();
        // It may have been settled before the lock was had; then someone else may have to lead.
        if let Some(done) = ticket.outcome() {
            shared.release(state);
            return done.clone();
        }
    }
}

fn admit(state: &State, submission: &Submission) -> Result<()> {
    if state.root.is_none() {
        return Err(Error::Closed);
    }
    state.refuse_poisoned()?;
    match &state.refusal {
        Some(refusal) if state.refusals != submission.refusals => Err(refusal.clone()),
        // An index that comes twice would tell two versions apart by nothing.
        _ if submission.batch.commit_index <= state.last_index => Err(Error::Unsupported {
            what: "a commit behind the last index that there is",
        }),
        _ => Ok(()),
    }
}

/// Takes what is queued and commits it.
fn lead_group<'a>(shared: &'a Shared, mut state: Locked<'a>, mut log: Box<Log>) {
    if state.root.is_none() {
        state.refuse_queued(Error::Closed);
        return shared.release(state);
    }
    if defer_all(&mut state, &mut log) {
        state.log = Some(log);
        return shared.release(state);
    }
    let group = take_group(&mut state, &log);
    let batches: Vec<Arc<Batch>> = group
        .iter()
        .map(|queued| Arc::clone(&queued.batch))
        .collect();
    let answer = lead_batches(shared, state, log, &batches);
    for queued in group {
        queued.ticket.settle(answer.clone());
    }
}

/// Commits batches that are in no queue.
fn lead_batches<'a>(
    shared: &'a Shared,
    mut state: Locked<'a>,
    mut log: Box<Log>,
    batches: &[Arc<Batch>],
) -> Result<()> {
    state.in_flight.extend_from_slice(batches);
    log.next_space = state.next_space;
    // What is kept back is visible: it must be in the file while the log is out of reach.
    let written = match log.flush() {
        Ok(()) => {
            // A turn is free; whoever waits for it may begin.
            shared.release(state);
            let written = write_group(shared, &mut log, batches);
            state = shared.lock();
            written
        }
        Err(failed) => Err(failed),
    };
    let mut replaced = None;
    let answer = match written {
        Ok(written) => {
            (state, replaced) = publish(shared, state, &mut log, batches, written);
            Ok(())
        }
        Err(failed) => Err(told(failed, &mut state, &mut log, batches)),
    };
    state.in_flight.clear();
    state.log = Some(log);
    // The next leader first: its write goes on while the others wake up.
    shared.release(state);
    // What only the version before had is given back now that nobody waits for that.
    drop(replaced);
    answer
}

/// Keeps the queued commits back and makes them visible, if all are small and none asks for more.
fn defer_all(state: &mut State, log: &mut Log) -> bool {
    // An index over values reads what is replaced, from the file.
    let all_deferred = log.watcher.is_none()
        && state.queue.iter().all(|queued| {
            queued.batch.durability == Durability::Deferred
                && queued.batch.ops.len() <= OPS_UNDER_LOCK_MAX
        });
    if !all_deferred {
        return false;
    }
    while let Some(queued) = state.queue.first() {
        let batch = Arc::clone(&queued.batch);
        let Some(base) = log.defer(&batch) else {
            return false;
        };
        make_visible(state, log, std::iter::once((&batch, base)));
        state.queue.remove(0).ticket.settle(Ok(()));
    }
    true
}

/// As many queued commits as fit the active segment, but one at least.
fn take_group(state: &mut State, log: &Log) -> Vec<Queued> {
    let mut room = u64::from(log.active.capacity_bytes()).saturating_sub(log.end.into());
    let mut count = 0;
    for queued in &state.queue {
        let bytes = queued.batch.frame_bytes();
        if bytes > room && count > 0 {
            break;
        }
        room = room.saturating_sub(bytes);
        count += 1;
    }
    let rest = state.queue.split_off(count);
    std::mem::replace(&mut state.queue, rest)
}

/// Batches whose frames lie one behind the other from `start` on, and where the records of each
/// begin.
fn with_bases(batches: &[Arc<Batch>], start: u32) -> impl Iterator<Item = (&Arc<Batch>, u32)> {
    let mut at = u64::from(start);
    batches.iter().map(move |batch| {
        let base = at + u64::from(HEAD_BYTES);
        at += batch.frame_bytes();
        // They lie in one segment, where places are so wide.
        (batch, u32::try_from(base).unwrap_or(u32::MAX))
    })
}

/// A group that is in the log.
struct WrittenGroup {
    /// Where its first frame begins.
    start: u32,
    /// The version before and the one with the group, where that was built beside the sync.
    built: Option<(Arc<Root>, Root)>,
}

/// Brings a group into the log. The version with a large one is built while the device works: it is
/// not shown before the sync has ended well.
fn write_group(
    shared: &Shared,
    log: &mut Log,
    batches: &[Arc<Batch>],
) -> Result<WrittenGroup, Failed> {
    let bytes = batches.iter().map(|batch| batch.frame_bytes()).sum();
    log.make_room(bytes)?;
    let sync = batches
        .iter()
        .any(|batch| batch.durability == Durability::Sync);
    let start = log.write(batches, sync)?;
    let before = match sync && changes_of(batches) > OPS_IN_PLACE_MAX {
        true => shared.lock().root.clone(),
        false => None,
    };
    let Some(before) = before else {
        if sync {
            log.sync_written()?;
        }
        return Ok(WrittenGroup { start, built: None });
    };
    let file = Arc::clone(&log.active.file);
    let (after, synced) = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("flatlog sync".into());
        let syncing = thread.spawn_scoped(scope, || file.sync_data());
        let after = built_beside(&before, log, batches, start);
        let synced = match syncing {
            Ok(thread) => thread.join().unwrap_or_else(|_| {
                let what = "the thread that syncs the log panicked";
                Err(std::io::Error::other(what))
            }),
            Err(_) => file.sync_data(),
        };
        (after, synced)
    });
    log.note_synced(synced)?;
    let built = Some((before, after));
    Ok(WrittenGroup { start, built })
}

fn changes_of(batches: &[Arc<Batch>]) -> usize {
    batches.iter().map(|batch| batch.ops.len()).sum()
}

fn built_beside(before: &Root, log: &mut Log, batches: &[Arc<Batch>], start: u32) -> Root {
    let mut beside = Root::clone(before);
    for (batch, base) in with_bases(batches, start) {
        apply_batch(&mut beside, log, batch, base);
    }
    beside
}

/// Makes a group visible that is in the log; answers the version before, where a new one took its
/// place. While the log is out, nobody else puts a version in place.
fn publish<'a>(
    shared: &'a Shared,
    mut state: Locked<'a>,
    log: &mut Log,
    batches: &[Arc<Batch>],
    written: WrittenGroup,
) -> (Locked<'a>, Option<Arc<Root>>) {
    let WrittenGroup { start, built } = written;
    if let Some((before, after)) = built {
        state.root = Some(Arc::new(after));
        return (state, Some(before));
    }
    let changes = changes_of(batches);
    // An index over values reads the values of all changes: not while others wait.
    let is_alone = log.watcher.is_none() && state.root.as_mut().is_some_and(Root::is_alone);
    let in_place = changes <= OPS_UNDER_LOCK_MAX || is_alone && changes <= OPS_IN_PLACE_MAX;
    let before = match &state.root {
        Some(root) if !in_place => Arc::clone(root),
        _ => {
            make_visible(&mut state, log, with_bases(batches, start));
            return (state, None);
        }
    };
    drop(state);
    let after = built_beside(&before, log, batches, start);
    let mut state = shared.lock();
    state.root = Some(Arc::new(after));
    (state, Some(before))
}

fn make_visible<'b>(
    state: &mut State,
    log: &mut Log,
    batches: impl Iterator<Item = (&'b Arc<Batch>, u32)>,
) {
    let Some(root) = &mut state.root else {
        return;
    };
    // In place where no snapshot shares it; a copy of what is touched where one does.
    let root = Arc::make_mut(root);
    for (batch, base) in batches {
        apply_batch(root, log, batch, base);
    }
}

/// Makes the changes of a batch that is in the active segment.
fn apply_batch(root: &mut Root, log: &mut Log, batch: &Batch, base: u32) {
    if root.segments.find(log.active.id()).is_none() {
        add_segment(root, &log.active);
    }
    let changes = Changes {
        ops: &batch.ops,
        keys: &batch.body,
        segment: log.active.id(),
        base,
    };
    apply(root, changes, true, log.watcher.as_deref_mut());
    root.last_commit_index = batch.commit_index;
}

/// Adds a segment behind all others.
pub(crate) fn add_segment(root: &mut Root, segment: &Arc<Segment>) {
    let mut order = root.segments.order().to_vec();
    order.push(Arc::clone(segment));
    root.segments = Arc::new(SegmentTable::new(order));
}

/// What the members of a failed group are told; the queue behind them is refused, too, for it was
/// built on them.
fn told(failed: Failed, state: &mut State, log: &mut Log, batches: &[Arc<Batch>]) -> Error {
    let in_doubt = failed.in_doubt;
    let poisons = failed.poisons;
    let error = state.fail(log, failed);
    if !poisons {
        state.refuse_queued(error.clone());
    }
    if !in_doubt {
        return error;
    }
    doubt(batches.first().map_or(0, |batch| batch.commit_index), error)
}

/// Makes every commit that returned before durable.
pub(crate) fn sync(shared: &Shared) -> Result<()> {
    shared.lead(|log, _| log.sync().map(|()| ((), None)))
}
