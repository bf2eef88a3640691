//! The commit protocol, and the only place where commits are written and become visible.
//!
//! 1. A transaction numbers its batch and queues it, and gives the turn back: the next one may
//!    begin, built on what is queued.
//! 2. If nobody leads, it leads: it takes what is queued, as much as fits the segment.
//! 3. The frames are written with one vectored write. If any of them asks for `Sync`, one
//!    `fdatasync` follows; it makes all earlier commits durable, too.
//! 4. Only then the batches enter the index, in their order, under the lock: readers never see
//!    what a power cut could still take from a `Sync` commit.
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
use crate::log::segment::Segment;
use crate::log::table::SegmentTable;
use crate::log::writer::Log;
use crate::root::Root;
use crate::shared::{Locked, Queued, Shared, State, Ticket, doubt};

/// Changes that are made under the lock; more are made in a version beside, without it.
const OPS_UNDER_LOCK_MAX: usize = 256;

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
    let ticket = Arc::new(Ticket::new());
    let refused = admit(&state, &submission);
    if refused.is_ok() {
        state.last_index = submission.batch.commit_index;
        state.next_space = submission.next_space;
        state.queue.push(Queued {
            batch: Arc::new(submission.batch),
            ticket: Arc::clone(&ticket),
        });
    }
    state.busy = false;
    if refused.is_err() {
        drop(state);
        shared.notify();
        return refused;
    }
    loop {
        if let Some(done) = ticket.get() {
            drop(state);
            shared.notify();
            return done.clone();
        }
        state = match state.log.take() {
            Some(log) => lead_group(shared, state, log),
            None => shared.wait(state),
        };
    }
}

fn admit(state: &State, submission: &Submission) -> Result<()> {
    if state.root.is_none() {
        return Err(Error::Closed);
    }
    state.refuse_poisoned()?;
    match &state.refusal {
        Some(refusal) if state.refusals != submission.refusals => Err(refusal.clone()),
        _ => Ok(()),
    }
}

/// Takes what is queued and commits it.
fn lead_group<'a>(shared: &'a Shared, mut state: Locked<'a>, mut log: Box<Log>) -> Locked<'a> {
    if state.root.is_none() {
        state.refuse_queued(Error::Closed);
        return state;
    }
    if defer_all(&mut state, &mut log) {
        state.log = Some(log);
        return state;
    }
    let group = take_group(&mut state, &log);
    let batches: Vec<Arc<Batch>> = group
        .iter()
        .map(|queued| Arc::clone(&queued.batch))
        .collect();
    state.in_flight.clone_from(&batches);
    log.next_space = state.next_space;
    // What is kept back is visible: it must be in the file while the log is out of reach.
    let written = match log.flush() {
        Ok(()) => {
            let root = state.root.clone();
            drop(state);
            // A turn is free; whoever waits for it may begin.
            shared.notify();
            let written = write_group(&mut log, root, &batches);
            state = shared.lock();
            written
        }
        Err(failed) => Err(failed),
    };
    state.in_flight.clear();
    let answer = match written {
        Ok(written) => {
            written.publish(&mut state, &mut log, &batches);
            Ok(())
        }
        Err(failed) => Err(told(failed, &mut state, &mut log, &batches)),
    };
    for queued in group {
        // Set once: this group was taken out of the queue.
        let _ = queued.ticket.set(answer.clone());
    }
    state.log = Some(log);
    state
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
        make_visible(state, log, &[(&batch, base)]);
        let queued = state.queue.remove(0);
        let _ = queued.ticket.set(Ok(()));
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

/// A group that is in the log.
struct WrittenGroup {
    bases: Vec<u32>,
    /// The version with a large group in it.
    beside: Option<Root>,
}

fn write_group(
    log: &mut Log,
    root: Option<Arc<Root>>,
    batches: &[Arc<Batch>],
) -> Result<WrittenGroup, Failed> {
    let bytes = batches.iter().map(|batch| batch.frame_bytes()).sum();
    log.make_room(bytes)?;
    let sync = batches
        .iter()
        .any(|batch| batch.durability == Durability::Sync);
    let bases = log.write(batches, sync)?;
    let ops: usize = batches.iter().map(|batch| batch.ops.len()).sum();
    let beside = root.filter(|_| ops > OPS_UNDER_LOCK_MAX).map(|root| {
        let mut beside = Root::clone(&root);
        for (batch, base) in batches.iter().zip(&bases) {
            apply_batch(&mut beside, log, batch, *base);
        }
        beside
    });
    Ok(WrittenGroup { bases, beside })
}

impl WrittenGroup {
    fn publish(self, state: &mut State, log: &mut Log, batches: &[Arc<Batch>]) {
        if let Some(beside) = self.beside {
            state.root = Some(Arc::new(beside));
            return;
        }
        let pairs: Vec<(&Arc<Batch>, u32)> = batches.iter().zip(self.bases).collect();
        make_visible(state, log, &pairs);
    }
}

fn make_visible(state: &mut State, log: &mut Log, batches: &[(&Arc<Batch>, u32)]) {
    let Some(root) = &mut state.root else {
        return;
    };
    // In place where no snapshot shares it; a copy of what is touched where one does.
    let root = Arc::make_mut(root);
    for (batch, base) in batches {
        apply_batch(root, log, batch, *base);
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
