//! One writer at a time: whoever holds the [`Writer`] is it.
//!
//! The writer's state is a value that is taken out and put back, so there is no second way to
//! reach it and nothing to unlock by hand.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use kv_api::{Error, Result};

use crate::writer::Writer;

#[derive(Debug)]
struct State {
    writer: Option<Box<Writer>>,
    closed: bool,
}

/// Where the writer waits to be taken.
#[derive(Debug)]
pub(crate) struct Gate {
    state: Mutex<State>,
    returned: Condvar,
}

impl Gate {
    /// A gate with its writer; without one for a database that is only read.
    pub fn new(writer: Option<Box<Writer>>) -> Gate {
        Gate {
            state: Mutex::new(State {
                writer,
                closed: false,
            }),
            returned: Condvar::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No step below can leave the state half changed, so a panic elsewhere does not matter.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the writer.
    pub fn take(&self) -> Result<Box<Writer>> {
        let mut state = self.state();
        loop {
            if state.closed {
                return Err(Error::Closed);
            }
            if let Some(writer) = state.writer.take() {
                return Ok(writer);
            }
            state = self
                .returned
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The writer, if no one has it.
    pub fn try_take(&self) -> Result<Option<Box<Writer>>> {
        let mut state = self.state();
        if state.closed {
            Err(Error::Closed)
        } else {
            Ok(state.writer.take())
        }
    }

    /// Gives the writer back.
    pub fn put_back(&self, writer: Box<Writer>) {
        self.state().writer = Some(writer);
        self.returned.notify_one();
    }

    /// Lets no one through any more.
    pub fn close(&self) {
        self.state().closed = true;
        self.returned.notify_all();
    }
}
