//! Closing a store: everything durable, every file exactly as long as what it holds.

use kv_api::{Error, Result};

use crate::checkpoint;
use crate::db::Db;
use crate::log::failed::Failed;
use crate::log::writer::Log;
use crate::names;
use crate::root::Root;
use crate::shared::Shared;

impl Db {
    /// Makes everything durable, and lets no one begin any more. Waits for the write transaction,
    /// not for snapshots: those stay valid, and the lock on the store is released with the last of
    /// them. A second close does nothing.
    ///
    /// # Errors
    ///
    /// `NoSpace` if commits that were kept back find no room: then the store stays open. After
    /// any other error it is closed, and what was durable still is.
    pub fn close(&self) -> Result<()> {
        let mut state = self.shared.lock();
        while state.busy && state.root.is_some() {
            state = self.shared.wait_for_turn(state);
        }
        if state.root.is_none() {
            return Ok(());
        }
        // The turn is kept: nobody begins while the store is being closed.
        state.busy = true;
        let poisoned = state.refuse_poisoned();
        drop(state);
        if let Some(background) = &self.background {
            // It would mark the store as in use again, and keep the lock for as long as it works.
            background.rest();
        }
        let closed = if self.is_read_only() || poisoned.is_err() {
            // What was to become durable with this never will.
            poisoned
        } else {
            self.shared
                .lead(|log, root| end(log, root).map(|()| ((), None)))
        };
        let mut state = self.shared.lock();
        if matches!(closed, Err(Error::NoSpace { .. })) {
            state.busy = false;
            self.shared.release(state);
            if let Some(background) = &self.background {
                background.resume();
            }
            return closed;
        }
        while state.log.is_none() && !self.is_read_only() && state.root.is_some() {
            state = self.shared.wait(state);
        }
        state.root = None;
        state.log = None;
        state.busy = false;
        state.refuse_queued(Error::Closed);
        self.shared.release(state);
        closed
    }
}

/// Leaves the log exactly as long as what it holds, and says so.
fn end(log: &mut Log, root: &Root) -> Result<(), Failed> {
    if log.state.clean && log.since_checkpoint < CHECKPOINT_BYTES_MIN {
        return Ok(());
    }
    log.end_active()?;
    let mut state = log.state.clone();
    let number = state.next_checkpoint;
    let old = state.checkpoint;
    // A convenience: without it, the next opening reads the log.
    if log.since_checkpoint >= CHECKPOINT_BYTES_MIN
        && checkpoint::write(root, log.covered(), number).is_ok()
    {
        state.checkpoint = Some(number);
        state.next_checkpoint += 1;
    }
    state.clean = true;
    state.last_commit_index = root.last_commit_index;
    if let Some(active) = state.segments.last_mut() {
        active.len = log.end;
    }
    match log.replace_state(state) {
        // Everything is durable. Without the mark, the next opening looks for the log's end. It also
        // removes what nothing names.
        Err(failed) if !failed.poisons => return Ok(()),
        replaced => replaced?,
    }
    if let Some(old) = old.filter(|old| Some(*old) != log.state.checkpoint) {
        // Best effort: the next opening removes what nothing names.
        let _ = log.disk.remove(&log.directory.join(names::checkpoint(old)));
    }
    Ok(())
}

/// Replaying less than this takes no longer than reading a checkpoint.
const CHECKPOINT_BYTES_MIN: u64 = 1 << 20;

impl Db {
    /// Writes a checkpoint of the index, so that opening after a crash reads that and only the
    /// part of the log behind it. The background thread and closing do it by themselves.
    pub fn checkpoint(&self) -> Result<()> {
        checkpoint(&self.shared)
    }
}

/// See [`Db::checkpoint`].
pub(crate) fn checkpoint(shared: &Shared) -> Result<()> {
    let (root, covered, number) = shared.lead(|log, root| {
        log.sync()?;
        let mut state = log.state.clone();
        let number = state.next_checkpoint;
        state.next_checkpoint += 1;
        state.clean = false;
        log.replace_state(state)?;
        Ok(((std::sync::Arc::clone(root), log.covered(), number), None))
    })?;
    checkpoint::write(&root, covered, number)?;
    let named = shared.lead(|log, _| {
        let mut state = log.state.clone();
        let named = |id| state.segments.iter().any(|entry| entry.id == id);
        if !root
            .segments
            .order()
            .iter()
            .all(|segment| named(segment.id()))
        {
            // A segment was compacted away meanwhile, and this names it.
            return Ok((Some(number), None));
        }
        let old = state.checkpoint.replace(number);
        state.clean = false;
        log.replace_state(state)?;
        log.since_checkpoint = 0;
        Ok((old, None))
    });
    let unnamed = match &named {
        Ok(old) => *old,
        Err(Error::NoSpace { .. }) => Some(number),
        // Reopening tells which one the state names.
        Err(_) => None,
    };
    if let Some(unnamed) = unnamed {
        // Best effort: the next opening removes what nothing names.
        let path = root.lease.directory.join(names::checkpoint(unnamed));
        let _ = shared.options.disk.remove(&path);
    }
    named?;
    tracing::debug!(number, "wrote a checkpoint");
    Ok(())
}
