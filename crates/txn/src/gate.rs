//! One write transaction at a time, and the one [`Writer`] behind it.
//!
//! Two things are handed out: the turn, which a write transaction keeps from its beginning to its
//! end, and the writer, which is taken only for as long as something is done with it. So what
//! needs the writer alone, like a sync, does not wait for a transaction that is still being
//! filled.
//!
//! The writer's state is a value that is taken out and put back, so there is no second way to
//! reach it and nothing to unlock by hand.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use kv_api::{Error, Result};

use crate::writer::Writer;

#[derive(Debug)]
struct State {
    writer: Option<Box<Writer>>,
    /// Someone has the turn.
    busy: bool,
    closed: bool,
    /// Threads that sleep until the writer is put back.
    waiting_for_writer: usize,
    /// Threads that sleep until the turn is free.
    waiting_for_turn: usize,
}

/// Where the writer waits to be taken.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    /// The writer was put back.
    returned: Condvar,
    /// The turn is free and the writer there.
    free: Condvar,
}

impl Gate {
    /// A gate with its writer; without one for a database that is only read.
    pub fn new(writer: Option<Box<Writer>>) -> Gate {
        Gate {
            state: Mutex::new(State {
                writer,
                busy: false,
                closed: false,
                waiting_for_writer: 0,
                waiting_for_turn: 0,
            }),
            returned: Condvar::new(),
            free: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step below can leave the state half changed, so a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the turn, and takes the writer with it.
    pub fn take_turn(&self) -> Result<Box<Writer>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return Err(Error::Closed);
            }
            if !state.busy
                && let Some(writer) = state.writer.take()
            {
                state.busy = true;
                return Ok(writer);
            }
            state.waiting_for_turn += 1;
            let woken = self.free.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_turn -= 1;
        }
    }

    /// The turn and the writer, if no one has either.
    pub fn try_take_turn(&self) -> Result<Option<Box<Writer>>> {
        let mut state = self.state();
        if state.closed {
            return Err(Error::Closed);
        }
        if state.busy {
            return Ok(None);
        }
        let writer = state.writer.take();
        state.busy = writer.is_some();
        Ok(writer)
    }

    /// Waits for the writer, whoever has the turn. What holds it does not wait for anyone.
    pub fn take(&self) -> Result<Box<Writer>> {
        let mut state = self.state();
        loop {
            if let Some(writer) = state.writer.take() {
                return Ok(writer);
            }
            if state.closed {
                return Err(Error::Closed);
            }
            state.waiting_for_writer += 1;
            let woken = self.returned.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.waiting_for_writer -= 1;
        }
    }

    /// Gives the writer back. Whoever has the turn keeps it.
    pub fn put_back(&self, writer: Box<Writer>) {
        let mut state = self.state();
        state.writer = Some(writer);
        // Waking nobody is a system call all the same.
        if state.waiting_for_writer > 0 {
            self.returned.notify_one();
        }
        if !state.busy && state.waiting_for_turn > 0 {
            self.free.notify_one();
        }
    }

    /// Ends the turn. The writer has been put back before.
    pub fn end_turn(&self) {
        let mut state = self.state();
        state.busy = false;
        if state.waiting_for_turn > 0 {
            self.free.notify_one();
        }
    }

    /// Lets no one through any more.
    pub fn close(&self) {
        self.state().closed = true;
        self.returned.notify_all();
        self.free.notify_all();
    }
}
