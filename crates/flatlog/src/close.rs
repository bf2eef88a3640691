//! Closing a store: everything durable, every file exactly as long as what it holds.

use kv_api::{Error, Result};

use crate::db::Db;
use crate::log::writer::{Failed, Log};
use crate::root::Root;

impl Db {
    /// Makes everything durable, and lets no one begin any more. Waits for the write transaction,
    /// not for snapshots: those stay valid, and the lock on the store is released with the last of
    /// them. A second close does nothing.
    pub fn close(&self) -> Result<()> {
        let mut state = self.shared.lock();
        while state.busy && state.root.is_some() {
            state = self.shared.wait(state);
        }
        if state.root.is_none() {
            return Ok(());
        }
        // The turn is kept: nobody begins while the store is being closed.
        state.busy = true;
        let poisoned = state.refuse_poisoned();
        drop(state);
        let closed = if self.is_read_only() || poisoned.is_err() {
            Ok(())
        } else {
            self.shared.lead(|log, root| end(log, root).map(|()| ((), None)))
        };
        let mut state = self.shared.lock();
        while state.log.is_none() && !self.is_read_only() && state.root.is_some() {
            state = self.shared.wait(state);
        }
        state.root = None;
        state.log = None;
        state.busy = false;
        state.refuse_queued(Error::Closed);
        drop(state);
        self.shared.notify();
        closed
    }
}

/// Leaves the log exactly as long as what it holds, and says so.
fn end(log: &mut Log, root: &Root) -> Result<(), Failed> {
    if log.state.clean {
        return Ok(());
    }
    log.end_active()?;
    let mut state = log.state.clone();
    state.clean = true;
    state.last_commit_index = root.last_commit_index;
    state.next_space = log.next_space;
    if let Some(active) = state.segments.last_mut() {
        active.len = log.end;
    }
    log.replace_state(state)
}
